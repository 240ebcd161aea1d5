"""Entropy of predictions: its bounds, and a gradient where log 0 would be."""

import math

import pytest
import torch

from transferkit.ops.nn.entropy import class_entropy, mean_entropy, row_entropy
from transferkit.ops.nn.virtual_adversarial import divergence


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


def test_a_class_without_any_share_has_a_finite_gradient():
    logits = torch.tensor([[200.0, 0.0, -200.0], [150.0, 10.0, -200.0]], requires_grad=True)
    found = class_entropy(logits.softmax(dim=1))
    found.backward()
    assert torch.isfinite(logits.grad).all()
    p = torch.tensor([[0.2, 0.8], [0.6, 0.4]])
    assert float(class_entropy(p)) == pytest.approx(-(0.4 * math.log(0.4) + 0.6 * math.log(0.6)))
    assert class_entropy(p[None], dim=1).shape == (1,)
    q = torch.tensor([[1.0, 0.0]], requires_grad=True)
    divergence(q, torch.zeros(1, 2)).sum().backward()
    assert torch.isfinite(q.grad).all()
