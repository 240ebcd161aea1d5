"""Edges by weight, other nodes by degree, none where there is none."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from transferkit.ops.graphs.pairs import NodePairs


def test_edges_are_drawn_by_weight_and_other_nodes_by_degree():
    A = sparse.csr_matrix(np.array([[0, 3, 0, 0], [1, 0, 0, 0], [0, 0, 0, 16], [0, 0, 0, 0.0]]))
    start, end, others = NodePairs(A).draw(20000, 2, np.random.default_rng(0))
    assert others.shape == (20000, 2)
    found = np.zeros((4, 4))
    np.add.at(found, (start, end), 1 / 20000)
    np.testing.assert_allclose(found, A.toarray() / 20, atol=0.01)
    degree = np.array([3, 1, 16, 0]) ** 0.75
    np.testing.assert_allclose(np.bincount(others.ravel(), minlength=4) / 40000, degree / degree.sum(), atol=0.01)


def test_a_graph_without_edges_gives_none():
    start, end, others = NodePairs(sparse.csr_matrix((3, 3))).draw(5, 2, np.random.default_rng(0))
    assert (start.shape, end.shape, others.shape) == ((0,), (0,), (0, 2))
