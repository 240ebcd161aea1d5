"""GTrans: its loss by hand, the budget, and edges between classes that go."""

import numpy as np
import pytest
import torch
from scipy import sparse

import graph_worlds as worlds
from graph_checks import training
from transferkit import A2GNN, Domain, GraphSourceOnly, GTrans, ParamError
from transferkit.algorithms.relation import gtrans
from transferkit.core.graphs import as_adjacency
from transferkit.engine.graphs.graph import Graph
from transferkit.ops.graphs.links import convolution
from transferkit.ops.nn.soft_edges import SoftEdges

# Trained for a moment only, some collapse and say so.
pytestmark = pytest.mark.filterwarnings("ignore:.*(collapsed|diverged)")


def source_of(graphs, **params):
    model = GraphSourceOnly(hidden=8, training=training(n_epochs=20), **params)
    return model.fit(graphs.X, graphs.y, target=Domain(graphs.Xt, edges=graphs.edges_t), edges=graphs.edges)


def changes(source, graphs, **params):
    A = as_adjacency("edges", graphs.edges_t, len(graphs.Xt))
    found = gtrans._Changes(
        source.network_, source.labels_, {"target": Graph(graphs.Xt, {"gcn": convolution(A)})}, None
    )
    found.prepare(SoftEdges(A), GTrans(source, **params))
    return found.eval(), A


def test_the_loss_by_hand():
    """Where no edge is left out, the first part is 0, and the second the likeness to another node's features."""
    graphs = worlds.same(0)
    source = source_of(graphs)
    found, A = changes(source, graphs, drop=0.0)
    change, gone = 0.1 * torch.randn(found.change.shape), torch.rand(found.edges.n_free)
    torch.manual_seed(3)
    loss = found._surrogate(change, gone).item()
    torch.manual_seed(3)
    dealt = torch.randperm(len(graphs.Xt)).numpy()
    weaker = A.copy()
    weaker.data *= 1 - gone.numpy()[found.edges.free.numpy()]
    X = graphs.Xt + change.numpy()
    z, other = (source.transform(rows, edges=weaker) for rows in (X, X[dealt]))
    lengths = np.maximum(np.linalg.norm(z, axis=1) * np.linalg.norm(other, axis=1), 1e-8)
    assert loss == pytest.approx(((z * other).sum(axis=1) / lengths).mean() - 1, abs=1e-4)


def test_budget_and_answers():
    """No more edges go than may; answers are the network's for the changed graph; the weights stay."""
    graphs = worlds.same(0)
    source = source_of(graphs)
    model = GTrans(source, budget=0.2, training=training(n_epochs=6, lr=0.01)).fit(graphs.Xt, edges=graphs.edges_t)
    A, removed = as_adjacency("edges", graphs.edges_t, len(graphs.Xt)), model.removed_edges_
    assert 0 < removed.shape[1] <= 0.2 * A.nnz
    assert model.facts_["removed"] == removed.shape[1] / A.nnz
    left = A.copy()
    left[tuple(removed)] = 0
    assert abs(left - left.T).max() == 0, "both ways"
    left.eliminate_zeros()
    expected = source.predict_proba(graphs.Xt + model.features_change_, edges=left)
    np.testing.assert_allclose(model.predict_proba(graphs.Xt), expected, atol=1e-5)
    for name, value in model.network_.state_dict().items():
        torch.testing.assert_close(value, source.network_.state_dict()[name])
    other = worlds.same(1, 40)
    np.testing.assert_allclose(
        model.predict_proba(other.Xt, other.edges_t), source.predict_proba(other.Xt, other.edges_t)
    )
    alone = GTrans(source, budget=0.0, training=training(n_epochs=2)).fit(
        sparse.csr_matrix(graphs.Xt), edges=graphs.edges_t
    )
    assert alone.removed_edges_.shape == (2, 0)


def test_edges_between_classes_go_first():
    """The share of edges that join two classes is larger among those that go than among all."""
    shares = []
    for seed in range(3):
        graphs = worlds.same(seed, 90)
        model = GTrans(source_of(graphs), training=training(n_epochs=20, lr=1e-3)).fit(graphs.Xt, edges=graphs.edges_t)
        shares.append([np.mean(graphs.yt[e[0]] != graphs.yt[e[1]]) for e in (graphs.edges_t, model.removed_edges_)])
    among_all, among_gone = np.mean(shares, axis=0)
    assert among_gone > among_all + 0.1, (among_all, among_gone)


def test_other_layers_are_refused():
    graphs = worlds.same(0, 30)
    steps = A2GNN(target_steps=1, n_drawn=20, n_draws=1, hidden=5, training=training(n_epochs=1))
    steps.fit(graphs.X, graphs.y, target=graphs.target(), edges=graphs.edges)
    for wrong in (source_of(graphs, conv="sage"), steps):
        with pytest.raises(ParamError, match="must be of plain convolutions"):
            GTrans(wrong).fit(graphs.Xt, edges=graphs.edges_t)


@pytest.mark.parametrize("settings", [{"precision": "bf16"}, {"lr": "auto"}])
def test_other_settings_of_the_training(settings):
    graphs = worlds.same(0, 30)
    model = GTrans(source_of(graphs), training=training(n_epochs=2, **settings)).fit(graphs.Xt, edges=graphs.edges_t)
    assert np.isfinite(model.features_change_).all()
    assert model.features_change_.any()
