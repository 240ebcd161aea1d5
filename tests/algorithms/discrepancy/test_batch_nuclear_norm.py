"""BNM: bounds and maximum of the nuclear norm, its gradient, and what it makes of predictions."""

import numpy as np
import pytest
import torch

import adaptation_checks
import shifts
from transferkit import BatchNuclearNorm, DeepSourceOnly, Domain
from transferkit.algorithms.discrepancy.batch_nuclear_norm import _nuclear
from transferkit.engine.adaptation.alignment import Joint
from transferkit.engine.training.objective import Stream

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
SHIFT = shifts.offset(0)


def fitted(cls=BatchNuclearNorm, **params):
    given = {"training": adaptation_checks.training(n_epochs=15), **params}
    return cls(**adaptation_checks.settings(given)).fit(SHIFT.X, SHIFT.y, target=Domain(SHIFT.Xt))


def term(outputs_t):
    rows = Stream(None, None, torch.arange(2))
    outputs = torch.cat([torch.randn(2, outputs_t.shape[1]), outputs_t])
    return _nuclear(Joint(outputs, outputs, rows, rows), 0.5)["loss"]


def test_it_lies_between_the_frobenius_norm_and_its_largest_multiple():
    torch.manual_seed(0)
    for _ in range(10):
        outputs = torch.randn(7, 4) * 3
        frobenius = outputs.softmax(dim=1).norm() / 7
        assert frobenius <= -term(outputs) + 1e-6
        assert -term(outputs) <= 2 * frobenius + 1e-6  # sqrt(min(7, 4))


def test_the_best_is_sure_rows_in_equal_shares():
    """sqrt(B C), over B; sure rows of one class reach sqrt(B) only, unsure rows sqrt(B / C)."""
    sure = 100 * torch.eye(3).repeat(4, 1)
    one, unsure = 100 * torch.eye(3)[:1].repeat(12, 1), torch.zeros(12, 3)
    found = [-term(v).item() * 12 for v in (sure, one, unsure)]
    assert found == pytest.approx([np.sqrt(36), np.sqrt(12), np.sqrt(4)], rel=1e-5)


def test_the_gradient_is_that_of_the_nuclear_norm():
    """-U V^T / B with regard to the probabilities."""
    torch.manual_seed(0)
    outputs = torch.randn(6, 3, requires_grad=True)
    p = outputs.softmax(dim=1)
    u, _, vh = torch.linalg.svd(p.detach(), full_matrices=False)
    expected = torch.autograd.grad(p, outputs, -(u @ vh) / 6)[0]
    torch.testing.assert_close(torch.autograd.grad(term(outputs), outputs)[0], expected)


def test_a_collapsed_batch_has_a_finite_gradient():
    outputs = torch.zeros(6, 3, requires_grad=True)
    term(outputs).backward()
    assert torch.isfinite(outputs.grad).all()


def test_predictions_become_sure_and_stay_diverse():
    plain, ours = (fitted(trade_off=t).facts_["scores"] for t in (0.0, 1.0))
    assert ours["target/entropy"] < plain["target/entropy"]
    assert ours["target/diversity"] > 0.9 * np.log(2)


def test_an_offset_domain_is_recognised():
    assert fitted().score(SHIFT.Xt, SHIFT.yt) > fitted(DeepSourceOnly).score(SHIFT.Xt, SHIFT.yt) + 0.1
