"""Tent: only scales and shifts move, by the gradient of the entropy; batches are normalised by their own statistics."""

import numpy as np
import pytest
import torch
from torch import nn

from self_training_toys import batch_of, toy
from source_worlds import world
from transferkit import ParamError, Tent
from transferkit.engine.backbones import load_backbone
from transferkit.ops.nn.normalisation import affine_parameters


def test_only_scales_and_shifts_move():
    shift, source = world()
    model = Tent(source, lr=0.01, n_steps=3).fit(shift.Xt)
    affine = {id(p) for p in affine_parameters(model.network_)}
    for name, p in model.network_.named_parameters():
        assert torch.equal(p, source.network_.get_parameter(name)) == (id(p) not in affine), name
    assert len(affine) == 4


def test_a_step_is_the_gradient_of_the_mean_entropy():
    """SGD without momentum's history: the first step is the rate times the gradient (Nesterov: 1.9 times)."""
    shift, source = world()
    X = torch.tensor(shift.Xt[:30]).float()
    network = source.network_.train()
    p = network(X).softmax(1)
    loss = -(p * p.log()).sum(1).mean()
    expected = torch.autograd.grad(loss, affine_parameters(network))
    before = [v.detach().clone() for v in affine_parameters(network)]
    model = Tent(world()[1], lr=0.01, optimizer="sgd", batch_size=30).fit(shift.Xt[:30])
    assert model.history_[0]["train/loss"] == pytest.approx(loss.item(), rel=1e-4)
    for old, new, gradient in zip(before, affine_parameters(model.network_), expected):
        torch.testing.assert_close(old - new, 0.019 * gradient, rtol=1e-3, atol=1e-7)


def test_the_objective_is_the_entropy_alone():
    fit = toy()
    objective = Tent("source")._objective(fit).train()
    found = objective.steps()[0].loss(batch_of(fit), 0.0)
    p = fit.network(fit.Xt).softmax(1)
    torch.testing.assert_close(found["loss"], -(p * p.log()).sum(1).mean())


def test_it_predicts_with_the_statistics_of_the_last_batch():
    shift, source = world()
    model = Tent(source, lr=1e-12, batch_size=45).fit(shift.Xt)
    hidden = source.network_.body[0][0](torch.tensor(shift.Xt[45:]).float())
    torch.testing.assert_close(model.network_.body[0][1].running_mean, hidden.mean(dim=0))
    one = model.predict_proba(shift.Xt[:1])
    np.testing.assert_allclose(one, model.predict_proba(shift.Xt)[:1], atol=1e-6)
    half = Tent(source, lr=1e-12, batch_size=90, batch_share=0.5).fit(shift.Xt)
    hidden = source.network_.body[0][0](torch.tensor(shift.Xt).float()).mean(dim=0)
    old = source.network_.body[0][1].running_mean
    torch.testing.assert_close(half.network_.body[0][1].running_mean, (hidden + old) / 2, rtol=1e-4, atol=1e-5)


def test_the_optimizers_state_goes_on():
    """Two batches of Adam are not two first steps."""
    shift, source = world()
    model = Tent(source, lr=0.01, batch_size=30).fit(shift.Xt[:60])
    states = model.state_["optimizer"]["state"].values()
    assert {float(s["step"]) for s in states} == {2.0}


def test_a_source_without_normalisation_is_refused():
    net = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))
    source = load_backbone(net, sample=np.zeros(6, np.float32), head="2")
    with pytest.raises(ParamError, match=r"Tent\.fit: source must have normalisation layers"):
        Tent(source).fit(np.zeros((4, 6)))
