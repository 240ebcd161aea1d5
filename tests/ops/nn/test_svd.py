"""The decomposition is torch's, with its gradient where that is finite, and a finite one elsewhere."""

import pytest
import torch

from transferkit.ops.nn.svd import stable_svd


def loss(u, s, v, like):
    """Something that changes with all three parts, but not with the signs of pairs of vectors."""
    torch.manual_seed(1)
    w, x, y = torch.randn_like(like(u)), torch.randn_like(like(v)), torch.randn_like(s)
    return (like(u).abs() * w).sum() + (like(v).square() * x).sum() + (s * y).sum() + ((u * s) @ v.T).pow(3).sum()


@pytest.mark.parametrize("shape", [(5, 5), (4, 7), (7, 4)])
def test_values_and_gradient_are_torchs(shape):
    torch.manual_seed(0)
    a = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    own = torch.autograd.grad(loss(*stable_svd(a), lambda t: t), a)[0]
    u, s, vh = torch.linalg.svd(a, full_matrices=False)
    torch.testing.assert_close(own, torch.autograd.grad(loss(u, s, vh.T, lambda t: t), a)[0])
    u, s, v = stable_svd(a)
    torch.testing.assert_close((u * s) @ v.T, a)


def test_a_projection_onto_a_truncated_basis_has_the_gradient_of_finite_differences():
    torch.manual_seed(0)
    w = torch.randn(6, 6, dtype=torch.float64)

    def projected(a):
        v = stable_svd(a)[2][:, :2]
        return (v @ v.T * w).sum()

    assert torch.autograd.gradcheck(projected, torch.randn(4, 6, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize(
    "a", [torch.zeros(3, 4), torch.eye(4), torch.ones(5, 3), torch.diag(torch.tensor([2.0, 2, 1]))]
)
def test_the_gradient_is_finite_where_torchs_is_not(a):
    a = a.requires_grad_(True)
    u, s, v = stable_svd(a)
    (u.sum() + s.sum() + v.abs().sum()).backward()
    assert torch.isfinite(a.grad).all()


def test_directions_without_extent_are_left_out():
    a = torch.randn(6, 2) @ torch.randn(2, 9)
    u, s, v = stable_svd(a)
    assert [t.shape for t in (u, s, v)] == [(6, 2), (2,), (9, 2)]
    torch.testing.assert_close((u * s) @ v.T, a, rtol=1e-4, atol=1e-4)
