"""VADA and DIRT-T: the losses of the paper, and teachers that are earlier states of the network."""

import pytest
import torch
from torch.nn import functional

import adaptation_checks
import shifts
from objectives import built, small
from transferkit import VADA, Domain, DomainError
from transferkit.ops.nn.discriminator import domain_loss

SHIFT = shifts.moved(0, 40)
WEIGHTS = {"source_weight": 0.7, "target_weight": 0.2, "teacher_weight": 0.3, "trade_off": 0.4}


def entropy(outputs):
    p = outputs.softmax(dim=1)
    return -(p * p.log()).sum(dim=1).mean()


def test_the_loss_of_vada():
    objective, batch = built(small(VADA, **WEIGHTS), SHIFT)
    found = objective.steps()[0].loss(batch, 0.2)
    n, x = len(batch["source"]), torch.cat([batch["source"].x, batch["target"].x])
    z = objective.network.features(x)
    outputs = objective.network.head(z)
    task, critic = functional.cross_entropy(outputs[:n], batch["source"].y), domain_loss(objective.critic(z), n)
    torch.testing.assert_close(found["task"], task)
    torch.testing.assert_close(found["entropy"], entropy(outputs[n:]))
    total = task + critic + 0.7 * found["smooth_source"] + 0.2 * (found["smooth_target"] + entropy(outputs[n:]))
    torch.testing.assert_close(found["loss"], total)
    assert found["smooth_target"] > 0
    network, own = objective.network.body, list(objective.critic.parameters())
    without = built(small(VADA, trade_off=0.0, source_weight=0.0, target_weight=0.0), SHIFT)[0]
    alone = torch.autograd.grad(without.steps()[0].loss(batch, 0.2)["loss"], list(without.network.body.parameters()))
    for ours, plain in zip(alone, torch.autograd.grad(task, list(network.parameters()), retain_graph=True)):
        torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-6)
    full = torch.autograd.grad(found["loss"], own)
    for ours, plain in zip(full, torch.autograd.grad(critic, own)):  # the critic learns at full rate
        torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-6)


def test_the_loss_of_dirt_t():
    objective, batch = built(small(VADA, refine=0.5, **WEIGHTS), SHIFT)
    assert objective.teacher is not None
    assert objective.frozen() == (objective.teacher,)
    with torch.no_grad():
        objective.network.head.out.bias += 1
    found = objective.steps()[0].loss(batch, 0.5)
    x = batch["target"].x
    outputs, p = objective.network(x), objective.teacher(x).softmax(dim=1)
    follow = (p * (p.log() - outputs.log_softmax(dim=1))).sum(dim=1).mean()
    torch.testing.assert_close(found["teacher"], follow)
    expected = 0.2 * (found["smooth_target"] + entropy(outputs)) + 0.3 * follow
    torch.testing.assert_close(found["loss"], expected)
    assert objective.teacher.head.out.bias.equal(objective.network.head.out.bias), "it begins as the network"


def test_teachers_are_renewed_at_even_distances():
    objective, batch = built(small(VADA, refine=0.5, n_teachers=2), SHIFT)
    seen = []
    for progress in (0.4, 0.5, 0.6, 0.74, 0.75, 0.9):
        with torch.no_grad():
            objective.network.head.out.bias.fill_(progress)
        objective.steps()[0].loss(batch, progress)
        seen.append(round(objective.teacher.head.out.bias[0].item(), 2))
    assert seen[1:] == [0.5, 0.5, 0.5, 0.75, 0.75]


def test_refined_it_still_recognises_a_moved_domain():
    shift = shifts.moved(0)
    given = {"refine": 0.3, "target_weight": 0.1, "teacher_weight": 0.1}
    model = small(VADA, training=adaptation_checks.training(n_epochs=12), **given)
    model.fit(shift.X, shift.y, target=Domain(shift.Xt))
    assert "train/teacher" in model.history_[-1]
    assert model.score(shift.Xt, shift.yt) > 0.8


def test_texts_cannot_be_moved_a_little():
    class Backbone:
        kind = "text"

    class Fit:
        backbone = Backbone()

    with pytest.raises(DomainError, match=r"VADA\.fit: X must be numbers, which can be moved"):
        small(VADA)._objective(Fit())
