"""Woodbury's formula gives the solution of the full system, for changing discrepancies; so do the linear kernel's weights."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from transferkit.ops.adaptation_regularization import LinearRegularizedFit, RegularizedFit
from transferkit.ops.kernels.laplacian import cosine_graph, normalised_laplacian


@pytest.mark.parametrize("d", [4, 70])
def test_both_forms_solve_the_full_system(d):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(30, d)), rng.normal(size=(30, 3))
    labelled, K = np.arange(30) < 20, X @ X.T
    L = normalised_laplacian(cosine_graph(X, 5))
    kernel, linear = (
        form(rows, labelled, L, 0.2, 0.6) for form, rows in ((RegularizedFit, K), (LinearRegularizedFit, X))
    )
    J = np.diag(labelled.astype(float))
    for weight in (0.0, 3.0):
        E = rng.normal(size=(30, 2))
        B = np.linalg.solve((J + weight * E @ E.T + 0.6 * L.toarray()) @ K + 0.2 * np.eye(30), J @ Y)
        assert_allclose(kernel.solve(Y, E, weight), B, atol=1e-9)
        assert_allclose(linear.solve(Y, E, weight), X.T @ B, atol=1e-9)


def test_many_features_form_no_matrix_of_their_width():
    X = np.random.default_rng(0).normal(size=(6, 200_000))  # 320 GB, squared
    W = LinearRegularizedFit(X, np.ones(6, dtype=bool), None, 1e-9, 0.0).solve(np.eye(6), np.zeros((6, 1)), 1.0)
    assert_allclose(X @ W, np.eye(6), atol=1e-6)
