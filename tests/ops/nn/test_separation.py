"""Codes as distributions, the edges they tell, and what two of them have in common."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn import functional

from transferkit.ops.nn.separation import common_part, divergence, draw, edge_loss


def test_orthogonal_codes_have_nothing_in_common():
    """Each column of one is orthogonal to each of the other, whatever stands within."""
    a = torch.tensor([[3.0, 0.0], [4.0, 0.0], [0.0, 2.0], [0.0, 5.0]])
    b = torch.tensor([[1.0, 2.0], [-1.0, -2.0], [2.0, 0.0], [-7.0, 0.0]])
    assert common_part(a, b).item() == pytest.approx(0.0, abs=1e-10)
    assert common_part(a, a).item() == pytest.approx(2.0, rel=1e-4)  # A^T A is 2 I, of four entries


def test_the_common_part_by_hand_and_its_gradient_with_fixed_lengths():
    torch.manual_seed(0)
    a, b = torch.randn(6, 3, requires_grad=True), torch.randn(6, 2)
    sizes = [np.linalg.norm(v.detach().numpy(), axis=1, keepdims=True) for v in (a, b)]
    u, v = a.detach().numpy() / sizes[0], b.numpy() / sizes[1]
    found = common_part(a, b)
    assert found.item() == pytest.approx(((u.T @ v) ** 2).mean(), rel=1e-4)
    (slope,) = torch.autograd.grad(found, a)
    np.testing.assert_allclose(slope, 2 * (v @ (u.T @ v).T) / 6 / sizes[0], rtol=1e-4)
    assert torch.isfinite(common_part(torch.zeros(6, 3), b))


@pytest.mark.parametrize("density", [0.1, 0.5, 0.9])
def test_the_edge_loss_is_that_of_the_variational_graph_autoencoder(density):
    torch.manual_seed(0)
    log_odds, is_edge = torch.randn(9, 9), torch.rand(9, 9) < density
    edges, pairs = is_edge.sum(), is_edge.numel()
    weighted = functional.binary_cross_entropy_with_logits(
        log_odds, is_edge.float(), pos_weight=(pairs - edges) / edges
    )
    torch.testing.assert_close(edge_loss(log_odds, is_edge), weighted * pairs / (2 * (pairs - edges)))


def test_only_edges_and_no_edge_at_all_stay_finite():
    log_odds = torch.tensor([[0.0, 2.0]])
    expected = functional.softplus(log_odds).mean() / 2
    torch.testing.assert_close(edge_loss(log_odds, torch.zeros(1, 2, dtype=torch.bool)), expected)
    torch.testing.assert_close(edge_loss(-log_odds, torch.ones(1, 2, dtype=torch.bool)), expected)
    assert edge_loss(torch.tensor([[90.0, -90.0]]), torch.tensor([[True, False]])).item() < 1e-30


def test_draws_and_their_divergence_from_the_standard_normal():
    torch.manual_seed(0)
    mean, log_std = torch.randn(2, 3, 4), torch.randn(2, 3, 4) / 2
    expected = kl_divergence(Normal(mean, log_std.exp()), Normal(0.0, 1.0)).sum(dim=(0, 2)).mean()
    torch.testing.assert_close(divergence(mean, log_std), expected)
    assert divergence(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4)) == 0
    drawn = draw(mean.expand(4000, 2, 3, 4), log_std.expand(4000, 2, 3, 4))
    torch.testing.assert_close((drawn.mean(dim=0) - mean) / log_std.exp(), 0 * mean, atol=0.08, rtol=0)
    torch.testing.assert_close(drawn.std(dim=0) / log_std.exp(), 0 * mean + 1, atol=0.05, rtol=0)
