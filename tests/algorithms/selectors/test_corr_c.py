"""Corr-C: closed forms, its bounds, what it rewards and what fools it."""

import numpy as np
import pytest

from transferkit import CorrC, Domain


class Says:
    """A fitted classifier that says given probabilities, whatever the rows."""

    def __init__(self, proba):
        self.proba = np.asarray(proba)
        self.classes_ = np.arange(self.proba.shape[1])

    def predict_proba(self, X):
        return self.proba


def score(proba):
    return CorrC().score(Says(proba), None, Domain(np.zeros((len(proba), 1))))


def test_by_hand():
    # P'P = [[1.25, .25], [.25, .25]]: trace 1.5, length sqrt(1.75)
    assert score([[1.0, 0.0], [0.5, 0.5]]) == pytest.approx(1.5 / np.sqrt(1.75) / np.sqrt(2))


def test_two_classes_mixed_up_evenly():
    # rows (a, b) and (b, a): C has a^2 + b^2 on the diagonal and 2ab off it
    a, b = 0.7, 0.3
    diagonal, off = a**2 + b**2, 2 * a * b
    assert score([[a, b], [b, a]]) == pytest.approx(diagonal / np.hypot(diagonal, off))


def test_certain_predictions_depend_on_the_shares_alone():
    y = np.repeat([0, 1, 2], [1, 2, 3])
    assert score(np.eye(3)[y]) == pytest.approx(6 / np.sqrt(1 + 4 + 9) / np.sqrt(3))


@pytest.mark.parametrize("seed", range(5))
def test_its_bounds(seed):
    P = np.random.default_rng(seed).dirichlet(np.full(4, 0.5), 30)
    assert 0.5 < score(P) < 1
    assert score(np.tile(P[0], (9, 1))) == pytest.approx(0.5)
    assert score(np.eye(4)[np.arange(12) % 4]) == pytest.approx(1)


def test_a_collapse_does_not_fool_it_but_certain_nonsense_does():
    y = np.arange(30) % 3
    right = np.eye(3)[y] * 0.97 + 0.01
    assert score(np.tile([1.0, 0, 0], (30, 1))) < score(right) < score(np.eye(3)[(y + 1) % 3])
