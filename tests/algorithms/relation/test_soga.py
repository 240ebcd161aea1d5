"""SOGA: its loss on a graph where nothing is left to chance, and what each part of it does."""

import numpy as np
import pytest
import torch
from scipy.special import entr

import graph_worlds as worlds
from graph_checks import training
from transferkit import SOGA, Domain, GraphSourceOnly
from transferkit.algorithms.relation.soga import _apart

# Trained for a moment only, some collapse and say so.
pytestmark = pytest.mark.filterwarnings("ignore:.*(collapsed|diverged)")


def fitted(source, X, edges, **params):
    return SOGA(source, **{"training": training(n_epochs=1), **params}).fit(X, edges=edges)


def test_likeness_by_hand():
    p, alike = torch.tensor([[0.9, 0.1], [0.5, 0.5]]), torch.tensor([[0.8, 0.2], [0.0, 1.0]])
    others = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.3, 0.7], [0.6, 0.4]]])
    expected = (np.log(np.exp(0.9) + np.exp(0.1)) - 0.74 + np.log(2) + 0.5 - 0.5) / 2
    assert _apart(p, alike, others).item() == pytest.approx(expected, abs=1e-6)


def certain(graphs, conv="gcn"):
    """A source without dropout, which a training would draw."""
    source = GraphSourceOnly(conv, hidden=8, dropout=0.0, training=training(n_epochs=20))
    return source.fit(graphs.X, graphs.y, target=Domain(graphs.X, edges=graphs.edges), edges=graphs.edges)


def test_the_first_loss_is_that_of_the_sources_probabilities():
    """Pairs of nodes that are linked to each other only: which neighbour is drawn is no chance."""
    graphs = worlds.moved(0)
    source, X = certain(graphs), graphs.Xt[:30]
    edges = np.vstack([np.arange(0, 30, 2), np.arange(1, 30, 2)])
    row = fitted(source, X, edges, n_negative=2).history_[0]
    p = source.predict_proba(X, edges)
    assert row["train/entropy"] == pytest.approx(entr(p).sum(axis=1).mean(), rel=1e-4)
    assert row["train/diversity"] == pytest.approx(entr(p.mean(axis=0)).sum(), rel=1e-4)
    agree, against = (p * p[np.arange(30) ^ 1]).sum(axis=1), p @ p.T  # with the other node of the pair
    low, high = (np.log(2) + bound - agree.mean() for bound in (against.min(axis=1).mean(), against.max(axis=1).mean()))
    assert low <= row["train/neighbours"] <= high
    total = row["train/entropy"] - row["train/diversity"] + row["train/neighbours"] + row["train/roles"]
    assert row["train/loss"] == pytest.approx(total, rel=1e-4)


def test_information_alone_makes_answers_sure_and_even():
    graphs = worlds.moved(0)
    source, alone = certain(graphs), {"neighbour_weight": 0.0, "role_weight": 0.0}
    model = fitted(source, graphs.Xt, graphs.edges_t, **alone, training=training(n_epochs=30, lr=0.02))
    before, after = source.predict_proba(graphs.Xt, graphs.edges_t), model.predict_proba(graphs.Xt)
    sure, even = (
        [entr(p).sum(axis=1).mean() for p in (before, after)],
        [entr(p.mean(axis=0)).sum() for p in (before, after)],
    )
    assert sure[1] < 0.8 * sure[0]
    assert even[1] > even[0]


def test_neighbours_become_alike():
    """For a network that sees no edge, so that nothing else brings them together."""
    graphs = worlds.same(0)
    source, long = certain(graphs, "mlp"), training(n_epochs=30, lr=0.02)
    i, j = graphs.edges_t
    agree = []
    for weight in (0.0, 4.0):
        model = fitted(source, graphs.Xt, graphs.edges_t, neighbour_weight=weight, role_weight=0.0, training=long)
        p = model.predict_proba(graphs.Xt)
        agree.append((p[i] * p[j]).sum(axis=1).mean() - (p.mean(axis=0) ** 2).sum())  # beyond what the shares bring
    assert agree[1] > agree[0] + 0.03


def test_what_is_given_as_a_source():
    graphs = worlds.moved(0)
    for conv in ("sage", "gat", "mlp"):
        source = certain(graphs, conv)
        model = fitted(source, graphs.Xt, graphs.edges_t, training=training(n_epochs=2, lr=1e-9))
        expected = source.predict_proba(graphs.Xt, graphs.edges_t)
        np.testing.assert_allclose(model.predict_proba(graphs.Xt), expected, atol=1e-6)
        assert model.backbone_name_ == f"graph:{conv}"
