"""LoRA: what is folded in has the rank that was asked for, and nothing else moved."""

import numpy as np
import torch
from torch import nn

from transferkit import LoRA, Training


def test_the_change_has_low_rank():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 20), nn.ReLU())
    X = np.random.default_rng(0).normal(size=(40, 6))
    model = LoRA(net, rank=2, training=Training(n_epochs=5, lr=0.02)).fit(X, X[:, 0] > 0)
    body = model.network_.body
    for k in ("0", "2"):
        change = body.get_submodule(k).weight - net.get_submodule(k).weight
        assert torch.linalg.matrix_rank(change.detach(), tol=1e-5) == 2
        assert torch.equal(body.get_submodule(k).bias, net.get_submodule(k).bias)
    assert model.network_.edits == []
    assert body.state_dict().keys() == net.state_dict().keys()
    trained = {row["part"]: row["trains"] for row in model.facts_["plan"]}
    assert trained == {"0": 2 * (6 + 20), "2": 2 * (20 + 20), "head": 42}


def test_prediction_does_not_change_by_folding():
    """The loop's last loss on the whole data, seen from outside, is that of the folded network."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 20), nn.ReLU())
    X = np.random.default_rng(0).normal(size=(30, 6))
    y = (X[:, 0] > 0).astype(int)
    seen = []
    watch = lambda event, state: seen.append(state["network"](torch.as_tensor(X, dtype=torch.float32)).detach())  # noqa: E731
    model = LoRA(net, training=Training(n_epochs=3, lr=0.02, callbacks=[watch])).fit(X, y)
    np.testing.assert_allclose(model.decision_function(X), seen[-1].numpy(), atol=1e-5)
