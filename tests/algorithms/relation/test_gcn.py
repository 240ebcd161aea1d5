"""Source-only graph networks: what a convolution sees, and when edges help."""

import numpy as np
import pytest
import torch
from scipy import sparse

import graph_worlds as worlds
from graph_checks import training
from transferkit import Domain, GraphSourceOnly

# Trained for a moment, or on features that have moved, some collapse and say so.
pytestmark = pytest.mark.filterwarnings("ignore:.*(collapsed|diverged)")


def fitted(world, **params):
    own = {"hidden": 8, "training": training(n_epochs=30), **params}
    return GraphSourceOnly(**own).fit(world.X, world.y, target=world.target(), edges=world.edges)


def test_outputs_are_the_formula_of_kipf_and_welling():
    world = worlds.same(0, 30)
    model = fitted(world, n_layers=1, dropout=0.0)
    A = sparse.csr_matrix((np.ones(world.edges_t.shape[1]), tuple(world.edges_t)), shape=(30, 30)).toarray() + np.eye(
        30
    )
    root = A.sum(axis=1) ** -0.5
    P = root[:, None] * A * root
    layer, head = model.network_.body[0], model.network_.head
    w, b, v, c = (p.detach().numpy() for p in (layer.weight, layer.bias, head.weight, head.bias))
    expected = np.maximum(P @ world.Xt @ w + b, 0) @ v + c
    np.testing.assert_allclose(model.decision_function(world.Xt), expected, atol=1e-4)
    np.testing.assert_allclose(model.transform(world.Xt), np.maximum(P @ world.Xt @ w + b, 0), atol=1e-4)


def test_neighbours_of_one_class_help_and_a_network_without_edges_does_not_see_them():
    gain = []
    for seed in range(3):
        world = worlds.same(seed, 90)
        gain.append(fitted(world).score(world.Xt, world.yt) - fitted(world, conv="mlp").score(world.Xt, world.yt))
    assert np.mean(gain) > 0.05
    blind = fitted(world, conv="mlp")
    np.testing.assert_array_equal(blind.predict(world.Xt), blind.predict(world.Xt, np.empty((2, 0), int)))


def test_the_target_takes_no_part_in_the_training():
    world = worlds.same(0)
    other = worlds.moved(1, 60)
    first = fitted(world)
    second = GraphSourceOnly(hidden=8, training=training(n_epochs=30)).fit(
        world.X, world.y, target=Domain(other.Xt, edges=other.edges_t), edges=world.edges
    )
    for a, b in zip(first.network_.parameters(), second.network_.parameters()):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_one_way_edges_are_one_way_where_that_is_asked():
    world = worlds.same(0, 30)
    one_way = np.array([[0], [1]])
    ways = fitted(world, symmetric=False, n_layers=1, dropout=0.0)
    both = ways.transform(world.Xt, edges=one_way)
    none = ways.transform(world.Xt, edges=np.empty((2, 0), int))
    assert np.abs(both - none).max(axis=1)[0] < 1e-6, "node 0 takes from nobody"
    assert np.abs(both - none).max(axis=1)[1] > 1e-3


def test_every_kind_of_layer_learns_with_drawn_neighbours():
    world = worlds.same(2, 90)
    for conv in ("gcn", "sage", "gat"):
        model = fitted(world, conv=conv, n_neighbors=4, dropout=0.0, training=training(n_epochs=12))
        assert model.score(world.X, world.y, edges=world.edges) > 0.6
