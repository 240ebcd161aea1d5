"""SOGA: its loss on a graph where nothing is left to chance, and what each part of it does."""

import numpy as np
import pytest
import torch
from scipy.special import entr

import graph_worlds as worlds
from graph_checks import training
from graph_free_checks import world
from transferkit import SOGA, Domain, GraphSourceOnly
from transferkit.algorithms.relation.soga import _apart
from transferkit.ops.node_roles import role_links

# Trained for a moment only, some collapse and say so.
pytestmark = pytest.mark.filterwarnings("ignore:.*(collapsed|diverged)")


def fitted(source, X, edges, **params):
    return SOGA(source, **{"training": training(n_epochs=1), **params}).fit(X, edges=edges)


def test_likeness_by_hand():
    p, alike = torch.tensor([[0.9, 0.1], [0.5, 0.5]]), torch.tensor([[0.8, 0.2], [0.0, 1.0]])
    others = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.3, 0.7], [0.6, 0.4]]])
    expected = (np.log(np.exp(0.9) + np.exp(0.1)) - 0.74 + np.log(2) + 0.5 - 0.5) / 2
    assert _apart(p, alike, others).item() == pytest.approx(expected, abs=1e-6)


def test_the_first_loss_is_that_of_the_sources_probabilities():
    """Pairs of nodes linked to each other only, and one node that all negatives are: a loss without chance, for neighbours."""
    graphs, source = world()
    X = graphs.Xt[:30]
    edges = np.vstack([np.arange(0, 30, 2), np.arange(1, 30, 2)])
    row = fitted(source, X, edges, n_negative=2).history_[0]
    p = source.predict_proba(X, edges)
    assert row["train/entropy"] == pytest.approx(entr(p).sum(axis=1).mean(), rel=1e-4)
    assert row["train/diversity"] == pytest.approx(entr(p.mean(axis=0)).sum(), rel=1e-4)
    agree = (p * p[np.arange(30) ^ 1]).sum(axis=1)  # the other node of each pair
    against = p @ p.T
    low, high = (np.log(2) + bound - agree.mean() for bound in (against.min(axis=1).mean(), against.max(axis=1).mean()))
    assert low <= row["train/neighbours"] <= high
    total = row["train/entropy"] - row["train/diversity"] + row["train/neighbours"] + row["train/roles"]
    assert row["train/loss"] == pytest.approx(total, rel=1e-4)


def test_information_alone_makes_answers_sure_and_even():
    graphs, source = world("rewired")
    before = source.predict_proba(graphs.Xt, graphs.edges_t)
    model = fitted(
        source,
        graphs.Xt,
        graphs.edges_t,
        neighbour_weight=0.0,
        role_weight=0.0,
        training=training(n_epochs=30, lr=0.02),
    )
    after = model.predict_proba(graphs.Xt)
    assert entr(after).sum(axis=1).mean() < 0.7 * entr(before).sum(axis=1).mean()
    assert entr(after.mean(axis=0)).sum() >= entr(before.mean(axis=0)).sum() - 0.01


def test_each_weight_makes_its_own_pairs_alike():
    """For a network that sees no edge, so that nothing else brings neighbours together."""
    graphs = worlds.rewired(0)
    source = GraphSourceOnly("mlp", hidden=8, training=training(n_epochs=20))
    source.fit(graphs.X, graphs.y, target=Domain(graphs.X, edges=graphs.edges), edges=graphs.edges)
    given = {"training": training(n_epochs=30, lr=0.02), "n_alike": 2}
    pairs = {"neighbour_weight": graphs.edges_t}
    plain = fitted(source, graphs.Xt, graphs.edges_t, neighbour_weight=0.0, role_weight=0.0, **given)
    near = fitted(source, graphs.Xt, graphs.edges_t, neighbour_weight=4.0, role_weight=0.0, **given)
    i, j = pairs["neighbour_weight"]

    def agree(model):
        p = model.predict_proba(graphs.Xt)
        return (p[i] * p[j]).sum(axis=1).mean() - (p.mean(axis=0) ** 2).sum()  # beyond what the classes' shares bring

    assert agree(near) > agree(plain) + 0.03


def test_what_is_given_as_a_source():
    graphs, _ = world()
    for conv in ("sage", "gat", "mlp"):
        source = GraphSourceOnly(conv, hidden=8, training=training(n_epochs=3))
        source.fit(graphs.X, graphs.y, target=Domain(graphs.X, edges=graphs.edges), edges=graphs.edges)
        model = fitted(source, graphs.Xt, graphs.edges_t, training=training(n_epochs=2, lr=0.0))
        expected = source.predict_proba(graphs.Xt, graphs.edges_t)
        np.testing.assert_allclose(model.predict_proba(graphs.Xt), expected, atol=1e-6)
        assert model.backbone_name_ == f"graph:{conv}"
    assert role_links(model.target_graph_.adjacency, 4, 2, np.random.default_rng(0)).shape == (90, 90)
