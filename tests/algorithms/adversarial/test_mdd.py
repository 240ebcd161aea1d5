"""MDD: the paper's loss, its reversal, and the margin at which the auxiliary classifier comes to rest."""

import math

import pytest
import torch
from torch.nn import functional

from transferkit.algorithms.adversarial.mdd import _Disparity, _log_of_others
from transferkit.engine.adaptation.alignment import Joint
from transferkit.engine.training.objective import Stream
from transferkit.ops.nn.grad_reverse import reversal_weight
from transferkit.ops.nn.heads import Head


def rows(n):
    return Stream(None, None, torch.arange(n))


def test_it_is_the_papers_loss_and_features_climb_on_it():
    torch.manual_seed(0)
    term = _Disparity(Head(3, 4), margin=3.0, reversal=0.2, sharpness=10.0)
    z, outputs = torch.randn(12, 3, requires_grad=True), torch.randn(12, 4, requires_grad=True)
    named = outputs.argmax(dim=1)
    log_p = functional.log_softmax(term.second(z), dim=1)
    s = log_p[range(12), named]
    expected = 3.0 * -s[:5].mean() - torch.log1p(-s[5:].exp()).mean()
    found = term(Joint(z, outputs, rows(5), rows(7)), 0.3)["loss"]
    torch.testing.assert_close(found, expected)
    slope, slope_second = torch.autograd.grad(expected, [z, term.second.out.weight])
    found.backward()
    torch.testing.assert_close(z.grad, -0.2 * reversal_weight(0.3) * slope)
    torch.testing.assert_close(term.second.out.weight.grad, slope_second)
    assert outputs.grad is None, "no gradient flows through what the first classifier names"


@pytest.mark.parametrize(("gamma", "p"), [(2.0, 0.5), (4.0, 0.5), (4.0, 0.8), (3.0, 0.1)])
def test_at_the_optimum_the_odds_are_gamma_times_the_ratio_of_densities(gamma, p):
    """s = gamma p / (gamma p + q) at a point of densities p and q: with p = q a margin of log gamma."""
    n, at_a = 20, round(20 * p)  # points a and b are the two axes; the target has them the other way round
    z = torch.eye(2)[[0] * at_a + [1] * (n - at_a) + [0] * (n - at_a) + [1] * at_a]
    term = _Disparity(Head(2, 2), gamma, 1.0, 10.0)
    margins = [math.log(gamma * p / (1 - p)), math.log(gamma * (1 - p) / p)]
    with torch.no_grad():  # class 0 is named everywhere; its logit at each point is the margin
        term.second.out.bias.zero_()
        term.second.out.weight.copy_(torch.tensor([margins, [0.0, 0.0]]))
    outputs = torch.tensor([[1.0, 0.0]]).repeat(2 * n, 1)
    term(Joint(z, outputs, rows(n), rows(n)), 0.5)["loss"].backward()
    torch.testing.assert_close(term.second.out.weight.grad, torch.zeros(2, 2), rtol=0, atol=1e-6)


def test_the_log_of_the_others_is_stable():
    logits = torch.tensor([[60.0, 0.0, 0.0], [0.5, -1.0, 2.0]])
    named = torch.tensor([0, 2])
    expected = torch.tensor([math.log(2) - 60, math.log1p(-torch.softmax(logits[1], 0)[2].item())])
    torch.testing.assert_close(_log_of_others(logits, named), expected)
