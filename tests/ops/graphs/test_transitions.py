"""Steps along edges: by dense powers, and the positive information of the authors' formula."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from transferkit.ops.graphs.random_walks import positive_information
from transferkit.ops.graphs.transitions import k_step_transitions


def test_it_is_the_sum_of_powers_and_gives_the_published_information():
    rng = np.random.default_rng(0)
    A = np.triu(rng.random((12, 12)) < 0.3, 1).astype(float)
    A = A + A.T
    A[np.arange(11), np.arange(1, 12)] = A[np.arange(1, 12), np.arange(11)] = 1  # no node alone
    T = A / A.sum(axis=1, keepdims=True)
    expected = T + T @ T / 2 + T @ T @ T / 3
    np.fill_diagonal(expected, 0)
    expected /= expected.sum(axis=1, keepdims=True)
    found = k_step_transitions(sparse.csr_matrix(A), 3)
    np.testing.assert_allclose(found.toarray(), expected, atol=1e-12)
    with np.errstate(divide="ignore"):
        published = np.maximum(np.log(12 * expected / expected.sum(axis=0)), 0)
    np.testing.assert_allclose(positive_information(found).toarray(), published, atol=1e-9)


def test_a_node_without_edges_reaches_nobody():
    A = sparse.csr_matrix(([1.0, 1.0], ([0, 1], [1, 0])), shape=(3, 3))
    np.testing.assert_array_equal(k_step_transitions(A, 3).toarray(), [[0, 1, 0], [1, 0, 0], [0, 0, 0]])
