"""The graph joins the nearest rows by cosine; its Laplacian is positive and has the root of the degrees in its null space."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from transferkit.ops.kernels import laplacian
from transferkit.ops.kernels.laplacian import cosine_graph, normalised_laplacian


def test_edges_are_the_nearest_by_cosine():
    X = np.random.default_rng(0).normal(size=(12, 4)) * np.arange(1, 13)[:, None]
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    cosine = unit @ unit.T
    near = np.argsort(-cosine, axis=1)[:, :4]  # the row itself and three more
    joined = np.zeros((12, 12), dtype=bool)
    joined[np.repeat(np.arange(12), 4), near.ravel()] = True
    assert_allclose(cosine_graph(X, 3).toarray(), np.where(joined | joined.T, np.maximum(cosine, 0), 0), atol=1e-12)


def test_laplacian():
    W = cosine_graph(np.random.default_rng(1).normal(size=(15, 3)), 4)
    L = normalised_laplacian(W).toarray()
    assert_allclose(L, L.T)
    values = np.linalg.eigvalsh(L)
    assert values.min() > -1e-12
    assert values.max() <= 2
    assert_allclose(L @ np.sqrt(W.sum(axis=1)), 0, atol=1e-12)


def test_places_that_the_search_leaves_empty_are_no_edges(monkeypatch):
    """Among very many rows a search may find fewer than it should: such places name row 0 at the distance inf."""
    found = np.array([[0, 0.1], [0, np.inf], [0, 0.2]]), np.array([[0, 2], [1, 0], [2, 0]])
    monkeypatch.setattr(laplacian, "nearest", lambda *_: found)
    W = cosine_graph(np.array([[1.0, 0.1], [1.0, 0.5], [1.0, 0.2]]), 1).toarray()
    assert_array_equal(W > 0, [[True, False, True], [False, True, False], [True, False, True]])


def test_few_or_equal_or_empty_rows():
    for X in (np.ones((3, 2)), np.zeros((4, 2)), np.array([[1.0, 0.0]]), np.array([[1.0, 0.0], [-1.0, 0.0]])):
        assert np.isfinite(normalised_laplacian(cosine_graph(X, 10)).toarray()).all()
