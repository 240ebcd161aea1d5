"""MeanTeacher: the loss by hand, what each network sees, and the teacher that predicts."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import adaptation_checks
import shifts
from self_training_toys import batch_of, toy
from transferkit import Domain, MeanTeacher

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")


def test_the_loss_by_hand():
    """Squared difference on sure rows, class balance times their share, domains in batches of their own."""
    fit = toy()
    objective = MeanTeacher(threshold=0.4, balance=0.3, noise=0.0, trade_off=2.0)._objective(fit).train()
    with torch.no_grad():
        for p in objective.teacher.network.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    objective.teacher._seen = 0.5  # it has followed this update already
    found = objective.steps()[0].loss(batch_of(fit, twice=("target",)), 0.5)
    p, q = fit.network(fit.Xt).softmax(1), objective.teacher.network(fit.Xt).softmax(1)
    used = (q.amax(1) > 0.4).float()
    assert 0 < used.mean() < 1
    agree = (((p - q) ** 2).sum(1) / 3 * used).mean()
    mean = p.mean(0)
    balance = functional.binary_cross_entropy(mean, torch.full((3,), 1 / 3), reduction="sum")
    task = functional.cross_entropy(fit.network(fit.X), fit.y)
    expected = task + 2 * (agree + 0.3 * used.mean() * balance)
    torch.testing.assert_close(found["loss"], expected, rtol=1e-4, atol=1e-5)


def test_the_gradient_is_the_students():
    fit = toy()
    objective = MeanTeacher(threshold=0.0, noise=0.0)._objective(fit).train()
    objective.steps()[0].loss(batch_of(fit, twice=("target",)), 0.0)["loss"].backward()
    assert all(p.grad is None for p in objective.teacher.parameters())
    assert {id(p) for p in objective.steps()[0].params} == {id(p) for p in fit.network.parameters()}


def test_the_teachers_statistics_are_those_of_the_target():
    fit = toy()
    objective = MeanTeacher(noise=0.0)._objective(fit).train()
    for k in range(60):
        objective.steps()[0].loss(batch_of(fit, twice=("target",)), k / 60)
    hidden = fit.network.body[0](fit.Xt).mean(dim=0)
    torch.testing.assert_close(objective.teacher.network.body[1].running_mean, hidden, atol=0.02, rtol=0.02)


def test_the_teacher_predicts():
    shift, seen = shifts.moved(0), {}

    def keep(event, state):
        seen.update(objective=state["objective"])

    training = adaptation_checks.training(n_epochs=6, callbacks=[keep])
    model = MeanTeacher(**adaptation_checks.settings({"training": training}))
    model.fit(shift.X, shift.y, target=Domain(shift.Xt))
    teacher = seen["objective"].teacher.network.eval()
    with torch.inference_mode():
        expected = teacher(torch.tensor(shift.Xt).float()).numpy()
    np.testing.assert_allclose(model.decision_function(shift.Xt), expected, atol=1e-5)
