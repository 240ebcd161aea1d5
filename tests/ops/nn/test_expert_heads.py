"""Experts and gates, by hand."""

import torch

from transferkit.ops.nn.expert_heads import ExpertHeads
from transferkit.ops.nn.extraction_heads import ExtractionHeads
from transferkit.ops.nn.task_heads import TaskHeads


def test_heads_side_by_side():
    z = torch.randn(4, 6)
    shared, apart = TaskHeads(6, [2, 3]), TaskHeads(3, [2, 3], apart=True)
    torch.testing.assert_close(shared(z)[:, 2:], shared.of_task[1](z))
    torch.testing.assert_close(apart(z)[:, :2], apart.of_task[0](z[:, :3]))
    torch.testing.assert_close(apart(z)[:, 2:], apart.of_task[1](z[:, 3:]))
    for made in (shared, apart, ExpertHeads(6, [2, 3], 3, 5), ExtractionHeads(6, [2, 3], 2, 1, 2, 5)):
        again = type(made)(**made.spec)
        again.load_state_dict(made.state_dict())
        torch.testing.assert_close(again(z), made(z))
        assert made(z).shape == (4, 5)


def test_a_gate_weighs_the_experts():
    z, made = torch.randn(4, 6), ExpertHeads(6, [1, 1], 3, 5)
    own = made.of_task[1]
    shares = torch.softmax(own["gate"](z), dim=1)
    mixture = sum(shares[:, [e]] * made.experts[e](z) for e in range(3))
    torch.testing.assert_close(made(z)[:, 1:], own["head"](mixture))


def test_one_layer_of_extraction_is_cgc():
    z, made = torch.randn(4, 6), ExtractionHeads(6, [1, 1], 1, 2, 1, 5)
    own = made.of_task[0]
    shares = torch.softmax(own["gate"](z), dim=1)
    experts = [made.shared[0], made.shared[1], own["experts"][0]]
    mixture = sum(shares[:, [e]] * expert(z) for e, expert in enumerate(experts))
    torch.testing.assert_close(made(z)[:, :1], own["head"](mixture))


def test_what_is_one_tasks_own_is_reached_by_no_other():
    made = ExtractionHeads(6, [1, 1], 2, 1, 1, 5)
    named = list(made.named_parameters())
    grads = torch.autograd.grad(made(torch.randn(8, 6))[:, 0].sum(), [p for _, p in named], allow_unused=True)
    reached = {name for (name, _), g in zip(named, grads) if g is not None and g.any()}
    assert not [name for name in reached if name.startswith("of_task.1.")]
    assert any(name.startswith("layers.0.apart.1.") for name in reached), "an earlier layer's experts serve all"
