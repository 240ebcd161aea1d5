"""Edges that are there to a degree: the convolution of the graph with such weights, and the nearest degrees on a budget."""

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.optimize import minimize

from transferkit.ops.graphs.links import convolution
from transferkit.ops.nn.soft_edges import SoftEdges, project_on_budget


def graph(symmetric):
    rng = np.random.default_rng(0)
    A = np.triu(rng.random((8, 8)) < 0.5, 1) * rng.uniform(0.5, 2.0, (8, 8))
    return sparse.csr_matrix(A + A.T if symmetric else A)


@pytest.mark.parametrize("symmetric", [True, False])
def test_it_is_the_convolution_of_the_graph_with_weaker_edges(symmetric):
    A = graph(symmetric)
    edges = SoftEdges(A, symmetric)
    assert edges.n_free == (A.nnz // 2 if symmetric else A.nnz)
    gone = torch.rand(edges.n_free)
    weaker = A.copy()
    weaker.data *= 1 - gone.numpy()[edges.free.numpy()]  # entries of both are in one order
    if symmetric:
        assert abs(weaker - weaker.T).max() < 1e-7
    z = torch.randn(8, 3)
    found = edges.pass_on(z, edges.links(gone))
    np.testing.assert_allclose(found, convolution(weaker).whole @ z.numpy(), atol=1e-5)


def test_a_share_of_the_edges_is_dropped():
    A = sparse.csr_matrix(np.ones((60, 60)) - np.eye(60))
    edges = SoftEdges(A)
    values, own = edges.links(torch.zeros(edges.n_free), drop=0.25)
    assert 0.2 < float((values == 0).float().mean()) < 0.3
    degree = 1 + torch.zeros(60).index_add(0, edges.end, (values > 0).float())
    torch.testing.assert_close(own, 1 / degree)


def test_the_projection_is_the_nearest_point():
    rng = np.random.default_rng(1)
    for most in (0.5, 1.7, 3.0):
        values = rng.normal(0.5, 0.8, 6)
        found = project_on_budget(torch.as_tensor(values), most).numpy()
        rule = {"type": "ineq", "fun": lambda p, most=most: most - p.sum()}
        best = minimize(
            lambda p, v=values: ((p - v) ** 2).sum(),
            np.full(6, 0.05),
            bounds=[(0, 1)] * 6,
            constraints=rule,
            options={"ftol": 1e-12},
        )
        np.testing.assert_allclose(found, best.x, atol=1e-4)
    inside = torch.tensor([0.2, 0.4])
    assert torch.equal(project_on_budget(inside, 1.0), inside)
    assert project_on_budget(torch.full((3,), 0.5), 0.0).sum() == 0
