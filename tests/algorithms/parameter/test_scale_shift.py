"""SSF: folded in, every weight is the old one times a factor of its row."""

import numpy as np
import torch
from torch import nn

from transferkit import ScaleShift, Training


def test_rows_are_scaled():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 20, bias=False), nn.ReLU())
    X = np.random.default_rng(0).normal(size=(40, 6))
    model = ScaleShift(net, training=Training(n_epochs=5, lr=0.05)).fit(X, X[:, 0] > 0)
    for k in (0, 2):
        ratio = (model.network_.body[k].weight / net[k].weight).detach()
        torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-3, atol=1e-4)
        assert (ratio - 1).abs().max() > 1e-3
    assert model.network_.body[2].bias is not None, "the shift of a layer that had none"
