"""Adam as a function is Adam as an optimizer."""

import torch
from torch.func import vmap

from transferkit.ops.nn.adam_steps import adam_steps


def loss_of(target):
    return lambda w: ((w["a"] - target) ** 4).sum() + (w["a"][0] * w["b"]).sum().sin()


def test_the_weights_are_those_of_the_optimizer():
    torch.manual_seed(0)
    start, target = {"a": torch.randn(3).double(), "b": torch.randn(2).double()}, torch.randn(3).double()
    kept = {k: v.clone() for k, v in start.items()}
    with torch.no_grad():
        found = adam_steps(loss_of(target), start, 20, 0.05)
    own = {k: v.clone().requires_grad_(True) for k, v in start.items()}
    optimizer = torch.optim.Adam(own.values(), lr=0.05)
    for _ in range(20):
        optimizer.zero_grad()
        loss_of(target)(own).backward()
        optimizer.step()
    for k in start:
        torch.testing.assert_close(found[k], own[k].detach())
        assert torch.equal(start[k], kept[k])


def test_many_tasks_at_once_are_one_after_the_other():
    torch.manual_seed(0)
    start, targets = {"a": torch.randn(3), "b": torch.randn(2)}, torch.randn(4, 3)
    found = vmap(lambda t: adam_steps(loss_of(t), start, 5, 0.1))(targets)
    for k, target in enumerate(targets):
        torch.testing.assert_close(found["a"][k], adam_steps(loss_of(target), start, 5, 0.1)["a"])
