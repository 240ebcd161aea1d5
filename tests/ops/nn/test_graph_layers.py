"""Graph layers against their formulas, and against torch_geometric's."""

import warnings

import numpy as np
import pytest
import torch
from scipy import sparse

from transferkit.ops.graphs.links import convolution, mean_of_neighbours
from transferkit.ops.nn.graph_layers import GraphLayer
from transferkit.ops.nn.graph_network import GraphNetwork
from transferkit.ops.nn.propagate import GraphBatch, propagate, sparse_matrix, times


def world():
    rng = np.random.default_rng(0)
    start, end = rng.integers(0, 12, size=(2, 40))
    kept = start != end
    pairs = np.unique(np.vstack([start[kept], end[kept]]), axis=1)
    A = sparse.csr_matrix((np.ones(pairs.shape[1]), tuple(pairs)), shape=(12, 12))
    X = torch.tensor(rng.normal(size=(12, 5)), dtype=torch.float32)
    links = {"gcn": sparse_matrix(convolution(A).whole), "mean": sparse_matrix(mean_of_neighbours(A).whole)}
    return GraphBatch(X, links, torch.arange(12)), torch.tensor(pairs)


def test_a_sparse_product_has_the_gradient_of_a_dense_one():
    M = sparse.random(6, 4, 0.5, random_state=0)
    h = torch.randn(4, 3, dtype=torch.float32, requires_grad=True)
    dense = torch.tensor(M.toarray(), dtype=torch.float32)
    for found, expected in ((propagate(sparse_matrix(M), h), dense @ h), (times(sparse_matrix(M), h), times(dense, h))):
        torch.testing.assert_close(found, expected)
        grads = [torch.autograd.grad((v**2).sum(), h)[0] for v in (found, expected)]
        torch.testing.assert_close(*grads)


@pytest.mark.parametrize("conv", ["gcn", "sage", "gat"])
def test_equal_to_torch_geometric(conv):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it scripts a class as it is imported
        pyg = pytest.importorskip("torch_geometric.nn")
    batch, pairs = world()
    layer = GraphLayer(5, 3, conv, active=False)
    torch.nn.init.normal_(layer.bias)
    w, b = layer.weight.detach().T, layer.bias.detach()
    if conv == "gcn":
        other = pyg.GCNConv(5, 3)
        state = {"lin.weight": w, "bias": b}
    elif conv == "sage":
        other = pyg.SAGEConv(5, 3)
        state = {"lin_l.weight": w, "lin_l.bias": b, "lin_r.weight": layer.own.detach().T}
    else:
        other = pyg.GATConv(5, 3)
        state = {
            "lin.weight": w,
            "bias": b,
            "att_src": layer.gives.detach()[None],
            "att_dst": layer.takes.detach()[None],
        }
    other.load_state_dict(state)
    torch.testing.assert_close(layer(batch.x, batch), other(batch.x, pairs))


def test_no_edges_is_a_plain_layer_and_sparse_features_are_features():
    batch, _ = world()
    layer = GraphLayer(5, 3, "mlp")
    torch.testing.assert_close(layer(batch.x, batch), torch.relu(batch.x @ layer.weight + layer.bias))
    thin = sparse_matrix(sparse.csr_matrix(batch.x.numpy()))
    for conv in ("gcn", "sage", "gat"):
        layer = GraphLayer(5, 3, conv)
        torch.testing.assert_close(layer(thin, batch), layer(batch.x, batch))


def test_a_network_says_how_far_it_sees():
    assert GraphNetwork(5, 2, n_layers=3).hops("target") == 3
    assert GraphNetwork(5, 2, n_layers=3, head="conv").hops("target") == 4
    assert GraphNetwork(5, 2, conv="mlp").hops("target") == 0
    batch, _ = world()
    network = GraphNetwork(5, 2, 4, n_layers=1, active=False)
    assert (network.features(batch) < 0).any(), "the last layer was not to be active"
    again = GraphNetwork(**network.spec)
    again.load_state_dict(network.state_dict())
    torch.testing.assert_close(again(batch), network(batch))
