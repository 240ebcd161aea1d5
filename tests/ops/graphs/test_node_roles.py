"""Roles of nodes: by hand on a small tree, and neighbours drawn by weight."""

import numpy as np
from scipy import sparse

from transferkit.ops.graphs.node_roles import draw_neighbours, role_links, role_profiles

# Two stars of three leaves each, whose centres (0 and 4) are linked.
EDGES = [(0, 1), (0, 2), (0, 3), (4, 5), (4, 6), (4, 7), (0, 4)]


def stars():
    start, end = np.array(EDGES).T
    return sparse.csr_matrix((np.ones(len(EDGES)), (start, end)), shape=(8, 8))


def test_profiles_by_hand():
    """A centre has three leaves and a centre around it, and three leaves behind that; a leaf has a centre, and its others."""
    found = role_profiles(stars(), 2)
    one, four = np.log(2), np.log(5)
    np.testing.assert_allclose(found[0], [four, *[one, one, one, one, four], *[one] * 5])
    np.testing.assert_allclose(found[1], [one, *[four] * 5, *[one, one, one, four, four]])
    for k in (4, 5):
        np.testing.assert_array_equal(found[k], found[k - 4])
    np.testing.assert_array_equal(role_profiles(sparse.csr_matrix((3, 3)), 2), np.zeros((3, 11)))
    np.testing.assert_allclose(role_profiles(stars(), 0)[:2], [[four], [one]])


def test_like_roles_are_linked_however_far_apart():
    found = role_links(stars(), 1, 2, np.random.default_rng(0)).toarray()
    np.testing.assert_array_equal(found.sum(axis=1), np.ones(8))
    assert not found.diagonal().any()
    assert found[0, 4] == found[4, 0] == 1
    centres = np.isin(np.arange(8), (0, 4))
    assert not found[~centres][:, centres].any(), "a leaf is like a leaf"
    many = role_links(stars(), 20, 1, np.random.default_rng(0))
    np.testing.assert_array_equal(many.toarray(), 1 - np.eye(8))
    assert role_links(sparse.csr_matrix((1, 1)), 3, 1, np.random.default_rng(0)).nnz == 0
    # Among a hundred nodes that are all alike, chance decides.
    spread = role_links(sparse.csr_matrix((100, 100)), 2, 1, np.random.default_rng(0)).toarray()
    assert spread.sum(axis=0).max() < 10


def test_neighbours_are_drawn_by_weight():
    A = sparse.csr_matrix(([1.0, 3.0, 2.0], ([0, 0, 2], [1, 2, 0])), shape=(3, 3))
    drawn = draw_neighbours(A, np.repeat([0, 1, 2], 4000), np.random.default_rng(0)).reshape(3, 4000)
    np.testing.assert_allclose(np.bincount(drawn[0], minlength=3) / 4000, [0, 1 / 4, 3 / 4], atol=0.03)
    assert (drawn[1] == 1).all(), "one without neighbours stands for itself"
    assert (drawn[2] == 0).all()
    np.testing.assert_array_equal(
        draw_neighbours(sparse.csr_matrix((2, 2)), np.arange(2), np.random.default_rng(0)), [0, 1]
    )
