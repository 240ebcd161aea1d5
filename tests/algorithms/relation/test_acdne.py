"""ACDNE: the pairwise constraint by hand, whole and drawn; the two views; what the adversarial part does."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from scipy import sparse  # noqa: E402

from transferkit import ACDNE, Domain, Training  # noqa: E402
from transferkit.algorithms.relation.acdne import _apart  # noqa: E402
from transferkit.engine.graphs.objective import Nodes  # noqa: E402
from transferkit.ops.nn.propagate import GraphBatch, sparse_matrix  # noqa: E402


def ring(n=8):
    A = sparse.lil_matrix((n, n))
    for k in range(n):
        A[k, (k + 1) % n] = A[(k + 1) % n, k] = 1
    return A.tocsr()


@pytest.mark.parametrize("at", [np.arange(8), np.array([5, 0, 6])], ids=["whole", "some"])
def test_pairs_are_weighted_squared_distances(at):
    links = ACDNE(n_steps=2)._links(ring(), "source")
    P = links["near"].matrix.toarray()
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-6)
    z = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    among = P[np.ix_(at, at)]
    among = among / np.maximum(among.sum(axis=1, keepdims=True), 1e-12)
    gap = ((z[at][:, None] - z[at]) ** 2).sum(axis=2)
    batch = GraphBatch(None, {"near": sparse_matrix(links["near"].whole)}, torch.arange(8))
    nodes = Nodes(None, None, None, None, batch, torch.as_tensor(at), [torch.as_tensor(z)])
    assert float(_apart(nodes)) == pytest.approx((among * gap).sum(axis=1).mean(), rel=1e-4)


def test_features_are_those_of_the_node_and_the_mean_of_its_surroundings():
    from transferkit.ops.nn.two_view_network import TwoViewNetwork

    torch.manual_seed(0)
    network = TwoViewNetwork(3, 2, hidden=4, wide=5).eval()
    links = ACDNE(n_steps=2)._links(ring(), "source")
    X = torch.randn(8, 3)
    batch = GraphBatch(X, {"near": sparse_matrix(links["near"].whole)}, torch.arange(8))
    mean = torch.as_tensor(links["near"].matrix.toarray()) @ X

    def two(layers, h):
        for layer in layers:
            h = torch.relu(h @ layer.weight + layer.bias)
        return h

    both = torch.cat([two(network.own, X), two(network.near, mean)], dim=1)
    expected = torch.relu(both @ network.body.weight + network.body.bias)
    torch.testing.assert_close(network.features(batch), expected)
    assert network.hops("target") == 1


def test_the_weights_do_what_they_say():
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    X, Xt = (2 * y[:, None] + rng.normal(size=(40, 3)) for _ in range(2))
    pairs = rng.integers(0, 40, size=(2, 100))
    edges = pairs[:, y[pairs[0]] == y[pairs[1]]]
    training = Training(n_epochs=30, lr=0.02, optimizer="adam", schedule="constant", warmup=0.0, device="cpu")

    def ends(**weights):
        model = ACDNE(wide=8, hidden=8, critic=8, n_steps=2, dropout=0.0, training=training, **weights)
        return model.fit(X, y, target=Domain(Xt, edges=edges), edges=edges).history_[-1]

    plain, pulled = ends(trade_off=0.0, pair_weight=0.0), ends(trade_off=0.0, pair_weight=0.2)
    assert plain["train/transfer"] == 0
    assert pulled["train/pairs"] < 0.8 * plain["train/pairs"]
