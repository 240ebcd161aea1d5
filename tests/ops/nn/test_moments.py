"""The covariance distance: closed form, invariances and the gradient of the paper."""

import numpy as np
import pytest
import torch

from transferkit.ops.nn.moments import coral_loss


def test_it_is_the_distance_of_numpys_covariances():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(12, 3)), rng.normal(size=(9, 3)) * 2
    expected = ((np.cov(a.T) - np.cov(b.T)) ** 2).sum() / (4 * 3**2)
    assert coral_loss(torch.tensor(a), torch.tensor(b)).item() == pytest.approx(expected, rel=1e-5)


def test_means_and_signs_do_not_matter():
    a = torch.randn(10, 4)
    assert coral_loss(a, a + 3).item() == pytest.approx(0, abs=1e-10)
    assert coral_loss(a, -a).item() == pytest.approx(0, abs=1e-10)


def test_the_gradient_is_that_of_equation_4():
    """dL/dD_s = ((D_s^T - (1^T D_s)^T 1^T / n)^T (C_s - C_t)) / (d^2 (n - 1))."""
    torch.manual_seed(0)
    a, b = torch.randn(8, 3, requires_grad=True), torch.randn(8, 3)
    coral_loss(a, b).backward()
    with torch.no_grad():
        expected = (a - a.mean(dim=0)) @ (torch.cov(a.T) - torch.cov(b.T)) / (3**2 * 7)
    torch.testing.assert_close(a.grad, expected)


def test_autocast_leaves_covariances_in_single_precision():
    a, b = (torch.randn(2, 20, 5, generator=torch.Generator().manual_seed(0)) * 10).requires_grad_()
    expected = coral_loss(a, b)
    with torch.autocast("cpu", torch.bfloat16):
        found = coral_loss(a, b)
        assert (a.T @ a).dtype == torch.bfloat16, "autocast is on"
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
