"""Counts of random walks against their expectation, and their information by hand on four nodes."""

import numpy as np
from scipy import sparse

from transferkit.ops.graphs.random_walks import positive_information, walk_counts


def test_information_by_hand_on_four_nodes():
    counts = np.array([[0, 2, 0, 0], [2, 0, 2, 0], [0, 2, 0, 4], [0, 0, 4, 0.0]])
    total, rows = counts.sum(), counts.sum(axis=1)
    found = positive_information(sparse.csr_matrix(counts)).toarray()
    np.testing.assert_allclose(found[0, 1], np.log(2 * total / (2 * 4)))  # nodes 0 and 1: log 4
    np.testing.assert_allclose(found[2, 3], np.log(4 * 16 / (6 * 4)))
    np.testing.assert_allclose(found[1, 2], np.log(2 * 16 / (4 * 6)))
    np.testing.assert_array_equal(found, found.T)
    assert (found > 0).sum() == 6
    far = np.array([[0, 1, 9], [1, 0, 1], [9, 1, 0.0]])
    assert positive_information(sparse.csr_matrix(far)).toarray()[0, 1] == max(np.log(1 * 22 / (10 * 2)), 0)
    assert (rows > 0).all()


def test_what_is_no_more_than_chance_is_left_out():
    # Rows and columns are independent: p_ij = p_i p_j, of which the logarithm is 0.
    counts = np.outer([1.0, 2, 3], [2.0, 1, 1])
    assert positive_information(sparse.csr_matrix(counts)).nnz == 0 or np.allclose(
        positive_information(sparse.csr_matrix(counts)).data, 0, atol=1e-12
    )
    assert positive_information(sparse.csr_matrix((3, 3))).nnz == 0


def test_counts_are_right_on_average():
    """A walk takes step t with the probability that it has t steps or more; weights decide where to."""
    A = sparse.csr_matrix(np.array([[0, 3, 1, 0], [3, 0, 0, 0], [1, 0, 0, 1], [0, 0, 0, 0.0]]))  # node 3 is an end
    degree = np.maximum(np.asarray(A.sum(axis=1)).ravel(), 1)
    T, length = (A / degree[:, None]).tocsr().toarray(), 3
    expected = sum((length - t + 1) / length * np.linalg.matrix_power(T, t) for t in range(1, length + 1))
    np.fill_diagonal(expected, 0)
    found = walk_counts(A, 4000, length, np.random.default_rng(0)).toarray() / 4000
    np.testing.assert_allclose(found, expected, atol=0.03)
    none = walk_counts(sparse.csr_matrix((4, 4)), 3, 2, np.random.default_rng(0))
    assert none.nnz == 0
    again = [walk_counts(A, 5, 2, np.random.default_rng(1)).toarray() for _ in range(2)]
    np.testing.assert_array_equal(*again)
