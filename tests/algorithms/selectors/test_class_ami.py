"""ClassAMI: 1 for labels that are the clusters, 0 by chance and by collapse; rows or features; what fools it."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score

from transferkit import ClassAMI, Domain
from transferkit.algorithms.selectors import class_ami


class Says:
    """A fitted classifier that says given labels, and has given features or none."""

    def __init__(self, labels, Z=None, K=3):
        self.labels, self.classes_ = np.asarray(labels), np.arange(K)
        if Z is not None:
            self.transform = lambda X: Z

    def predict(self, X):
        return self.labels


def clusters(seed=0, n=90, distance=10):
    y = np.arange(n) % 3
    return np.random.default_rng(seed).normal(size=(n, 4)) + distance * np.eye(3, 4)[y], y


def score(labels, Z, target=None, **params):
    return ClassAMI(random_state=0, **params).score(Says(labels, Z), None, Domain(Z if target is None else target))


def test_labels_against_plain_clusters():
    Z, y = clusters()
    noisy = np.where(np.random.default_rng(1).random(90) < 0.3, 0, y)
    assert score(noisy, Z) == pytest.approx(adjusted_mutual_info_score(noisy, y))
    assert score(y, Z) == 1


def test_chance_and_collapse_score_nothing():
    Z, _ = clusters()
    chance = [score(np.random.default_rng(s).integers(0, 3, 90), Z) for s in range(20)]
    assert abs(np.mean(chance)) < 0.02
    assert score(np.zeros(90, dtype=int), Z) == 0
    assert score(np.zeros(90, dtype=int), np.ones((90, 2))) == 0


def test_names_of_the_classes_fool_it():
    Z, y = clusters()
    assert score((y + 1) % 3, Z) == 1


def test_better_labels_score_higher():
    Z, y = clusters()
    u = np.random.default_rng(1).random(90)
    scores = [score(np.where(u < share, (y + 1) % 3, y), Z) for share in (0, 0.1, 0.3)]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 3


def test_features_or_rows():
    Z, y = clusters()
    rows = np.random.default_rng(2).permutation(Z)  # of which the labels know nothing
    assert score(y, Z, target=rows) == 1
    assert abs(score(y, Z, target=rows, space="rows")) < 0.1


def test_rows_are_clustered_once_for_all_candidates(monkeypatch):
    Z, y = clusters()
    calls = []
    real = class_ami.kmeans_clusters
    monkeypatch.setattr(class_ami, "kmeans_clusters", lambda *a, **k: calls.append(1) or real(*a, **k))
    rater, target = ClassAMI(space="rows", random_state=0), Domain(Z)
    assert rater.score(Says(y), None, target) == rater.score(Says((y + 1) % 3), None, target) == 1
    assert len(calls) == 1
    rater.set_params(random_state=1).score(Says(y), None, target)
    rater.score(Says(y), None, Domain(Z.copy()))
    assert len(calls) == 3


def test_fewer_different_rows_than_classes():
    Z = np.repeat([[0.0], [1.0]], 5, axis=0)
    assert score(np.repeat([0, 2], 5), Z) == 1
