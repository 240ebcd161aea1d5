"""InfoMax: mutual information of a table, its bounds, what it rewards and what fools it."""

import numpy as np
import pytest

from transferkit import Domain, Entropy, InfoMax


class Says:
    """A fitted classifier that says given probabilities, whatever the rows."""

    def __init__(self, proba):
        self.proba = np.asarray(proba)
        self.classes_ = np.arange(self.proba.shape[1])

    def predict_proba(self, X):
        return self.proba


def score(proba, **params):
    return InfoMax(**params).score(Says(proba), None, Domain(np.zeros((len(proba), 1))))


def test_it_is_the_mutual_information_of_row_and_class():
    proba = np.random.default_rng(0).dirichlet(np.ones(3), 20)
    joint = proba / 20  # rows are equally probable
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    assert score(proba) == pytest.approx((joint * np.log(joint / independent)).sum())


def test_its_bounds():
    assert score(np.tile([0.2, 0.8], (6, 1))) == pytest.approx(0, abs=1e-12)
    assert score(np.eye(4)[np.arange(12) % 4]) == pytest.approx(np.log(4))


def test_the_weight_of_diversity():
    proba = np.random.default_rng(0).dirichlet(np.ones(3), 20)
    entropy = Entropy().score(Says(proba), None, Domain(np.zeros((20, 1))))
    assert score(proba, diversity=0) == pytest.approx(entropy)
    assert score(proba, diversity=3) == pytest.approx(entropy + 3 * (score(proba) - entropy))


def test_a_collapse_does_not_fool_it_but_certain_nonsense_does():
    y = np.arange(30) % 3
    right = np.eye(3)[y] * 0.97 + 0.01
    assert score(np.tile([1.0, 0, 0], (30, 1))) < score(right) < score(np.eye(3)[(y + 1) % 3])
