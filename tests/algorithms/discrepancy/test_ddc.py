"""DDC: the distance of means, which is an MMD with a linear kernel, in the adaptation layer."""

import numpy as np
import pytest
import torch

import adaptation_checks
import shifts
from transferkit import DDC, DeepSourceOnly, Domain
from transferkit.engine.adaptation.alignment import Joint
from transferkit.engine.training.objective import Stream
from transferkit.ops.nn.mmd import mmd_of_kernel

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
SHIFT = shifts.offset(0)


def fitted(cls=DDC, **params):
    given = {"training": adaptation_checks.training(n_epochs=15), **params}
    return cls(**adaptation_checks.settings(given)).fit(SHIFT.X, SHIFT.y, target=Domain(SHIFT.Xt))


def test_the_term_is_the_mmd_of_the_linear_kernel():
    torch.manual_seed(0)
    z = torch.randn(12, 3, requires_grad=True)
    rows = Stream(None, None, torch.arange(7))
    loss = DDC()._term(None)(Joint(z, z, rows, rows), 0.5)["loss"]
    torch.testing.assert_close(loss, mmd_of_kernel(z @ z.T, 7))
    gap = z[:7].mean(dim=0) - z[7:].mean(dim=0)
    torch.testing.assert_close(loss, gap @ gap)
    loss.backward()
    expected = torch.cat([(2 * gap / 7).expand(7, -1), (-2 * gap / 5).expand(5, -1)])
    torch.testing.assert_close(z.grad, expected.detach(), msg="all rows of a domain move as one")


def test_the_means_come_together():
    def distance(model):
        return np.sum((model.transform(SHIFT.X).mean(axis=0) - model.transform(SHIFT.Xt).mean(axis=0)) ** 2)

    assert distance(fitted()) < 0.2 * distance(fitted(trade_off=0.0))


def test_an_offset_domain_is_recognised():
    assert fitted().score(SHIFT.Xt, SHIFT.yt) > fitted(DeepSourceOnly).score(SHIFT.Xt, SHIFT.yt) + 0.1
