"""WDGRL: the gradient penalty in closed form, and a critic that finds the Wasserstein distance of a translation."""

import math

import pytest
import torch
from torch import nn

import shifts
from objectives import assert_gradients, built, gradients, small
from transferkit import WDGRL
from transferkit.algorithms.adversarial.wdgrl import _slope_penalty
from transferkit.ops.nn.discriminator import Discriminator

SHIFT = shifts.moved(0, 40)


class Plane(nn.Module):
    """A critic whose slope is the same everywhere."""

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w))

    def forward(self, z):
        return z @ self.w


@pytest.mark.parametrize("w", [[3.0, 4.0], [0.6, 0.8], [0.0, 0.1]])
def test_the_penalty_of_a_plane_is_its_slope_minus_one_squared(w):
    critic = Plane(w)
    penalty = _slope_penalty(critic, torch.randn(6, 2), torch.randn(6, 2))
    length = math.hypot(*w)
    assert penalty.item() == pytest.approx((length - 1) ** 2, abs=1e-6)
    (slope,) = torch.autograd.grad(penalty, critic.w)
    torch.testing.assert_close(slope, 2 * (length - 1) * torch.tensor(w) / length)


def test_the_critic_finds_the_length_of_a_translation():
    """The distance W of a cloud and its translate is the way between; the penalty lets slopes be 1 + W / (2 gamma)."""
    torch.manual_seed(0)
    z = torch.randn(32, 2)
    critic = Discriminator(2, 32, batch_norm=False)
    optimizer = torch.optim.Adam(critic.parameters(), lr=0.01)
    for _ in range(150):
        loss = 10 * _slope_penalty(critic, z + torch.tensor([3.0, 4.0]), z)
        loss = loss - critic(z + torch.tensor([3.0, 4.0])).mean() + critic(z).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        found = (critic(z + torch.tensor([3.0, 4.0])).mean() - critic(z).mean()).item()
    assert found == pytest.approx(5 * (1 + 5 / 20), rel=0.05)


def test_each_step_has_its_loss_and_its_part():
    objective, batch = built(small(WDGRL, trade_off=0.3, n_steps=7), SHIFT)
    critic, train = objective.steps()
    assert (critic.repeat, train.repeat) == (7, 1)
    assert {id(p) for p in critic.params} == {id(p) for p in objective.critic.parameters()}
    assert {id(p) for p in train.params} == {id(p) for p in objective.network.parameters()}
    parts = critic.loss(batch, 0.1)
    torch.testing.assert_close(parts["loss"], 10 * parts["penalty"] - parts["distance"])
    assert not gradients(parts["loss"], objective.network.named_parameters()), (
        "the critic's step reaches the critic alone"
    )

    z = objective.network.features(torch.cat([batch["source"].x, batch["target"].x]))
    n = len(batch["source"])
    distance = objective.critic(z[:n]).mean() - objective.critic(z[n:]).mean()
    expected = nn.functional.cross_entropy(objective.network.head(z[:n]), batch["source"].y) + 0.3 * distance
    everything = list(objective.network.named_parameters())
    assert_gradients(gradients(train.loss(batch, 0.1)["loss"], everything), gradients(expected, everything))
