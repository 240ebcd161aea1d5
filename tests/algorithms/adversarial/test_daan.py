"""DAAN: the loss is the weighted sum of both kinds of critics, and the factor follows what they got right an epoch before."""

import numpy as np
import pytest
import torch

import adaptation_checks
import shifts
from transferkit import DAAN, DeepSourceOnly, Domain
from transferkit.algorithms.adversarial.daan import _Critics, _dynamic_factor
from transferkit.engine.adaptation.alignment import Joint
from transferkit.engine.training.objective import Stream
from transferkit.ops.nn.discriminator import Discriminator, domain_loss
from transferkit.ops.nn.grad_reverse import reversal_weight

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")


def parts(n=6, d=3, k=2, n_epochs=4):
    torch.manual_seed(0)
    term = _Critics([Discriminator(d, 5, batch_norm=False) for _ in range(1 + k)], 10.0, n_epochs)
    rows = Stream(None, None, torch.arange(n))
    z, outputs = torch.randn(2 * n, d, requires_grad=True), torch.randn(2 * n, k, requires_grad=True)
    return term, z, outputs, Joint(z, outputs, rows, rows)


def test_the_loss_is_that_of_both_kinds_of_critics():
    term, z, outputs, joint = parts()
    term.factor.fill_(0.3)
    p = outputs.softmax(dim=1)
    of_all = domain_loss(term.of_all(z), 6)
    of_class = sum(domain_loss(c(z * p[:, [k]]), 6) for k, c in enumerate(term.of_class)) / 2
    expected = 0.7 * of_all + 0.3 * of_class
    found = term(joint, 0.2)["loss"]
    torch.testing.assert_close(found, expected)
    slope = torch.autograd.grad(expected, z, retain_graph=True)[0]
    of_critics = torch.autograd.grad(expected, term.of_all.layers[0].weight)[0]
    found.backward()
    torch.testing.assert_close(z.grad, -reversal_weight(0.2) * slope, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(term.of_all.layers[0].weight.grad, of_critics)


def test_the_factor_is_the_local_share_of_the_distances():
    assert _dynamic_factor(torch.tensor([2.0, 2.0])).item() == pytest.approx(0.5)
    assert _dynamic_factor(torch.tensor([3.0, 1.0])).item() == pytest.approx(0.25)
    assert _dynamic_factor(torch.tensor([-1.0, 1.0])).item() == 1
    assert _dynamic_factor(torch.tensor([-1.0, 0.0])).item() == 0.5


def test_it_is_renewed_with_every_epoch_from_the_one_before():
    term, _, _, joint = parts()
    found = [term(joint, p)["factor"].item() for p in (0.0, 0.1, 0.2)]
    assert found == [0.5] * 3
    term.sums.copy_(torch.tensor([1.0, 3.0]))
    assert term(joint, 0.25)["factor"].item() == pytest.approx(0.75)
    assert term.sums.abs().sum() <= 4, "only this update's"
    before = term.sums.clone()
    term(joint, 0.3)
    torch.testing.assert_close(term.sums, 2 * before)


def test_a_domain_with_an_offset_is_recognised():
    gains = []
    for seed in range(3):
        shift = shifts.offset(seed)
        own = {"random_state": seed, "training": adaptation_checks.training(n_epochs=15)}
        model, plain = (
            DAAN(**adaptation_checks.settings({**own, "hidden": 16})),
            DeepSourceOnly(**adaptation_checks.settings(own)),
        )
        scores = [m.fit(shift.X, shift.y, target=Domain(shift.Xt)).score(shift.Xt, shift.yt) for m in (model, plain)]
        gains.append(scores[0] - scores[1])
    assert np.mean(gains) > 0.05, gains
