"""DANN: one step of the estimator's objective is one step of the paper's min-max game."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import adaptation_checks
import shifts
from transferkit import DANN, Domain
from transferkit.engine.training.loop import Loop
from transferkit.ops.nn.grad_reverse import reversal_weight

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
SHIFT = shifts.moved(0)


def model(**params):
    given = {"training": adaptation_checks.training(n_epochs=2, clip=None), "hidden": 16}
    return DANN(**adaptation_checks.settings({**given, **params}))


def captured(monkeypatch, **params):
    """The objective and a batch of a real fit, before its third update."""
    found = {}
    update = Loop.update

    def watch(loop, batch):
        if loop.done == 2:
            found.update(loop=loop, batch=batch)
        return {} if found else update(loop, batch)

    def stop(event, state):
        if found:
            raise InterruptedError

    monkeypatch.setattr(Loop, "update", watch)
    est = model(**params)
    est.training.callbacks = [stop]
    with pytest.raises(InterruptedError):
        est.fit(SHIFT.X, SHIFT.y, target=Domain(SHIFT.Xt))
    return found["loop"].objective, found["batch"]


@pytest.mark.parametrize("trade_off", [1.0, 0.4])
def test_a_step_descends_for_the_critic_and_climbs_for_the_features(monkeypatch, trade_off):
    """Eqs. 13-15, with the gradients of both losses taken one by one."""
    objective, batch = captured(monkeypatch, trade_off=trade_off)
    network, critic = objective.network.train(), objective.term.critic.train()
    progress, n = 0.3, len(batch["source"].x)
    params = dict(objective.named_parameters())
    ours = torch.autograd.grad(objective.steps()[0].loss(batch, progress)["loss"], list(params.values()))

    z = network.features(torch.cat([batch["source"].x, batch["target"].x]))
    l_y = functional.cross_entropy(network.head(z)[:n], batch["source"].y)
    sides = torch.cat([torch.ones(n), torch.zeros(n)])
    l_d = functional.binary_cross_entropy_with_logits(critic(z), sides)
    weight = reversal_weight(progress)
    for (name, p), own in zip(params.items(), ours):
        d_y, d_d = (torch.autograd.grad(v, p, retain_graph=True, allow_unused=True)[0] for v in (l_y, l_d))
        d_y, d_d = (torch.zeros_like(p) if d is None else d for d in (d_y, d_d))
        expected = trade_off * d_d if name.startswith("term.") else d_y - trade_off * weight * d_d
        torch.testing.assert_close(own, expected, rtol=1e-3, atol=1e-6, msg=name)


def test_without_weight_the_target_moves_batch_statistics_only():
    """At trade_off 0 the features get the source's gradient alone; the critic changes nothing that predicts."""
    X, y = shifts.none(0, 60).X, shifts.none(0, 60).y
    one, two = (model(trade_off=0.0, random_state=1, hidden=h).fit(X, y, target=Domain(X)) for h in (16, 7))
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))


def test_the_reversal_begins_at_zero():
    """In the first update the features get the source's gradient alone (lambda_0 = 0)."""
    runs = [model(trade_off=t, training=adaptation_checks.training(n_epochs=1, batch_size=90)) for t in (0.0, 1.0)]
    found = [m.fit(SHIFT.X, SHIFT.y, target=Domain(SHIFT.Xt)).network_.state_dict() for m in runs]
    for name, value in found[0].items():
        torch.testing.assert_close(value, found[1][name], msg=name)


def test_a_moved_and_stretched_domain_is_recognised():
    """On average over three seeds, against the same network with a critic that nothing listens to."""
    gains = []
    for seed in range(3):
        shift = shifts.moved(seed)
        plain, adapted = (
            model(trade_off=t, training=adaptation_checks.training(n_epochs=15), random_state=seed)
            .fit(shift.X, shift.y, target=Domain(shift.Xt))
            .score(shift.Xt, shift.yt)
            for t in (0.0, 1.0)
        )
        gains.append(adapted - plain)
    assert np.mean(gains) > 0.05
