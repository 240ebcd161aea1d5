"""BSP: the largest singular values and their gradient; without the penalty it is DANN."""

import numpy as np
import pytest
import torch

import adaptation_checks
import shifts
from transferkit import BSP, DANN, DeepSourceOnly, Domain
from transferkit.algorithms.adversarial.bsp import _largest

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
SHIFT = shifts.offset(0)


def fitted(cls=BSP, **params):
    given = {"training": adaptation_checks.training(n_epochs=15), "hidden": 16, **params}
    return cls(**adaptation_checks.settings(given)).fit(SHIFT.X, SHIFT.y, target=Domain(SHIFT.Xt))


def test_one_value_is_the_spectral_norm_and_all_are_the_frobenius_norm():
    torch.manual_seed(0)
    z = torch.randn(7, 4)
    torch.testing.assert_close(_largest(z, 1), torch.linalg.matrix_norm(z, 2).square())
    torch.testing.assert_close(_largest(z, 9), z.square().sum())
    assert _largest(z, 1) < _largest(z, 2) < _largest(z, 4)


def test_the_gradient_lies_in_the_first_direction_only():
    """2 s_1 u_1 v_1^T: what the other directions hold is left alone."""
    torch.manual_seed(0)
    z = torch.randn(7, 4, requires_grad=True)
    _largest(z, 1).backward()
    u, s, vh = torch.linalg.svd(z.detach(), full_matrices=False)
    torch.testing.assert_close(z.grad, 2 * s[0] * torch.outer(u[:, 0], vh[0]))


@pytest.mark.parametrize("trade_off", [1.0, 0.4])
def test_without_the_penalty_it_is_dann(trade_off):
    short = adaptation_checks.training(n_epochs=3)
    one, two = (
        fitted(cls, trade_off=trade_off, training=short, **own) for cls, own in ((BSP, {"penalty": 0.0}), (DANN, {}))
    )
    np.testing.assert_allclose(one.predict_proba(SHIFT.Xt), two.predict_proba(SHIFT.Xt), atol=1e-5)


def test_the_loss_is_the_sum_of_the_three():
    one_batch = adaptation_checks.training(n_epochs=1, batch_size=90, lr=1e-12)
    row = fitted(training=one_batch, penalty=0.01, trade_off=0.0).history_[0]
    assert row["train/transfer"] == pytest.approx(0.01 * row["train/spectral"], rel=1e-5)
    assert row["train/loss"] == pytest.approx(row["train/task"] + row["train/transfer"], rel=1e-5)


def test_the_largest_values_shrink():
    found = [fitted(penalty=p).history_[-1]["train/spectral"] for p in (0.0, 0.01)]
    assert found[1] < 0.8 * found[0]


def test_an_offset_domain_is_recognised():
    plain = DeepSourceOnly(**adaptation_checks.settings({"training": adaptation_checks.training(n_epochs=15)}))
    plain.fit(SHIFT.X, SHIFT.y, target=Domain(SHIFT.Xt))
    assert fitted().score(SHIFT.Xt, SHIFT.yt) > plain.score(SHIFT.Xt, SHIFT.yt) + 0.1
