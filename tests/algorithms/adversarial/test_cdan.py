"""CDAN: the critic's input is the product with detached probabilities, its weights those of eq. 8, and classes are aligned."""

import pytest
import torch

import adaptation_checks
import shifts
from transferkit import CDAN, Domain
from transferkit.algorithms.adversarial.cdan import _ConditionalCritic
from transferkit.engine.adaptation.alignment import Joint
from transferkit.engine.training.objective import Stream
from transferkit.ops.nn.discriminator import Discriminator, domain_loss
from transferkit.ops.nn.grad_reverse import reversal_weight
from transferkit.ops.nn.multilinear import MultilinearMap


def parts(entropy, n=5, d=3, k=4):
    torch.manual_seed(0)
    term = _ConditionalCritic(MultilinearMap(d, k), Discriminator(d * k, 6, batch_norm=False), entropy, 10.0)
    z, outputs = torch.randn(2 * n, d, requires_grad=True), torch.randn(2 * n, k, requires_grad=True)
    rows = Stream(None, None, torch.arange(n))
    return term, z, outputs, Joint(z, outputs, rows, rows)


@pytest.mark.parametrize("entropy", [False, True])
def test_it_is_the_papers_loss(entropy):
    term, z, outputs, joint = parts(entropy)
    p = outputs.detach().softmax(dim=1)
    h = torch.stack([torch.outer(a, b).flatten() for a, b in zip(z, p)])
    w = 1 + torch.exp((p * p.log()).sum(dim=1))  # 1 + exp(-H)
    expected = domain_loss(term.critic(h), 5, w if entropy else None)
    found = term(joint, 0.2)["loss"]
    torch.testing.assert_close(found, expected)
    slope = torch.autograd.grad(expected, z)[0]
    found.backward()
    torch.testing.assert_close(z.grad, -reversal_weight(0.2) * slope)
    assert outputs.grad is None, "no gradient flows through the probabilities"


def test_sure_rows_weigh_up_to_twice_as_much_as_rows_that_know_nothing():
    """exp(-H) is 1 for certainty and 1/K for none."""
    k = 4
    sure, unsure = torch.eye(k)[:1], torch.full((1, k), 1 / k)
    w = [1 + torch.exp(-torch.special.entr(p).sum()).item() for p in (sure, unsure)]
    assert w == pytest.approx([2, 1 + 1 / k])


@pytest.mark.parametrize("n_random", [None, 64])
def test_a_moved_domain_is_recognised_with_either_map(n_random):
    shift = shifts.moved(0)
    given = {"training": adaptation_checks.training(n_epochs=15), "hidden": 16, "n_random": n_random}
    model = CDAN(**adaptation_checks.settings(given)).fit(shift.X, shift.y, target=Domain(shift.Xt))
    assert model.score(shift.Xt, shift.yt) > 0.8
