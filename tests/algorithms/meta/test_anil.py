"""ANIL: the inner steps move the head and nothing else; the update moves all."""

import torch

import meta_toys as toys
from transferkit import ANIL


def learner(**params):
    network = toys.network(hidden="hidden=4&batch_norm=true")
    return ANIL(n_inner_steps=2, inner_lr=0.3, batch_norm="support", **params)._learner(network, toys.CLASSES, 6)


def test_only_the_head_moves_inside():
    found, batch = learner(), toys.stream(n_tasks=1)
    state = found.adapt(batch.x[0, :6], batch.y[0, :6], 3)
    assert set(state["weights"]) == {"head.out.weight", "head.out.bias"}
    assert not torch.equal(state["weights"]["head.out.weight"], found.network.head.out.weight)


def test_the_meta_gradient_is_that_of_finite_differences_and_reaches_the_body():
    found, batch = learner(), toys.stream()
    gradient = toys.gradient(found, batch)
    torch.testing.assert_close(*toys.slopes_along(found, batch), atol=1e-6, rtol=1e-5)
    assert gradient.abs().gt(1e-6).float().mean() > 0.5


def test_all_tasks_at_once_are_one_after_the_other():
    batch = toys.stream()
    torch.testing.assert_close(*(toys.gradient(learner(batched=b), batch) for b in (True, False)))
