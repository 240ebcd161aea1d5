"""What is read off a matrix of accuracies, against hand-made ones."""

import numpy as np
import pytest

from transferkit import ParamError
from transferkit.ops.metrics.continual import (
    average_accuracy,
    backward_transfer,
    forgetting,
    forward_transfer,
    learning_accuracy,
)

MATRIX = np.array([[0.9, 0.5, 0.2], [0.95, 0.8, 0.4], [0.7, 0.85, 0.6]])


def test_by_hand():
    assert average_accuracy(MATRIX) == pytest.approx((0.7 + 0.85 + 0.6) / 3)
    assert learning_accuracy(MATRIX) == pytest.approx((0.9 + 0.8 + 0.6) / 3)
    assert backward_transfer(MATRIX) == pytest.approx((0.7 - 0.9 + 0.85 - 0.8) / 2)
    assert forgetting(MATRIX) == pytest.approx((0.95 - 0.7 + 0.8 - 0.85) / 2)  # against the best, not the first
    assert forward_transfer(MATRIX, [0.1, 0.3, 0.3]) == pytest.approx((0.5 - 0.3 + 0.4 - 0.3) / 2)


def test_nothing_lost_is_zero_and_a_single_task_says_nothing():
    still = np.tile([0.5, 0.6, 0.7], (3, 1))
    assert backward_transfer(still) == forgetting(still) == 0
    assert np.isnan(backward_transfer([[0.5]]))
    assert np.isnan(forgetting([[0.5]]))
    assert np.isnan(forward_transfer([[0.5]], [0.1]))


def test_shapes_are_checked():
    with pytest.raises(ParamError, match=r"matrix must be square.*Got shape \(2, 3\)"):
        average_accuracy(np.zeros((2, 3)))
    with pytest.raises(ParamError, match=r"baseline must have one number a task \(3\)"):
        forward_transfer(MATRIX, [0.1])
