"""Entropy of predictions: its bounds, and a gradient where log 0 would be."""

import math

import torch

from transferkit.ops.nn.entropy import mean_entropy, row_entropy


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


def test_the_mean_is_that_of_the_rows():
    logits = torch.tensor([[0.0, 0.0, 0.0], [0.0, 3.0, -1.0], [500.0, 0.0, -500.0]])
    p = logits[:2].softmax(dim=1)
    torch.testing.assert_close(row_entropy(logits)[:2], -(p * p.log()).sum(dim=1))
    assert row_entropy(logits)[2] == 0
    torch.testing.assert_close(mean_entropy(logits), row_entropy(logits).mean())
