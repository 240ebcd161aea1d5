"""Normalised adjacency matrices, and samples of neighbours that are right on average."""

import numpy as np
from scipy import sparse

from transferkit.ops.graphs.links import convolution, local_links, mean_of_neighbours, sample_links

PATH = sparse.csr_matrix(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0.0]]))


def ring(n, k):
    """Every node takes from the k after it."""
    start = np.repeat(np.arange(n), k)
    return sparse.csr_matrix((np.ones(n * k), ((start + np.tile(np.arange(1, k + 1), n)) % n, start)), shape=(n, n))


def test_convolution_on_a_path_by_hand():
    r = 1 / np.sqrt(6)
    np.testing.assert_allclose(
        convolution(PATH).whole.toarray(), [[1 / 2, r, 0], [r, 1 / 3, r], [0, r, 1 / 2]], rtol=1e-6
    )
    alone = convolution(sparse.csr_matrix((2, 2)))
    np.testing.assert_array_equal(alone.whole.toarray(), np.eye(2))
    assert not convolution(sparse.csr_matrix((2, 2)), loop=0.0).whole.toarray().any()


def test_the_mean_is_over_what_comes_in():
    one_way = sparse.csr_matrix(np.array([[0, 3, 0], [0, 0, 0], [0, 1, 0.0]]))
    np.testing.assert_allclose(mean_of_neighbours(one_way).whole.toarray(), [[0, 0, 0], [0.75, 0, 0.25], [0, 0, 0]])


def test_drawn_neighbours_are_right_on_average():
    links = mean_of_neighbours(ring(30, 8))
    rows, rng = np.array([3, 17]), np.random.default_rng(0)
    draws = [sample_links(links.matrix, rows, 3, rng) for _ in range(3000)]
    assert all((np.diff(d.indptr) == 3).all() for d in draws)
    np.testing.assert_allclose(sum(d.toarray() for d in draws) / 3000, links.matrix[rows].toarray(), atol=0.02)
    np.testing.assert_array_equal(sample_links(links.matrix, rows, 8, rng).toarray(), links.matrix[rows].toarray())


def test_surroundings_hold_all_that_reaches_a_node():
    """Within them, two products give for the asked nodes what they give in the whole graph."""
    links = convolution(ring(40, 2))
    nodes = np.array([7, 0, 31])
    found, taken = local_links(links, nodes, 2, None, np.random.default_rng(0))
    np.testing.assert_array_equal(found[:3], nodes)
    assert len(found) == len(set(found)) < 40
    local = taken[:, found].toarray() + np.diag(links.own[found])
    H = np.random.default_rng(1).normal(size=(40, 4)).astype(np.float32)
    whole = links.whole @ (links.whole @ H)
    np.testing.assert_allclose((local @ local @ H[found])[:3], whole[nodes], atol=1e-6)
