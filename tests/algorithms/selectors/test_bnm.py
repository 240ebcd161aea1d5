"""BNM: closed forms of the nuclear norm, the bounds of the paper, what it rewards."""

import numpy as np
import pytest

from transferkit import BNM, Domain


class Says:
    """A fitted classifier that says given probabilities, whatever the rows."""

    def __init__(self, proba):
        self.proba = np.asarray(proba)
        self.classes_ = np.arange(self.proba.shape[1])

    def predict_proba(self, X):
        return self.proba


def score(proba):
    return BNM().score(Says(proba), None, Domain(np.zeros((len(proba), 1))))


def test_certain_predictions_have_the_roots_of_the_class_sizes_as_singular_values():
    y = np.repeat([0, 1, 2], [1, 4, 9])
    assert score(np.eye(4)[y]) == pytest.approx((1 + 2 + 3) / 14)


def test_equal_predictions_have_one_singular_value():
    assert score(np.tile([0.6, 0.8, 0.0], (4, 1)) / 1.4) == pytest.approx(np.sqrt(4) * 1 / 1.4 / 4)


@pytest.mark.parametrize("seed", range(5))
def test_the_bounds_by_the_frobenius_norm(seed):
    """|P|_F <= |P|_* <= sqrt(min(n, K)) |P|_F <= sqrt(min(n, K) n)."""
    P = np.random.default_rng(seed).dirichlet(np.full(4, 0.5), 30)
    F = np.linalg.norm(P)
    assert F / 30 <= score(P) <= 2 * F / 30 <= np.sqrt(4 / 30)


def test_certain_labels_in_equal_shares_are_the_best_there_is_right_or_wrong():
    y = np.arange(30) % 3
    assert score(np.eye(3)[y]) == pytest.approx(np.sqrt(3 / 30))
    assert score(np.eye(3)[(y + 1) % 3]) == pytest.approx(score(np.eye(3)[y]))
    assert score(np.eye(3)[np.repeat([0, 1, 2], [20, 5, 5])]) < score(np.eye(3)[y])


def test_order_of_rows_and_classes_changes_nothing():
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.ones(3), 20)
    assert score(P[rng.permutation(20)][:, [2, 0, 1]]) == pytest.approx(score(P))
