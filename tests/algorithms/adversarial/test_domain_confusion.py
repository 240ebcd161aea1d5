"""Domain confusion: critic and network descend on their own losses; soft labels follow the source's classes."""

import math

import pytest
import torch
from torch.nn import functional

import shifts
from objectives import assert_gradients, built, gradients, small
from transferkit import DomainConfusion
from transferkit.algorithms.adversarial.domain_confusion import _confusion
from transferkit.ops.nn.discriminator import domain_loss

SHIFT = shifts.moved(0, 60)


def test_a_critic_that_guesses_is_the_least_confusion():
    """Cross-entropy with a uniform label is at least log 2, and symmetric: a critic that errs for sure is no better."""
    assert _confusion(torch.zeros(7), 3).item() == pytest.approx(math.log(2))
    for logit in (-2.0, 0.5, 3.0):
        p = 1 / (1 + math.exp(-logit))
        found = _confusion(torch.full((7,), logit), 3).item()
        assert (
            found
            == pytest.approx(-(math.log(p) + math.log(1 - p)) / 2)
            == pytest.approx(_confusion(torch.full((7,), -logit), 3).item())
        )
        assert found > math.log(2)


def test_the_critic_and_the_network_descend_on_their_own_loss():
    objective, batch = built(small(DomainConfusion, trade_off=0.4), SHIFT)
    loss = objective.steps()[0].loss(batch, 0.2)["loss"]
    n = len(batch["source"])
    z = objective.network.features(torch.cat([batch["source"].x, batch["target"].x]))
    told = objective.critic(z)
    task = functional.cross_entropy(objective.network.head(z[:n]), batch["source"].y)
    expected = gradients(domain_loss(told, n), objective.critic.named_parameters("critic"))
    expected |= gradients(task + 0.4 * _confusion(told, n), objective.network.named_parameters("network"))
    assert_gradients(gradients(loss, objective.named_parameters()), expected)


def test_soft_labels_follow_the_mean_softened_output_of_a_class():
    objective, batch = built(small(DomainConfusion, temperature=3.0), SHIFT, shots=2)
    joint_outputs = objective.network(torch.cat([batch["source"].x, batch["target"].x]))[:60].detach()
    parts = objective.steps()[0].loss(batch, 0.2)
    y = batch["source"].y
    for c in range(3):
        mean = (joint_outputs[y == c] / 3).softmax(dim=1).mean(dim=0)
        torch.testing.assert_close(objective.soft[c], 0.9 / 3 + 0.1 * mean)
    known = batch["known"]
    log_p = (objective.network(known.x) / 3).log_softmax(dim=1)
    torch.testing.assert_close(parts["soft"], -(objective.soft[known.y] * log_p).sum(dim=1).mean())


def test_known_labels_help_where_two_classes_have_changed_places():
    shift = shifts.concept(0)
    plain, told = (
        small(DomainConfusion).fit(shift.X, shift.y, target=shift.target(k)).score(shift.Xt, shift.yt) for k in (0, 10)
    )
    assert told > plain + 0.1
