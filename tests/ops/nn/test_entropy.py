"""Entropy of predictions: its bounds, and a gradient where log 0 would be."""

import math

import torch

from transferkit.ops.nn.entropy import mean_entropy


def test_bounds():
    torch.testing.assert_close(mean_entropy(torch.zeros(3, 4)), torch.tensor(math.log(4)))
    p = torch.tensor([0.2, 0.8])
    torch.testing.assert_close(mean_entropy(p.log()[None]), -(p * p.log()).sum())


def test_a_sure_row_has_none_and_no_gradient():
    logits = torch.tensor([[500.0, 0.0, -500.0]], requires_grad=True)
    found = mean_entropy(logits)
    found.backward()
    assert found == 0
    torch.testing.assert_close(logits.grad, torch.zeros(1, 3))
