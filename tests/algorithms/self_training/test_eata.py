"""EATA: which rows count and how much, the anchor by hand, and Tent as its limit."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from self_training_toys import batch_of, toy
from source_worlds import world
from transferkit import EATA, Tent
from transferkit.ops.nn.normalisation import affine_parameters


def ready(state, **params):
    fit = toy()
    est = EATA("source", **params)
    est.state_, est.source_network_ = state, fit.network.copy()
    return fit, est, est._objective(fit).train()


def test_the_loss_by_hand():
    mean = torch.tensor([0.7, 0.2, 0.1])
    state = {"mean": mean.clone()}
    fit, _, objective = ready(state, sure=0.95, unlike=0.9)
    found = objective.steps()[0].loss(batch_of(fit), 0.0)
    p = fit.network(fit.Xt).softmax(1)
    entropy, limit = -(p * p.log()).sum(1), 0.95 * np.log(3)
    used = (entropy < limit) & (functional.cosine_similarity(p, mean[None]) < 0.9)
    assert 0 < used.sum() < (entropy < limit).sum()
    weight = torch.exp(limit - entropy.detach())
    torch.testing.assert_close(found["loss"], (weight * entropy)[used].mean())
    torch.testing.assert_close(state["mean"], 0.9 * mean + 0.1 * p[used].mean(0).detach())
    gradient = torch.autograd.grad(found["loss"], fit.network.head.out.bias)[0]
    expected = torch.autograd.grad((weight * entropy)[used].mean(), fit.network.head.out.bias)[0]
    torch.testing.assert_close(gradient, expected)


def test_the_first_batch_has_nothing_to_be_unlike():
    state = {}
    fit, _, objective = ready(state, sure=1.0, unlike=0.0)
    assert objective.steps()[0].loss(batch_of(fit), 0.0)["used"] == 1
    assert "mean" in state
    assert objective.steps()[0].loss(batch_of(fit), 0.0)["used"] == 0, "no cosine of probabilities is below 0"


def test_the_anchor_by_hand():
    rng = np.random.default_rng(0)
    own = rng.normal(size=(24, 5)).astype(np.float32)
    fit, est, _ = ready({}, in_distribution=own, anchor=3.0, batch_size=12)
    est._set_off()
    before, network = fit.network.state_dict(), est.source_network_.copy().train()
    expected = [torch.zeros_like(p) for p in affine_parameters(network)]
    for half in np.split(own, 2):
        outputs = network(torch.tensor(half))
        gradients = torch.autograd.grad(
            functional.cross_entropy(outputs, outputs.argmax(1)), affine_parameters(network)
        )
        for total, g in zip(expected, gradients):
            total += g**2 / 2
    for own_weight, e in zip(est.state_["matters"], expected):
        torch.testing.assert_close(own_weight, e)
    assert all(torch.equal(v, fit.network.state_dict()[k]) for k, v in before.items())
    with torch.no_grad():
        for p in affine_parameters(fit.network):
            p.add_(0.1)
    held = est._objective(fit).steps()[0].loss(batch_of(fit), 0.0)["anchor"]
    assert held.item() == pytest.approx(3.0 * 0.01 * sum(e.sum().item() for e in expected), rel=1e-4)


def test_an_anchor_holds_the_source():
    """The distance from the source that ten steps bring is smaller, the heavier the anchor."""
    found = []
    for anchor in (0.0, 1e4):
        shift, source = world()
        given = {"lr": 0.005, "n_steps": 10, "sure": 1.0, "batch_size": 90, "anchor": anchor, "roll_back": 0.0}
        model = EATA(source, in_distribution=shift.X, **given).fit(shift.Xt)
        pairs = zip(affine_parameters(model.network_), affine_parameters(source.network_))
        weights = model.state_["matters"]
        found.append(sum((w * (a - b).square()).sum().item() for (a, b), w in zip(pairs, weights)))
    assert found[1] < 0.2 * found[0]


def test_only_scales_and_shifts_move():
    shift, source = world()
    model = EATA(source, lr=0.05).fit(shift.Xt)
    affine = {id(p) for p in affine_parameters(model.network_)}
    for name, p in model.network_.named_parameters():
        assert torch.equal(p, source.network_.get_parameter(name)) == (id(p) not in affine), name


def test_rows_as_sure_as_each_other_give_tents_direction():
    """With one weight for all rows it is Tent's gradient, times exp(E_0 - E)."""
    fit, _, objective = ready({}, sure=1.0)
    batch = batch_of(fit)
    batch["target"] = type(batch["target"])(fit.Xt[:1].repeat(4, 1), None, batch["target"].rows[:4])
    fit.network.eval()  # equal rows have no statistics of their own
    own, tent = (o.steps()[0].loss(batch, 0.0)["loss"] for o in (objective, Tent("source")._objective(fit)))
    fit.network.eval()
    assert own.item() == pytest.approx(tent.item() * np.exp(np.log(3) - tent.item()), rel=1e-4)
