"""AdaMatch: the ramp, distribution alignment, relative threshold and logit interpolation of the paper."""

import math

import pytest
import torch
from torch.nn import functional

from self_training_toys import batch_of, toy
from transferkit import AdaMatch
from transferkit.algorithms.self_training import ada_match
from transferkit.algorithms.self_training.ada_match import _ramp, _rectified

TWICE = ("source", "target")


def test_the_ramp_is_that_of_the_paper():
    for t, expected in ((0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (0.9, 1.0)):
        assert _ramp(t) == pytest.approx(expected)
    assert _ramp(0.1) == pytest.approx(0.5 - math.cos(0.2 * math.pi) / 2)


def test_alignment_gives_equal_domains_back_and_moves_shares():
    p = torch.randn(30, 3).softmax(1)
    torch.testing.assert_close(_rectified(p, p), p)
    found = _rectified(torch.full((10, 2), 0.5), torch.tensor([[0.8, 0.2]]).expand(10, 2))
    torch.testing.assert_close(found, torch.tensor([[0.8, 0.2]]).expand(10, 2))


def test_the_loss_by_hand(monkeypatch):
    """With interpolation held at 1/4 of the source's own batch."""
    monkeypatch.setattr(ada_match, "strong_view", lambda x, strength: x * (1 + strength))
    monkeypatch.setattr(torch, "rand_like", lambda x: torch.full_like(x, 0.75))
    fit = toy()
    objective = AdaMatch(threshold=0.95, strength=0.5, trade_off=0.7)._objective(fit).train()
    found = objective.steps()[0].loss(batch_of(fit, twice=TWICE), 0.25)
    n = len(fit.X)
    joint = fit.network(torch.cat([fit.X, 1.5 * fit.X, fit.Xt, 1.5 * fit.Xt]))
    alone = fit.network(torch.cat([fit.X, 1.5 * fit.X]))
    mixed = 0.75 * joint[: 2 * n] + 0.25 * alone
    p_s, p_t = mixed[:n].softmax(1), joint[2 * n : 3 * n].softmax(1)
    q = p_t * p_s.mean(0) / p_t.mean(0)
    q = (q / q.sum(1, keepdim=True)).detach()
    used = q.amax(1) >= 0.95 * p_s.amax(1).mean()
    assert 0 < used.sum() < n
    task = functional.cross_entropy(mixed, torch.cat([fit.y, fit.y]))
    each = functional.cross_entropy(joint[3 * n :], q, reduction="none")
    expected = task + 0.7 * 0.5 * each[used].sum() / n
    torch.testing.assert_close(found["loss"], expected, rtol=1e-4, atol=1e-5)


def test_the_sources_own_pass_leaves_no_statistics():
    fit = toy()
    objective = AdaMatch(strength=0.0)._objective(fit).train()
    objective.steps()[0].loss(batch_of(fit, twice=TWICE), 0.0)
    hidden = fit.network.body[0](torch.cat([fit.X, fit.X, fit.Xt, fit.Xt])).mean(dim=0)
    torch.testing.assert_close(fit.network.body[1].running_mean, 0.1 * hidden)
