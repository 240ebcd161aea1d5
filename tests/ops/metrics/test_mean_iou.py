"""Mean intersection over union: scikit-learn's Jaccard score, and pixels that do not count."""

import math

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from transferkit.ops.metrics.mean_iou import mean_iou


def test_it_is_the_macro_jaccard_score_of_all_pixels():
    rng = np.random.default_rng(0)
    masks = [rng.integers(0, 4, size=(5, k + 3)) for k in range(6)]
    guesses = [np.where(rng.random(m.shape) < 0.6, m, rng.integers(0, 4, size=m.shape)) for m in masks]
    flat, flat_guess = (np.concatenate([m.ravel() for m in part]) for part in (masks, guesses))
    assert mean_iou(masks, guesses) == pytest.approx(jaccard_score(flat, flat_guess, average="macro"))


def test_ignored_pixels_count_nowhere_and_absent_classes_are_no_zero():
    mask, guess = np.array([[0, 0, 3, 255]]), np.array([[0, 0, 3, 7]])
    assert mean_iou([mask], [guess]) == 1
    assert mean_iou([mask], [guess], ignore_index=None) == pytest.approx((1 + 1 + 0 + 0) / 4)
    assert math.isnan(mean_iou([[[255]]], [[[1]]]))


def test_a_mask_without_a_guess_is_refused():
    with pytest.raises(ValueError, match=r"shorter|longer"):
        mean_iou([[[0]], [[1]]], [[[0]]])
