"""DSAN: an MMD within each class; with one class the plain one."""

import pytest
import torch
from torch.nn import functional

import adaptation_checks
import shifts
from transferkit import DSAN, DeepSourceOnly, Domain
from transferkit.algorithms.discrepancy.dsan import _lmmd
from transferkit.engine.adaptation.alignment import Joint
from transferkit.engine.training.objective import Stream
from transferkit.ops.nn.grad_reverse import reversal_weight
from transferkit.ops.nn.mmd import gaussian_kernels, mk_mmd

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
SHIFT = shifts.offset(0)


def test_one_class_is_the_plain_discrepancy():
    torch.manual_seed(0)
    z = torch.randn(11, 3)
    loss, share = _lmmd(gaussian_kernels(z), torch.ones(5, 1), torch.ones(6, 1))
    torch.testing.assert_close(loss, mk_mmd(z[:5], z[5:]))
    assert share == 1


def test_sure_probabilities_give_the_mean_of_the_classes_discrepancies():
    """And a class that one of the domains lacks does not count."""
    torch.manual_seed(0)
    z = torch.randn(12, 3)
    y, yt = torch.tensor([0, 0, 1, 1, 1, 2]), torch.tensor([0, 1, 1, 0, 3, 0])
    kernel = gaussian_kernels(z)
    found, share = _lmmd(kernel, functional.one_hot(y, 4).float(), functional.one_hot(yt, 4).float())
    each = []
    for c in (0, 1):
        s, t = torch.where(y == c)[0], 6 + torch.where(yt == c)[0]
        each.append(kernel[s][:, s].mean() + kernel[t][:, t].mean() - 2 * kernel[s][:, t].mean())
    torch.testing.assert_close(found, torch.stack(each).mean())
    assert share == 2 / 4


def test_it_sees_classes_that_have_changed_places():
    """Both domains have the same rows, so that the plain discrepancy is 0."""
    z = torch.tensor([[-1.0], [1.0], [-1.0], [1.0]])
    classes = torch.eye(2)
    assert mk_mmd(z[:2], z[2:]).item() == pytest.approx(0, abs=1e-6)
    assert _lmmd(gaussian_kernels(z), classes, classes)[0].item() == pytest.approx(0, abs=1e-6)
    assert _lmmd(gaussian_kernels(z), classes, classes.flip(0))[0] > 0.5


def test_the_term_grows_and_has_no_gradient_through_the_probabilities():
    torch.manual_seed(0)
    z, outputs = torch.randn(8, 3, requires_grad=True), torch.randn(8, 2, requires_grad=True)
    source = Stream(None, torch.tensor([0, 1, 0, 1]), torch.arange(4))
    term = DSAN()._term(None)
    losses = {p: term(Joint(z, outputs, source, source), p)["loss"] for p in (0.0, 0.1, 0.9)}
    assert losses[0.0] == 0
    torch.testing.assert_close(losses[0.1] / losses[0.9], torch.tensor(reversal_weight(0.1) / reversal_weight(0.9)))
    losses[0.9].backward()
    assert outputs.grad is None
    assert z.grad.abs().sum() > 0


def test_a_batch_without_a_common_class_adds_nothing():
    z = torch.randn(4, 3, requires_grad=True)
    loss, share = _lmmd(gaussian_kernels(z), torch.tensor([[1.0, 0]] * 2), torch.tensor([[0.1, 0.9]] * 2))
    loss.backward()
    assert loss == share == 0
    assert torch.isfinite(z.grad).all()


def test_an_offset_domain_is_recognised():
    own = {"training": adaptation_checks.training(n_epochs=15)}
    ours, plain = (
        cls(**adaptation_checks.settings(own)).fit(SHIFT.X, SHIFT.y, target=Domain(SHIFT.Xt))
        for cls in (DSAN, DeepSourceOnly)
    )
    assert ours.score(SHIFT.Xt, SHIFT.yt) > plain.score(SHIFT.Xt, SHIFT.yt) + 0.1
