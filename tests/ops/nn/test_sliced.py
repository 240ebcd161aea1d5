"""The sliced Wasserstein distance: closed forms in one dimension and for a shift, invariances, gradient."""

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance

from transferkit.ops.nn.sliced import sliced_wasserstein


def test_in_one_dimension_it_is_the_wasserstein_distance():
    rng = np.random.default_rng(0)
    a, b = torch.tensor(rng.normal(size=(9, 1))), torch.tensor(rng.normal(size=(9, 1)) * 2 + 1)
    found = sliced_wasserstein(a, b).item()
    order = (a.sort(0).values - b.sort(0).values).squeeze()
    assert found == pytest.approx(order.square().mean().item(), rel=1e-5)
    assert wasserstein_distance(a[:, 0], b[:, 0]) == pytest.approx(
        order.abs().mean().item()
    )  # the same order is cheapest


def test_a_shift_by_v_costs_its_squared_length_over_the_dimensions():
    """E <r, v>^2 = |v|^2 / d for a direction r that is uniform on the sphere."""
    torch.manual_seed(0)
    a, v = torch.randn(40, 5), torch.tensor([3.0, 0, 4.0, 0, 0])
    assert sliced_wasserstein(a, a + v, 4000).item() == pytest.approx(25 / 5, rel=0.05)


def test_it_is_zero_for_the_same_rows_in_any_order():
    a = torch.randn(11, 4)
    assert sliced_wasserstein(a, a[torch.randperm(11)]).item() == pytest.approx(0, abs=1e-12)


def test_gradient_moves_rows_onto_their_partners():
    a, b = torch.tensor([[0.0], [5.0]], requires_grad=True), torch.tensor([[6.0], [1.0]])
    sliced_wasserstein(a, b).backward()
    torch.testing.assert_close(a.grad, torch.tensor([[-1.0], [-1.0]]))  # 2 (a - b) / n with pairs (0, 1) and (5, 6)
