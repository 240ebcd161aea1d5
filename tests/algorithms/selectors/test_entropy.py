"""Entropy: by hand, its bounds, and the collapse that fools it."""

import numpy as np
import pytest

from transferkit import Domain, Entropy


class Says:
    """A fitted classifier that says given probabilities, whatever the rows."""

    def __init__(self, proba):
        self.proba = np.asarray(proba)
        self.classes_ = np.arange(self.proba.shape[1])

    def predict_proba(self, X):
        return self.proba


def score(proba):
    return Entropy().score(Says(proba), None, Domain(np.zeros((len(proba), 1))))


def test_by_hand():
    assert score([[0.5, 0.5], [0.25, 0.75]]) == pytest.approx(
        (np.log(0.5) + 0.25 * np.log(0.25) + 0.75 * np.log(0.75)) / 2
    )


def test_its_bounds():
    assert score(np.full((5, 4), 0.25)) == pytest.approx(-np.log(4))
    assert score(np.eye(4)) == 0


def test_a_surer_candidate_scores_higher():
    sharp = np.random.default_rng(0).dirichlet(np.ones(3), 50)
    assert score(sharp) > score(0.5 * sharp + 0.5 / 3)


def test_a_certain_collapse_fools_it():
    right = np.eye(3)[np.arange(30) % 3] * 0.97 + 0.01
    assert score(np.tile([1.0, 0, 0], (30, 1))) > score(right)
