"""MixVal: mixtures by hand, convexity of linear classifiers, gaps inside a cluster, collapse."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from transferkit import Domain, MixVal
from transferkit.core.errors import DomainError

SOURCE = Domain(np.zeros((1, 1)))


class Above:
    """Class 1 above a threshold."""

    def __init__(self, threshold):
        self.threshold = threshold

    def predict(self, X):
        return (X[:, 0] > self.threshold).astype(int)


class Between(Above):
    """Class 1 nearer to 0 than the threshold: class 0 has a gap in the middle."""

    def predict(self, X):
        return (np.abs(X[:, 0]) < self.threshold).astype(int)


@pytest.mark.parametrize(("threshold", "inter"), [(0.5, 1.0), (0.2, 0.5), (0.8, 0.5)])
def test_two_rows_by_hand(threshold, inter):
    """0 and 1 mix to 0.45 and 0.55: only a threshold between them keeps both labels."""
    target = Domain(np.array([[0.0], [1.0]]))
    assert MixVal(probes="inter").score(Above(threshold), SOURCE, target) == inter
    assert MixVal(probes="intra").score(Above(threshold), SOURCE, target) == 0.0  # no such pair
    assert MixVal().score(Above(threshold), SOURCE, target) == inter / 2


def test_regions_of_a_linear_classifier_are_convex():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 3))
    model = LogisticRegression().fit(X, rng.integers(0, 4, 150))
    assert MixVal(probes="intra", random_state=0).score(model, SOURCE, Domain(X)) == 1.0


def test_a_gap_inside_a_class_shows():
    """Rows at -1 and 1 are class 0, their mixtures at -0.1 and 0.1 are not; rows of one side stay."""
    target = Domain(np.repeat([[-1.0], [1.0]], 50, axis=0))
    score = MixVal(probes="intra", n_rounds=20, random_state=0).score(Between(0.5), SOURCE, target)
    assert score == pytest.approx(0.5, abs=0.03)


def test_the_boundary_that_runs_between_the_clusters_wins():
    rng = np.random.default_rng(0)
    target = Domain(np.concatenate([rng.normal(0, 1, 100), rng.normal(8, 1, 100)])[:, None])
    scores = [MixVal(random_state=0).score(Above(t), SOURCE, target) for t in (4.0, 2.5, 0.0)]
    assert scores[0] > max(scores[1:]) + 0.05


def test_a_collapsed_candidate_gets_half():
    target = Domain(np.random.default_rng(0).normal(size=(50, 1)))
    assert MixVal(random_state=0).score(Above(99.0), SOURCE, target) == 0.5
    assert MixVal(probes="intra", random_state=0).score(Above(99.0), SOURCE, target) == 1.0


def test_refusals():
    with pytest.raises(DomainError, match=r"^MixVal\.score: target must have 2 rows"):
        MixVal().score(Above(0.0), SOURCE, Domain(np.zeros((1, 1))))
    with pytest.raises(DomainError, match=r"^MixVal\.score: target\.X must be finite numbers"):
        MixVal().score(Above(0.0), SOURCE, Domain(np.array([["a"], ["b"]])))
