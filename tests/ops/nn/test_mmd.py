"""The discrepancy: zero for equal samples, a metric's sign, and a gradient that agrees with finite differences."""

import numpy as np
import pytest
import torch

from transferkit.ops.evidence.two_sample import mmd2_unbiased
from transferkit.ops.nn.mmd import gaussian_kernels, mk_mmd, mmd_of_kernel


def test_equal_samples_are_at_distance_zero():
    z = torch.randn(9, 4)
    assert mk_mmd(z, z).item() == pytest.approx(0, abs=1e-6)
    assert mk_mmd(z, z[torch.randperm(9)]).item() == pytest.approx(0, abs=1e-6)
    assert mk_mmd(z, z + 1).item() > 0.01


def test_it_is_never_negative_and_symmetric():
    for seed in range(20):
        torch.manual_seed(seed)
        a, b = torch.randn(5, 3), torch.randn(8, 3)
        assert mk_mmd(a, b).item() >= -1e-6
        torch.testing.assert_close(mk_mmd(a, b), mk_mmd(b, a))


def test_the_unbiased_form_is_that_of_the_two_sample_test():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(20, 3)), rng.normal(size=(15, 3)) + 0.5
    ours = mk_mmd(torch.tensor(a), torch.tensor(b), (1.0,), unbiased=True).item()
    z = np.vstack([a, b])
    m = ((z[:, None] - z[None]) ** 2).sum(axis=2).mean()
    assert ours == pytest.approx(mmd2_unbiased(a, b, bandwidth=float(np.sqrt(m))), abs=1e-5)


def test_the_gradient_agrees_with_finite_differences():
    """With the bandwidth held fixed, as it is a constant in the gradient."""
    torch.manual_seed(0)
    a, b = torch.randn(5, 2, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64) + 1
    z = torch.cat([a, b])
    m = torch.cdist(z, z).square().mean()

    def distance(a):
        squares = torch.cdist(
            torch.cat([a, b]), torch.cat([a, b]), compute_mode="donot_use_mm_for_euclid_dist"
        ).square()
        return mmd_of_kernel(torch.stack([torch.exp(-squares / (2 * s * m)) for s in (0.5, 1.0)]).mean(dim=0), 5)

    ours = a.clone().requires_grad_()
    mk_mmd(ours, b, (0.5, 1.0)).backward()
    step = 1e-5
    for i in range(5):
        for j in range(2):
            moved = torch.zeros_like(a)
            moved[i, j] = step
            slope = (distance(a + moved) - distance(a - moved)) / (2 * step)
            assert ours.grad[i, j].item() == pytest.approx(slope.item(), rel=1e-3, abs=1e-5)


def test_kernels_of_one_point_are_one():
    torch.testing.assert_close(gaussian_kernels(torch.ones(4, 3)), torch.ones(4, 4))


def test_autocast_leaves_distances_in_single_precision():
    """Far from the origin, products of rows in half precision would drown what the rows differ by."""
    z = (torch.randn(20, 16, generator=torch.Generator().manual_seed(0)) + 30).requires_grad_()
    expected = gaussian_kernels(z)
    (slope,) = torch.autograd.grad(expected.sum(), z, retain_graph=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = gaussian_kernels(z)
        half = z @ z.T
    assert half.dtype == torch.bfloat16, "autocast is on"
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    torch.testing.assert_close(torch.autograd.grad(found.sum(), z)[0], slope, rtol=0, atol=0)
