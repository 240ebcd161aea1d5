"""Clusters: planted ones are found, few different rows give few clusters, labels are the start."""

import numpy as np
from sklearn.metrics import adjusted_rand_score

from transferkit.ops.clusters import class_clusters, kmeans_clusters


def planted(seed=0):
    y = np.arange(60) % 3
    return np.random.default_rng(seed).normal(size=(60, 4)) + 10 * np.eye(3, 4)[y], y


def test_planted_clusters_are_found_and_repeated():
    Z, y = planted()
    found = kmeans_clusters(Z, 3, random_state=0)
    assert adjusted_rand_score(y, found) == 1
    np.testing.assert_array_equal(found, kmeans_clusters(Z, 3, random_state=0))


def test_there_are_no_more_clusters_than_different_rows():
    Z = np.repeat([[0.0, 0.0], [1.0, 1.0]], 5, axis=0)
    assert len(set(kmeans_clusters(Z, 4, random_state=0))) == 2
    assert len(set(class_clusters(Z, np.arange(10)))) == 2


def test_labels_start_the_clusters():
    Z, y = planted()
    noisy = np.where(np.random.default_rng(1).random(60) < 0.3, 0, y)
    assert adjusted_rand_score(y, class_clusters(Z, noisy)) == 1
    assert set(class_clusters(Z, np.zeros(60))) == {0}
