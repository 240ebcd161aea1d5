"""Overlaps of boxes, and mean average precision against cases that can be worked out by hand."""

import math

import numpy as np
import pytest

from transferkit.ops.metrics.boxes import box_iou, mean_average_precision

A, B, C = [0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]


def found(boxes, scores, labels=None):
    return {"boxes": boxes, "scores": scores, "labels": labels or ["a"] * len(boxes)}


def true(boxes, labels=None):
    return {"boxes": boxes, "labels": labels or ["a"] * len(boxes)}


def test_overlaps():
    overlap = box_iou([A, [5, 5, 15, 15]], [A, [0, 0, 10, 5], B])
    np.testing.assert_allclose(overlap, [[1, 0.5, 0], [25 / 175, 0, 0]])
    assert box_iou([[1, 1, 1, 1]], [[1, 1, 1, 1]]) == 0
    assert box_iou(np.empty((0, 4)), [A]).shape == (0, 1)


def test_all_right_is_one_and_nothing_is_zero():
    assert mean_average_precision([true([A, B])], [found([B, A], [0.2, 0.9])]) == 1
    assert mean_average_precision([true([A, B])], [found([], [])]) == 0
    assert math.isnan(mean_average_precision([true([])], [found([A], [0.5])]))


@pytest.mark.parametrize(
    ("boxes", "scores", "expected"),
    [
        ([A, C, B], [0.9, 0.8, 0.7], 1 / 2 + 2 / 3 * 1 / 2),  # right, wrong, right: precisions 1, 1/2, 2/3
        ([C, A, B], [0.9, 0.8, 0.7], 2 / 3),  # the envelope lifts 1/2 to the 2/3 behind it
        ([A, A], [0.9, 0.8], 1 / 2),  # a box is found once
        ([[0, 0, 10, 5]], [0.9], 1 / 2),  # an overlap of exactly one half is enough
        ([[0, 0, 10, 4.9]], [0.9], 0),
    ],
)
def test_cases_by_hand(boxes, scores, expected):
    assert mean_average_precision([true([A, B])], [found(boxes, scores)]) == pytest.approx(expected)


def test_scores_are_ranked_over_all_images():
    truth = [true([A]), true([A])]
    guess = [found([A, C], [0.5, 0.9]), found([A], [0.8])]  # wrong 0.9, right 0.8, right 0.5
    assert mean_average_precision(truth, guess) == pytest.approx(2 / 3)


def test_classes_count_the_same_and_a_box_of_another_class_or_image_is_wrong():
    truth = [true([A, B, C], ["a", "a", "b"]), true([])]
    guess = [found([A, B, C], [0.9, 0.8, 0.7], ["a", "a", "a"]), found([C], [0.9], ["b"])]
    assert mean_average_precision(truth, guess) == pytest.approx((1 + 0) / 2)


def test_two_boxes_take_the_nearest_one_each():
    near = [1, 0, 11, 10]
    assert mean_average_precision([true([A, near])], [found([near, A], [0.9, 0.8])]) == 1


def test_another_number_of_images_is_refused():
    with pytest.raises(ValueError, match="one entry an image"):
        mean_average_precision([true([A])], [])
