"""LEEP: a hand-made table, its bounds from the paper."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from transferkit import LEEP, NCE, Domain
from transferkit.core.errors import DomainError, ParamError


class Says:
    """A fitted source classifier that says given probabilities, whatever the rows."""

    def __init__(self, proba):
        self.proba = np.asarray(proba)
        self.classes_ = np.arange(self.proba.shape[1])

    def predict_proba(self, X):
        return self.proba

    def predict(self, X):
        return self.proba.argmax(axis=1)


def test_a_table_by_hand():
    theta = [[0.8, 0.2], [0.6, 0.4], [0.1, 0.9], [0.5, 0.5]]
    y = ["cat", "cat", "dog", "dog"]
    # P(y, z): cat (1.4, 0.6) / 4, dog (0.6, 1.4) / 4; so P(cat | z) = (0.7, 0.3), P(dog | z) = (0.3, 0.7).
    rows = [0.8 * 0.7 + 0.2 * 0.3, 0.6 * 0.7 + 0.4 * 0.3, 0.1 * 0.3 + 0.9 * 0.7, 0.5 * 0.3 + 0.5 * 0.7]
    assert LEEP().score(Says(theta), None, Domain(np.zeros((4, 1)), y)) == pytest.approx(np.log(rows).mean())


def test_identical_tasks_score_nothing_lost():
    y = np.arange(30) % 3
    assert LEEP().score(Says(np.eye(3)[y]), None, Domain(np.zeros((30, 1)), y)) == 0.0


def test_a_silent_source_scores_the_entropy_of_the_labels():
    y = np.array([0, 0, 0, 1])
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert LEEP().score(Says(np.full((4, 5), 0.2)), None, Domain(np.zeros((4, 1)), y)) == pytest.approx(-entropy)


@pytest.mark.parametrize("seed", range(5))
def test_property_2_of_the_paper(seed):
    """LEEP is at least NCE plus the mean log-probability of the predicted source classes."""
    rng = np.random.default_rng(seed)
    theta = rng.dirichlet(np.full(4, 0.4), 50)
    target = Domain(np.zeros((50, 1)), rng.integers(0, 3, 50))
    slack = np.log(theta.max(axis=1)).mean()
    assert LEEP().score(Says(theta), None, target) >= NCE().score(Says(theta), None, target) + slack


def test_order_and_unused_source_classes_change_nothing():
    rng = np.random.default_rng(0)
    theta, target = rng.dirichlet(np.ones(4), 50), Domain(np.zeros((50, 1)), rng.integers(0, 3, 50))
    first = LEEP().score(Says(theta), None, target)
    for other in (theta[:, ::-1], np.c_[theta, np.zeros((50, 2))]):
        assert LEEP().score(Says(other), None, target) == pytest.approx(first, rel=1e-12)


def test_what_cannot_be_used_is_named():
    target = Domain(np.zeros((4, 1)), [0, 0, 1, 1])
    with pytest.raises(ParamError, match=r"LEEP\.score: candidate must have predict_proba"):
        LEEP().score(object(), None, target)
    with pytest.raises(DomainError, match=r"must give probabilities that sum to 1\. Got sums from 2"):
        LEEP().score(Says(np.ones((4, 2))), None, target)
    with pytest.raises(DomainError, match=r"one finite row for each of 4 rows of target\. Got shape \(3, 2\)"):
        LEEP().score(Says(np.full((3, 2), 0.5)), None, target)
    with pytest.raises(DomainError, match=r"must be labelled with classes"):
        LEEP().score(Says(np.full((4, 2), 0.5)), None, Domain(np.zeros((4, 1)), [0.5, 0.1, 0.2, 0.3]))
    with pytest.raises(DomainError, match=r"two classes or more\. Got \[1\]"):
        LEEP().score(Says(np.full((4, 2), 0.5)), None, Domain(np.zeros((4, 1)), [1, 1, 1, 1]))
    model = LogisticRegression().fit(np.arange(8.0).reshape(4, 2), [0, 0, 1, 1])
    with pytest.raises(DomainError, match=r"target\.X must be rows that the candidate takes in predict_proba"):
        LEEP().score(model, None, target)
