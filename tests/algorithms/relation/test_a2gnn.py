"""A2GNN: powers of the normalised adjacency matrix on the target, none on the source."""

import numpy as np
import pytest
import torch
from scipy import sparse

import graph_worlds as worlds
from graph_checks import training
from transferkit import A2GNN
from transferkit.algorithms.relation import a2gnn
from transferkit.engine.graphs.objective import GraphJoint, Nodes
from transferkit.ops.nn.mmd import mk_mmd

# Trained for a moment, or on features that have moved, some collapse and say so.
pytestmark = pytest.mark.filterwarnings("ignore:.*(collapsed|diverged)")


def normalised(edges, n):
    A = sparse.csr_matrix((np.ones(edges.shape[1]), tuple(edges)), shape=(n, n)).toarray() + np.eye(n)
    root = A.sum(axis=1) ** -0.5
    return root[:, None] * A * root


def test_features_are_powers_of_the_propagation():
    world = worlds.same(0, 30)
    for source_steps, target_steps in ((0, 4), (1, 0)):
        given = {"source_steps": source_steps, "target_steps": target_steps, "n_drawn": 20, "n_draws": 1}
        model = A2GNN(**given, hidden=5, training=training(n_epochs=2))
        model.fit(world.X, world.y, target=world.target(), edges=world.edges)
        (w, b), (v, c) = (
            (part.weight.detach().numpy(), part.bias.detach().numpy())
            for part in (model.network_.body[0], model.network_.head)
        )
        for X, edges, domain, k in (
            (world.Xt, world.edges_t, "target", target_steps), (world.X, world.edges, "source", source_steps),
        ):  # fmt: skip
            P = normalised(edges, 30)
            expected = np.maximum(np.linalg.matrix_power(P, k) @ X @ w + b, 0)
            np.testing.assert_allclose(model.transform(X, domain, edges), expected, atol=1e-5)
        expected = normalised(world.edges_t, 30) @ model.transform(world.Xt) @ v + c
        np.testing.assert_allclose(model.decision_function(world.Xt), expected, atol=1e-5)


def test_the_discrepancy_is_the_sum_of_five_kernels_over_draws():
    def side(z):
        return Nodes(z, z, None, torch.arange(len(z)), None, torch.arange(len(z)), [z])

    z, z_t = torch.randn(1, 4), torch.randn(1, 4)
    found = a2gnn._Discrepancy(3, 2)(GraphJoint(side(z), side(z_t)), 0.5)[
        "loss"
    ]  # one node each: every draw is the same
    assert found.item() == pytest.approx(5 * mk_mmd(z.repeat(3, 1), z_t.repeat(3, 1)).item(), rel=1e-5)


def test_it_carries_over_where_the_plain_network_fails():
    """Features that moved: the plain network's accuracy is near chance."""
    from transferkit import GraphSourceOnly

    gains = []
    for seed in range(2):
        world = worlds.moved(seed)
        plain = GraphSourceOnly(hidden=8, training=training(n_epochs=30))
        ours = A2GNN(target_steps=1, trade_off=1.0, n_drawn=60, n_draws=1, hidden=8, training=training(n_epochs=30))
        scores = [
            m.fit(world.X, world.y, target=world.target(), edges=world.edges).score(world.Xt, world.yt)
            for m in (plain, ours)
        ]
        gains.append(scores[1] - scores[0])
    assert np.mean(gains) > 0.1
