"""Edges as a matrix, and whose graph a prediction is about."""

import numpy as np
import pytest
from scipy import sparse

from transferkit import Domain, DomainError, SimplifiedGraphConvolution
from transferkit.core.graphs import TargetGraph, as_adjacency, check_graph, rows_and_graph


class Plain:
    _constraints = {}

    def get_params(self, deep=True):
        return {}

    def __sklearn_tags__(self):
        from sklearn.base import BaseEstimator

        return BaseEstimator().__sklearn_tags__()


def test_a_list_keeps_its_direction_and_counts_an_edge_once():
    A = as_adjacency("edges", [[0, 0, 0, 2], [1, 1, 0, 1]], 3)
    np.testing.assert_array_equal(A.toarray(), [[0, 1, 0], [0, 0, 0], [0, 1, 0]])
    both = as_adjacency("edges", [[0, 0, 0, 2], [1, 1, 0, 1]], 3, symmetric=True)
    np.testing.assert_array_equal(both.toarray(), [[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    assert as_adjacency("edges", np.empty((2, 0)), 3).nnz == 0


def test_a_matrix_keeps_its_weights_and_is_not_changed():
    given = sparse.coo_matrix(([2.0, 1.0, 5.0, 0.0], ([0, 0, 1, 2], [1, 1, 1, 0])), shape=(3, 3))
    A = as_adjacency("edges", given, 3)
    np.testing.assert_array_equal(A.toarray(), [[0, 3, 0], [0, 0, 0], [0, 0, 0]])
    assert A.nnz == 1
    assert given.nnz == 4
    heavier = sparse.csr_matrix([[0, 2, 0], [7, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(as_adjacency("edges", heavier, 3, symmetric=True).toarray()[0], [0, 7, 0])


def test_what_is_wrong_with_edges_is_said():
    for edges, why in (
        (None, "must be given"), (np.zeros((5, 2), int), "Give its transpose"), ([[0], [3]], "from 0 to 2"),
        (sparse.eye(2), "one row and one column a node"), (sparse.csr_matrix(-np.eye(3)), "at least 0"),
    ):  # fmt: skip
        with pytest.raises(DomainError, match=f"^GCN.fit: edges .*{why}"):
            as_adjacency("GCN.fit: edges", edges, 3)


def test_tables_of_labels_and_known_ones():
    X, y = np.arange(8.0).reshape(4, 2), np.array([[0, 1], [1, 1], [0, 0], [1, 0]])
    target = Domain(X, y, np.array([True, False, False, True]), edges=[[0], [1]])
    data = check_graph(Plain(), X, y, target, edges=[[0], [2]])
    assert data.multilabel
    assert data.classes is None
    np.testing.assert_array_equal(data.yt, y[[0, 3]])
    assert data.As[2, 0] == 1
    with pytest.raises(DomainError, match="y must be a table of 0 and 1"):
        check_graph(Plain(), X, y * 3, target, edges=[[0], [2]])


def test_the_targets_edges_are_remembered_for_its_own_rows():
    est, X = Plain(), np.arange(8.0).reshape(4, 2)
    data = check_graph(est, X, [0, 1, 0, 1], Domain(X, edges=[[0], [1]]), edges=[[0], [2]])
    est.target_graph_ = TargetGraph.of(data.Xt, data.At)
    for rows in (X, X.astype(np.float32), sparse.csr_matrix(X)):
        assert rows_and_graph(est, rows, None, "predict")[1] is data.At
    assert rows_and_graph(est, X + 1, [[1], [2]], "predict")[1].nnz == 2
    for rows in (X + 1, X[:3], X[::-1]):
        with pytest.raises(DomainError, match=r"^Plain.predict: edges must be given where X is not the target"):
            rows_and_graph(est, rows, None, "predict")
    with pytest.raises(DomainError, match="edges must be given"):
        rows_and_graph(est, X, None, "transform", target=False)


def test_tables_of_labels_may_be_sparse_and_rows_of_other_lengths_are_named():
    X, edges, table = np.eye(4), [[0, 1], [1, 2]], np.array([[1, 0], [1, 1], [0, 1], [0, 0]])
    target = Domain(X, edges=edges)
    models = [
        SimplifiedGraphConvolution().fit(X, y, target=target, edges=edges) for y in (table, sparse.csr_matrix(table))
    ]
    np.testing.assert_array_equal(*(model.predict_proba(X) for model in models))
    with pytest.raises(DomainError, match=r"^SimplifiedGraphConvolution\.fit: .*y must"):
        SimplifiedGraphConvolution().fit(X, [[1], [1, 2], [0], [0]], target=target, edges=edges)


def test_a_dense_adjacency_is_told_what_to_do():
    with pytest.raises(DomainError, match=r"edges must have shape .*csr_matrix of it\.$"):
        as_adjacency("edges", np.ones((4, 4)), 4)
