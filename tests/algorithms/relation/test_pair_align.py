"""PairAlign: weights that are the paper's, without them the plain network, and what they are good for."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import graph_worlds as worlds
from graph_checks import training
from transferkit import Domain, GraphSourceOnly, PairAlign
from transferkit.core.graphs import as_adjacency
from transferkit.ops.graphs.pair_weights import neighbour_ratios, pair_confusions, pair_shares, share_weights

# Trained for a moment, or on features that have moved, some collapse and say so.
pytestmark = pytest.mark.filterwarnings("ignore:.*(collapsed|diverged)")


def fitted(world, **params):
    own = {"hidden": 8, "n_layers": 2, "dropout": 0.0, "training": training(n_epochs=20), **params}
    return PairAlign(**own).fit(world.X, world.y, target=world.target(), edges=world.edges)


def uneven(seed, n=150, signal=2.0):
    """The same nodes in other shares: half of the source is of the first class, a tenth of the target."""
    rng = np.random.default_rng(seed)
    y, yt = (rng.choice(3, size=n, p=p) for p in ([0.6, 0.3, 0.1], [0.1, 0.3, 0.6]))
    X, Xt = (rng.normal(size=(n, 6)) + signal * np.eye(3, 6)[labels] for labels in (y, yt))
    return worlds.Graphs(X, y, worlds.edges_of(rng, y, 0.05, 0.05), Xt, yt, worlds.edges_of(rng, yt, 0.1, 0.01))


def test_before_the_first_weights_it_is_the_network_of_the_source_alone():
    world = worlds.rewired(0, 60)
    for conv in ("gcn", "sage"):
        ours = fitted(world, every=20, conv=conv)
        plain = GraphSourceOnly(conv, hidden=8, dropout=0.0, training=training(n_epochs=20))
        plain.fit(world.X, world.y, target=world.target(), edges=world.edges)
        for a, b in zip(ours.network_.parameters(), plain.network_.parameters()):
            torch.testing.assert_close(a, b, rtol=0, atol=0)
        np.testing.assert_array_equal(ours.edge_weight_, np.ones((3, 3)))
        np.testing.assert_array_equal(ours.class_weight_, np.ones(3))


def test_weights_are_those_of_what_was_predicted_at_the_last_time():
    """Found at epoch 5 of 6: a training that stops there has the network that predicted, on the source as it was."""
    world = uneven(0, 60)
    model, first = (fitted(world, every=5, training=training(n_epochs=k)) for k in (6, 5))
    A, A_t = (as_adjacency("edges", e, 60) for e in (world.edges, world.edges_t))
    Y, P, P_t = np.eye(3)[world.y], first.predict_proba(world.X, world.edges), first.predict_proba(world.Xt)
    m = pair_shares(Y, A)
    w = share_weights(pair_confusions(P, Y, A), pair_shares(P_t, A_t).ravel(), m.ravel(), 0.01).reshape(3, 3)
    np.testing.assert_allclose(model.edge_weight_, neighbour_ratios(m, w, 1e-4), rtol=1e-4)
    beta = share_weights(P.T @ Y / 60, P_t.mean(axis=0), Y.mean(axis=0), 0.01)
    np.testing.assert_allclose(model.class_weight_, beta, rtol=1e-4)
    edges, classes = (fitted(world, every=5, training=training(n_epochs=6), weigh=w) for w in ("edges", "classes"))
    np.testing.assert_array_equal(edges.edge_weight_, model.edge_weight_)
    np.testing.assert_array_equal(edges.class_weight_, np.ones(3))
    np.testing.assert_array_equal(classes.edge_weight_, np.ones((3, 3)))
    np.testing.assert_array_equal(classes.class_weight_, model.class_weight_)


def test_the_targets_classes_are_found_and_used():
    gains = []
    for seed in range(3):
        world = uneven(seed)
        own = {"weigh": "classes", "training": training(n_epochs=30)}
        plain, ours = (fitted(world, every=k, **own) for k in (30, 5))
        assert ours.class_weight_[0] < 0.9 < 1.1 < ours.class_weight_[2]
        gains.append(ours.score(world.Xt, world.yt) - plain.score(world.Xt, world.yt))
    assert np.mean(gains) > 0.04


def test_the_targets_neighbours_are_found():
    """In the target they are of a node's own class more often than in the source."""
    world = worlds.rewired(0)
    rng = np.random.default_rng(0)
    clear = [rng.normal(size=(120, 6)) + 3 * np.eye(3, 6)[labels] for labels in (world.y, world.yt)]
    model = fitted(replace(world, X=clear[0], Xt=clear[1]), every=5, weigh="edges")
    own = np.eye(3, dtype=bool)
    assert model.edge_weight_[own].min() > 1.2
    assert model.edge_weight_[~own].mean() < 0.8


def test_several_labels_share_a_node():
    world = uneven(0, 60)
    table = worlds.two_labels(world.y)
    table[:3] = 0  # nodes without a label count for no pair, and keep their weight
    model = PairAlign(hidden=8, n_layers=1, every=3, training=training(n_epochs=10))
    model.fit(world.X, table, target=Domain(world.Xt, edges=world.edges_t), edges=world.edges)
    assert model.predict(world.Xt).shape == (60, 2)
    assert model.class_weight_[0] < 1 < model.class_weight_[1]
    assert model.edge_weight_.shape == (2, 2)
