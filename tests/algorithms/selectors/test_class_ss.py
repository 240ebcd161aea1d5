"""ClassSS: the silhouette by hand, what it rewards, what has no silhouette, what fools it."""

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from transferkit import ClassSS, Domain


class Says:
    """A fitted classifier that says given labels."""

    def __init__(self, labels, K=3):
        self.labels, self.classes_ = np.asarray(labels), np.arange(K)

    def predict(self, X):
        return self.labels


def score(labels, Z, **params):
    return ClassSS(random_state=0, **params).score(Says(labels), None, Domain(np.asarray(Z)))


def clusters(distance, seed=0, n=90):
    y = np.arange(n) % 3
    return np.random.default_rng(seed).normal(size=(n, 4)) + distance * np.eye(3, 4)[y], y


def test_by_hand():
    # Two pairs at distance 1 within and about 10 between: a = 1; b = mean distance to the other pair.
    Z = np.array([[0.0], [1.0], [10.0], [11.0]])
    b = np.array([10.5, 9.5, 9.5, 10.5])
    assert score([0, 0, 1, 1], Z) == pytest.approx((1 - 1 / b).mean())


def test_clusters_are_those_of_k_means_not_the_labels():
    Z, y = clusters(10)
    noisy = np.where(np.random.default_rng(1).random(90) < 0.2, 0, y)
    assert score(noisy, Z) == pytest.approx(silhouette_score(Z, y))


def test_clearer_clusters_score_higher():
    scores = [score(y, Z) for Z, y in map(clusters, (2, 5, 10))]
    assert scores == sorted(scores)
    assert -1 <= scores[0] < scores[-1] <= 1


def test_a_single_cluster_is_the_worst():
    Z, _ = clusters(5)
    assert score(np.zeros(90, dtype=int), Z) == -1
    assert score(np.arange(90) % 3, np.ones((90, 2))) == -1


def test_fewer_larger_clusters_fool_it():
    """Three classes, of which two are near each other: a candidate that merges them scores higher."""
    centres = np.array([[0.0, 0.0], [3.0, 0.0], [40.0, 0.0]])
    y = np.arange(90) % 3
    Z = centres[y] + np.random.default_rng(0).normal(size=(90, 2))
    assert score(np.where(y == 1, 0, y), Z) > score(y, Z)


def test_unit_length_components_and_drawn_rows():
    Z, y = clusters(10)
    Z = Z + 20
    for scale in (1, 5):
        assert score(y, Z * scale, normalize=True) == pytest.approx(score(y, Z, normalize=True))
    assert score(y, np.c_[Z, np.zeros((90, 3))], n_components=4) == pytest.approx(score(y, Z))
    few = [score(y, Z, max_rows=30, random_state=0) if s is None else score(y, Z, max_rows=30) for s in (1, 2)]
    assert few[0] == few[1] != score(y, Z)
