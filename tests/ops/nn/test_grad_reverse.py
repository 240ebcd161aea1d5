"""Gradient reversal: one descent of the reversed sum is a descent of the critic and an ascent of the features."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from transferkit.ops.nn.grad_reverse import grad_reverse, reversal_weight


def test_it_is_the_identity_forwards_and_a_negative_multiple_backwards():
    x = torch.randn(5, 3, requires_grad=True)
    y = grad_reverse(x, 0.3)
    assert torch.equal(y, x)
    y.backward(torch.ones(5, 3))
    torch.testing.assert_close(x.grad, torch.full((5, 3), -0.3))


def test_the_reversed_gradient_is_that_of_the_min_max_game():
    """Ganin et al., eqs. 13-15: the features get dL_y - lambda dL_d, the critic gets dL_d."""
    torch.manual_seed(0)
    features, classes, critic = nn.Linear(4, 3).double(), nn.Linear(3, 2).double(), nn.Linear(3, 1).double()
    x, y, d = torch.randn(8, 4).double(), torch.randint(0, 2, (8,)), torch.randint(0, 2, (8, 1)).double()
    weight = 0.7

    def losses(reverse):
        z = features(x)
        of_critic = critic(grad_reverse(z, weight) if reverse else z)
        return functional.cross_entropy(classes(z), y), functional.binary_cross_entropy_with_logits(of_critic, d)

    reversed_sum = sum(losses(True))
    ours = torch.autograd.grad(reversed_sum, [*features.parameters(), *classes.parameters(), *critic.parameters()])
    l_y, l_d = losses(False)
    theirs = [
        *torch.autograd.grad(l_y - weight * l_d, list(features.parameters()), retain_graph=True),
        *torch.autograd.grad(l_y, list(classes.parameters()), retain_graph=True),
        *torch.autograd.grad(l_d, list(critic.parameters())),
    ]
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


def test_the_schedule_is_the_papers():
    assert reversal_weight(0.0) == 0
    assert reversal_weight(0.5) == pytest.approx(2 / (1 + math.exp(-5)) - 1)
    assert reversal_weight(1.0) == pytest.approx(0.9999092)
    assert reversal_weight(0.25, 4.0) == pytest.approx(math.tanh(0.5))
