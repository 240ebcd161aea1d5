"""(IA)^3: folded in, every weight is the old one times a factor of its column."""

import numpy as np
import torch
from torch import nn

from transferkit import IA3, Training


def test_columns_are_scaled():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 20), nn.ReLU())
    X = np.random.default_rng(0).normal(size=(40, 6))
    model = IA3(net, training=Training(n_epochs=5, lr=0.05)).fit(X, X[:, 0] > 0)
    ratio = (model.network_.body[2].weight / net[2].weight).detach()
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), rtol=1e-3, atol=1e-4)
    assert (ratio - 1).abs().max() > 1e-3
    assert torch.equal(model.network_.body[0].weight, net[0].weight)
    assert torch.equal(model.network_.body[2].bias, net[2].bias)
