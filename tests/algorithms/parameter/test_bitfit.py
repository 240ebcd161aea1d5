"""BitFit: biases move, weights do not."""

import numpy as np
import torch
from torch import nn

from transferkit import BitFit, Training


def test_only_biases_move():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 20), nn.LayerNorm(20), nn.ReLU(), nn.Linear(20, 20))
    X = np.random.default_rng(0).normal(size=(40, 6))
    for norms in (True, False):
        model = BitFit(net, norms=norms, training=Training(n_epochs=2, lr=0.02)).fit(X, X[:, 0] > 0)
        before, after = net.state_dict(), model.network_.body.state_dict()
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        assert moved == {"0.bias", "3.bias"} | ({"1.bias"} if norms else set())
