"""HoMM: without a tensor, exactly the distance of the moment tensors; order 1 is DDC's, order 2 Deep CORAL's."""

import numpy as np
import pytest
import torch

import adaptation_checks
import shifts
from transferkit import DeepSourceOnly, Domain, HoMM
from transferkit.algorithms.discrepancy.homm import _moment_distance
from transferkit.ops.nn.moments import coral_loss

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
SHIFT = shifts.offset(0)
TENSORS = {1: "ni->i", 2: "ni,nj->ij", 3: "ni,nj,nk->ijk", 4: "ni,nj,nk,nl->ijkl"}


def fitted(cls=HoMM, **params):
    given = {"training": adaptation_checks.training(n_epochs=15), **params}
    return cls(**adaptation_checks.settings(given)).fit(SHIFT.X, SHIFT.y, target=Domain(SHIFT.Xt))


@pytest.mark.parametrize("order", TENSORS)
def test_it_is_the_mean_squared_difference_of_the_tensors(order):
    torch.manual_seed(0)
    a, b = torch.randn(5, 3, dtype=torch.float64, requires_grad=True), torch.randn(8, 3, dtype=torch.float64)
    tensors = [torch.einsum(TENSORS[order], *[z] * order) / len(z) for z in (a, b)]
    expected = (tensors[0] - tensors[1]).square().mean()
    found = _moment_distance(a, b, order)
    torch.testing.assert_close(found, expected)
    slopes = [torch.autograd.grad(v, a, retain_graph=True)[0] for v in (found, expected)]
    torch.testing.assert_close(*slopes)


def test_the_second_order_of_centred_features_is_deep_corals_distance():
    a, b = (z - z.mean(dim=0) for z in (torch.randn(9, 4), torch.randn(9, 4) * 2))
    torch.testing.assert_close(_moment_distance(a, b, 2), 4 * coral_loss(a, b) * (8 / 9) ** 2)


def test_the_third_order_sees_what_means_and_covariances_do_not():
    a = torch.tensor([[2.0], [-0.5], [-0.5], [-0.5], [-0.5]])  # skewed; its mirror image has the same even moments
    assert [_moment_distance(a, -a, order).item() for order in (1, 2, 4)] == pytest.approx([0, 0, 0], abs=1e-5)
    assert _moment_distance(a, -a, 3).item() == pytest.approx(4 * (7.5 / 5) ** 2, rel=1e-5)


@pytest.mark.parametrize("bottleneck", [8, None])
def test_the_logged_term_is_that_of_the_layer_before_the_relu(bottleneck):
    one_batch = adaptation_checks.training(n_epochs=1, batch_size=90, lr=1e-12)
    model = fitted(training=one_batch, bottleneck=bottleneck, order=3)
    network = model.network_.train()
    with torch.no_grad():
        h = network.body(torch.tensor(np.vstack([SHIFT.X, SHIFT.Xt])).float())
        h = h if bottleneck is None else network.neck.norm(network.neck.linear(h))
        expected = _moment_distance(h[:90].tanh(), h[90:].tanh(), 3).item()
    row = model.history_[0]
    assert row["train/transfer"] == pytest.approx(expected, rel=1e-3)
    assert row["train/loss"] == pytest.approx(row["train/task"] + 10 * expected, rel=1e-3)


def test_an_offset_domain_is_recognised():
    assert fitted().score(SHIFT.Xt, SHIFT.yt) > fitted(DeepSourceOnly).score(SHIFT.Xt, SHIFT.yt) + 0.1
