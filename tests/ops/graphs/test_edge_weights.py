"""Edges weighted by the labels of their ends: closed forms on blocks."""

import numpy as np
from scipy import sparse

from transferkit.ops.graphs.edge_weights import link_chances, link_ratios, weighted_links
from transferkit.ops.graphs.links import Links, mean_of_neighbours

Y = np.eye(2)[[0, 0, 1, 1]]


def adjacency(*pairs):
    found = sparse.lil_matrix((4, 4))
    for i, j in pairs:
        found[i, j] = 1
    return found.tocsr()


def test_chances_are_shares_of_pairs_by_who_takes():
    A = adjacency((0, 2), (1, 2), (1, 3), (2, 3))
    np.testing.assert_allclose(link_chances(Y, A), [[0, 0], [3 / 4, 1 / 4]])
    np.testing.assert_allclose(link_chances(np.eye(2)[[0, 0, 0, 0]], A)[0, 0], 4 / 16)
    assert np.isnan(link_chances(np.eye(2)[[0, 0, 0, 0]], A)[1, 1])


def test_ratios_are_one_where_nothing_is_known():
    dense, thin = adjacency((0, 1), (1, 0), (0, 2), (2, 0)), adjacency((0, 1), (1, 0), (2, 3))
    found = link_ratios(Y, dense, Y, thin)
    np.testing.assert_allclose(found, [[1, 0], [0, 1]])  # the source has no edge inside the second class
    np.testing.assert_allclose(link_ratios(Y, dense, np.eye(2)[[0, 0, 0, 0]], thin)[1], [1, 1])


def test_a_weighted_source_has_the_targets_mixture():
    """Blocks with every edge at its expected weight: what a node hears of each class becomes what it hears in the target."""
    y = np.repeat([0, 1], 50)
    table, source, target = np.eye(2)[y], np.array([[0.4, 0.2], [0.2, 0.3]]), np.array([[0.5, 0.1], [0.1, 0.6]])
    A, A_t = (sparse.csr_matrix(B[y][:, y]) for B in (source, target))
    ratios = link_ratios(table, A, table, A_t)
    np.testing.assert_allclose(ratios, target / source)
    plain = Links(sparse.csr_matrix(A.T, dtype=np.float32), np.zeros(100, np.float32))
    np.testing.assert_allclose(weighted_links(plain, table, ratios, 0.0).matrix.toarray(), A_t.toarray(), rtol=1e-6)
    half = weighted_links(plain, table, ratios, 0.5).matrix.toarray()
    np.testing.assert_allclose(half, (A + A_t).toarray() / 2, rtol=1e-6)
    np.testing.assert_array_equal(
        weighted_links(plain, table, ratios, 1.0).matrix.toarray(), A.toarray().astype(np.float32)
    )


def test_several_labels_and_none():
    links = mean_of_neighbours(adjacency((1, 0), (2, 0), (3, 0)))
    ratios = np.array([[1.0, 2.0], [3.0, 4.0]])
    table = np.array([[1, 1], [1, 0], [0, 1], [0, 0]])
    row = weighted_links(links, table, ratios, 0.0).matrix.toarray()[0]
    np.testing.assert_allclose(row, [0, (1 + 3) / 2 / 3, (2 + 4) / 2 / 3, 1 / 3], rtol=1e-6)
