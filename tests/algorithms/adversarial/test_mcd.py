"""MCD: three steps with the paper's losses, each of which moves only its own part."""

import copy

import torch
from torch.nn import functional

import shifts
from objectives import assert_gradients, built, gradients, small
from transferkit import MCD

SHIFT = shifts.offset(0, 40)


def outputs(objective, batch):
    """Features and the outputs of both classifiers, by hand."""
    z = torch.cat([objective.network.features(batch[name].x) for name in ("source", "target")])
    return z, objective.network.head(z), objective.second(z)


def test_the_three_losses():
    objective, batch = built(small(MCD, trade_off=0.7, n_steps=3), SHIFT)
    learn, part, meet = objective.steps()
    _, one, two = outputs(objective, batch)
    y, n = batch["source"].y, len(batch["source"])
    task = functional.cross_entropy(one[:n], y) + functional.cross_entropy(two[:n], y)
    apart = (one[n:].softmax(1) - two[n:].softmax(1)).abs().mean()
    everything = list(objective.named_parameters())
    for step, expected in ((learn, task), (part, task - 0.7 * apart), (meet, 0.7 * apart)):
        loss = step.loss(batch, 0.5)["loss"]
        torch.testing.assert_close(loss, expected)
        moved = [(name, p) for name, p in everything if any(p is own for own in step.params)]
        assert_gradients(gradients(loss, moved), gradients(expected, moved))
    assert [step.repeat for step in (learn, part, meet)] == [1, 1, 3]


def test_unequal_class_shares_cost_in_the_first_two_steps_alone():
    objective, batch = built(small(MCD, trade_off=0.7, balance=0.01), SHIFT)
    learn, part, meet = (step.loss(batch, 0.5) for step in objective.steps())
    _, *both = outputs(objective, batch)
    shares = [out[len(batch["source"]) :].softmax(1).mean(0) for out in both]
    skew = sum(-(share + 1e-6).log().mean() for share in shares)
    torch.testing.assert_close(learn["loss"], learn["task"] + 0.01 * skew)
    torch.testing.assert_close(part["loss"], part["task"] + 0.01 * skew - 0.7 * part["transfer"])
    torch.testing.assert_close(meet["loss"], 0.7 * meet["transfer"])


def test_a_step_moves_only_its_own_part():
    objective, _ = built(small(MCD), SHIFT)
    names = {id(p): name for name, p in objective.named_parameters()}
    learn, part, meet = ({names[id(p)] for p in step.params} for step in objective.steps())
    assert learn == set(names.values()) == part | meet
    assert part == {name for name in learn if name.startswith(("second.", "network.head."))}
    assert not part & meet


def test_classifiers_that_are_equal_do_not_disagree():
    objective, batch = built(small(MCD), SHIFT)
    objective.second = copy.deepcopy(objective.network.head)
    assert objective.steps()[2].loss(batch, 0.5)["transfer"] == 0


def test_the_third_step_brings_the_classifiers_together():
    """A short step down the gradient of features alone."""
    objective, batch = built(small(MCD, trade_off=1.0), SHIFT)
    step = objective.steps()[2]
    before = step.loss(batch, 0.5)["loss"]
    slopes = torch.autograd.grad(before, list(step.params))
    with torch.no_grad():
        for p, g in zip(step.params, slopes):
            p -= 0.1 * g
    assert step.loss(batch, 0.5)["loss"] < before
