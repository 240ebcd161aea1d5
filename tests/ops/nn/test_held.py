"""A module as a constant function."""

import torch
from torch import nn

from transferkit.ops.nn.held import held


def test_inputs_get_the_modules_gradient_and_the_module_none():
    module, x = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), torch.randn(5, 3, requires_grad=True)
    (expected,) = torch.autograd.grad(module(x).sum(), x)
    found = held(module, x)
    torch.testing.assert_close(found, module(x))
    found.sum().backward()
    torch.testing.assert_close(x.grad, expected)
    assert all(p.grad is None for p in module.parameters())
