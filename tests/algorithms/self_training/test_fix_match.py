"""FixMatch: the loss by hand; sure weak views label strong ones, and give no gradient."""

import pytest
import torch
from torch.nn import functional

from self_training_toys import batch_of, toy
from transferkit import FixMatch
from transferkit.algorithms.self_training import fix_match


def test_the_loss_by_hand(monkeypatch):
    monkeypatch.setattr(fix_match, "strong_view", lambda x, strength: x * (1 + strength))
    fit = toy()
    objective = FixMatch(threshold=0.4, strength=0.5, trade_off=0.7)._objective(fit).train()
    found = objective.steps()[0].loss(batch_of(fit, twice=("target",)), 0.0)
    n = len(fit.X)
    outputs = fit.network(torch.cat([fit.X, fit.Xt, 1.5 * fit.Xt]))
    q = outputs[n : 2 * n].softmax(1)
    used = q.amax(1) >= 0.4
    assert 0 < used.sum() < n
    each = functional.cross_entropy(outputs[2 * n :], q.argmax(1), reduction="none")
    expected = functional.cross_entropy(outputs[:n], fit.y) + 0.7 * each[used].sum() / n
    torch.testing.assert_close(found["loss"], expected, rtol=1e-4, atol=1e-5)
    assert found["used"] == used.float().mean()


def test_without_a_disturbance_it_is_the_pseudo_label(monkeypatch):
    """Strength 0 and one view for both: the gradient at the outputs is p - onehot of the sure rows, from one view alone."""
    fit, seen = toy(), {}
    real = fix_match.pass_together

    def watched(network, *inputs):
        seen["outputs"] = [out for _, out in real(network, *inputs)]
        for out in seen["outputs"]:
            out.retain_grad()
        return [(None, out) for out in seen["outputs"]]

    monkeypatch.setattr(fix_match, "pass_together", watched)
    objective = FixMatch(threshold=0.0, strength=0.0)._objective(fit).train()
    objective.steps()[0].loss(batch_of(fit, twice=("target",)), 0.0)["loss"].backward()
    _, weak, strong = seen["outputs"]
    assert weak.grad is None, "labels are constants"
    p = strong.softmax(1)
    torch.testing.assert_close(strong.grad, (p - functional.one_hot(p.argmax(1), 3)) / len(p), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(weak, strong)


def test_nothing_sure_is_the_source_alone():
    fit = toy()
    objective = FixMatch(threshold=0.999)._objective(fit).train()
    found = objective.steps()[0].loss(batch_of(fit, twice=("target",)), 0.0)
    assert found["used"] == 0
    assert found["loss"].item() == pytest.approx(found["task"].item())
