"""StruRW: a weighted source, what it is without weights, and what it is good for."""

import numpy as np
import pytest
import torch
from sklearn.model_selection import train_test_split

import graph_worlds as worlds
from graph_checks import training
from transferkit import Domain, GraphSourceOnly, StruRW
from transferkit.core.graphs import as_adjacency
from transferkit.engine.graphs.graph import Graph
from transferkit.ops.graphs.edge_weights import link_ratios, weighted_links
from transferkit.ops.graphs.links import mean_of_neighbours

# Trained for a moment, or on features that have moved, some collapse and say so.
pytestmark = pytest.mark.filterwarnings("ignore:.*(collapsed|diverged)")


def fitted(world, **params):
    own = {"hidden": 8, "training": training(n_epochs=20), **params}
    return StruRW(**own).fit(world.X, world.y, target=world.target(), edges=world.edges)


def test_without_weights_it_is_the_network_of_the_source_alone():
    world = worlds.rewired(0, 60)
    for conv in ("gcn", "sage"):
        ours = fitted(world, kept=1.0, start=0.2, every=3, conv=conv)
        plain = GraphSourceOnly(conv, hidden=8, dropout=0.1, training=training(n_epochs=20))
        plain.fit(world.X, world.y, target=world.target(), edges=world.edges)
        for a, b in zip(ours.network_.parameters(), plain.network_.parameters()):
            torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_ratios_are_those_of_what_was_predicted_at_the_last_time():
    """Taken at epoch 5 of 6 for the last time: a training that stops there has the network that predicted."""
    world = worlds.rewired(0, 60)
    model = fitted(world, start=0.0, every=5, training=training(n_epochs=6), dropout=0.0)
    before = GraphSourceOnly("sage", hidden=8, dropout=0.0, training=training(n_epochs=1))
    A, A_t = (as_adjacency("edges", e, 60) for e in (world.edges, world.edges_t))
    first = fitted(world, start=0.0, every=5, training=training(n_epochs=5), dropout=0.0)
    expected = link_ratios(np.eye(3)[world.y], A, np.eye(3)[first.predict(world.Xt)], A_t)
    np.testing.assert_allclose(model.ratios_, expected)
    assert not np.allclose(model.ratios_, first.ratios_)
    before.fit(world.X, world.y, target=world.target(), edges=world.edges)
    never = fitted(world, start=0.9, every=1, training=training(n_epochs=1))
    np.testing.assert_array_equal(never.ratios_, np.ones((3, 3)))


def test_it_learns_what_neighbours_mean_in_the_target():
    gains = []
    for seed in range(3):
        world = worlds.rewired(seed)
        plain, ours = (fitted(world, kept=k, start=0.3, every=3, training=training(n_epochs=30)) for k in (1.0, 0.2))
        gains.append(ours.score(world.Xt, world.yt) - plain.score(world.Xt, world.yt))
    assert np.mean(gains) > 0


def test_the_critic_beside_it_and_several_labels():
    world = worlds.moved(0, 60)
    model = fitted(world, variant="adv", start=0.3, every=3)
    assert {"train/critic", "train/transfer"} <= model.history_[-1].keys()
    several = StruRW("adv", hidden=8, start=0.3, every=3, training=training(n_epochs=10))
    several.fit(world.X, worlds.two_labels(world.y), target=Domain(world.Xt, edges=world.edges_t), edges=world.edges)
    assert several.predict(world.Xt).shape == (60, 2)
    assert several.ratios_.shape == (2, 2)


def test_labels_that_judge_an_epoch_shape_no_edge():
    """And what judges is the source as it is weighted: that is what the network has learned."""
    world = worlds.rewired(0, 60)
    still = training(n_epochs=1, lr=1e-12, validation=0.2)
    model = fitted(world, start=0.0, every=1, kept=0.0, random_state=0, training=still)
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    held = train_test_split(np.arange(60), test_size=0.2, random_state=seed, stratify=world.y)[1]
    Y = np.eye(3)[world.y]
    Y[held] = 0
    A, A_t = (as_adjacency("edges", e, 60, symmetric=True) for e in (world.edges, world.edges_t))
    ratios = link_ratios(Y, A, np.eye(3)[model.predict(world.Xt)], A_t)
    np.testing.assert_allclose(model.ratios_, ratios)
    assert not np.allclose(ratios, link_ratios(np.eye(3)[world.y], A, np.eye(3)[model.predict(world.Xt)], A_t))
    links = {"mean": weighted_links(mean_of_neighbours(A), Y, ratios, 0.0)}
    graph = Graph(world.X, links, "source")
    with torch.no_grad():
        outputs = model.network_(graph.whole(torch.device("cpu")))[held]
    right = (outputs.argmax(dim=1).numpy() == world.y[held]).mean()
    assert model.history_[0]["validation"] == pytest.approx(right)
