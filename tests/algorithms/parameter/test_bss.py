import numpy as np
import pytest
import torch

from source_networks import conv_source, epochs, images, mlp_source, rows, same_network
from transferkit import BSS, FineTuning
from transferkit.algorithms.parameter.bss import _smallest_squares


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (6, 6)])
@pytest.mark.parametrize("k", [1, 3])
def test_penalty_and_gradient_are_those_of_the_singular_values(shape, k):
    F = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    ours = _smallest_squares(F, k)
    exact = torch.linalg.svdvals(F)[-k:].square().sum()
    assert ours.item() == pytest.approx(exact.item(), rel=1e-6)
    np.testing.assert_allclose(
        torch.autograd.grad(ours, F)[0].numpy(), torch.autograd.grad(exact, F)[0].numpy(), rtol=1e-5, atol=1e-8
    )


def test_all_singular_values_together_are_the_norm():
    F = torch.randn(4, 7, generator=torch.Generator().manual_seed(0))
    assert _smallest_squares(F, 99).item() == pytest.approx(F.square().sum().item(), rel=1e-6)


def test_the_gradient_is_finite_where_singular_values_coincide():
    """There the gradient of a full singular value decomposition is not."""
    F = torch.eye(5).requires_grad_()
    (gradient,) = torch.autograd.grad(_smallest_squares(F, 2), F)
    assert torch.isfinite(gradient).all()
    assert gradient.square().sum().item() == pytest.approx(8.0, rel=1e-5)  # 2 F V V', V of two orthonormal columns


def test_without_penalty_it_is_fine_tuning():
    X, y = rows()
    plain = FineTuning(mlp_source(), training=epochs()).fit(X, y)
    assert same_network(BSS(mlp_source(), reg=0, training=epochs()).fit(X, y), plain)


def test_it_shrinks_the_smallest_singular_values():
    X, y = rows()
    smallest = [
        np.linalg.svd(BSS(mlp_source(), reg=reg, k=4, training=epochs(15)).fit(X, y).transform(X)[:16])[1][-4:]
        for reg in (0.0, 10.0)
    ]
    assert np.square(smallest[1]).sum() < 0.25 * np.square(smallest[0]).sum()


def test_it_learns_images():
    X, y = images()
    model = BSS(conv_source(), training=epochs(8)).fit(X, y)
    assert model.score(X, y) > 0.9
    assert "train/spectrum" in model.history_[0]
