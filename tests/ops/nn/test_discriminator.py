"""The critic's loss: each domain counts half, whatever its number of rows and the weights within it."""

import math

import pytest
import torch

from transferkit.ops.nn.discriminator import Discriminator, domain_accuracy, domain_loss


def test_a_critic_that_knows_nothing_loses_log_two():
    assert domain_loss(torch.zeros(7), 2).item() == pytest.approx(math.log(2))
    assert domain_loss(torch.zeros(7), 2, torch.rand(7)).item() == pytest.approx(math.log(2))


def test_each_domain_counts_half():
    logits = torch.tensor([2.0, -1.0, -1.0, -1.0])
    expected = (math.log1p(math.exp(-2)) + math.log1p(math.exp(-1))) / 2
    assert domain_loss(logits, 1).item() == pytest.approx(expected)
    assert domain_accuracy(logits, 1).item() == 1
    assert domain_accuracy(-logits, 1).item() == 0


def test_weights_are_relative_within_a_domain():
    logits, w = torch.randn(6), torch.rand(6)
    scaled = torch.cat([3 * w[:2], 5 * w[2:]])
    torch.testing.assert_close(domain_loss(logits, 2, w), domain_loss(logits, 2, scaled))
    torch.testing.assert_close(domain_loss(logits, 2, torch.ones(6)), domain_loss(logits, 2))


def test_a_critic_gives_a_logit_a_row():
    assert Discriminator(3, 5)(torch.randn(4, 3)).shape == (4,)
    plain = Discriminator(3, 5, batch_norm=False)
    assert not any("BatchNorm" in type(m).__name__ for m in plain.modules())
