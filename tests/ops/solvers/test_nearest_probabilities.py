"""Projections on the simplex meet the conditions of optimality."""

import numpy as np
from numpy.testing import assert_allclose

from transferkit.ops.solvers.nearest_probabilities import nearest_probabilities


def test_nearest_point_of_the_simplex():
    scores = np.random.default_rng(0).normal(size=(50, 6)) * 2
    proba = nearest_probabilities(scores)
    assert_allclose(proba.sum(axis=1), 1)
    assert (proba >= 0).all()
    # By the variational inequality no corner of the simplex lies on the far side: (s - p)'(e_c - p) <= 0.
    gradient = scores - proba
    assert (gradient - (gradient * proba).sum(axis=1, keepdims=True)).max() < 1e-12
    assert (proba.argmax(axis=1) == scores.argmax(axis=1)).all()


def test_scores_of_any_size():
    for size in (1e17, 1e300):
        proba = nearest_probabilities(np.array([[size, -size, 0.0], [size, size, -size]]))
        assert_allclose(proba, [[1, 0, 0], [0.5, 0.5, 0]])


def test_points_of_the_simplex_stay():
    proba = np.array([[0.2, 0.8], [1.0, 0.0]])
    assert_allclose(nearest_probabilities(proba), proba)
