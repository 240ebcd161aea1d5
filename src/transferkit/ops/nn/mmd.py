"""Maximum mean discrepancy between two batches, differentiable (Gretton et al., JMLR 2012; Long et al., ICML 2015)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["SCALES", "gaussian_kernels", "mk_mmd", "mmd_of_kernel"]

SCALES = (0.125, 0.25, 0.5, 1.0, 2.0)


def gaussian_kernels(z: Tensor, scales: Sequence[float] = SCALES) -> Tensor:
    """Mean of Gaussian kernels ``exp(-|z_i - z_j|^2 / (2 * scale * m))``, m the mean squared distance.

    Parameters
    ----------
    z : tensor of shape (n_rows, n_features)
    scales : sequence of float

    Returns
    -------
    tensor of shape (n_rows, n_rows)
        The bandwidth is a constant in the gradient.
    """
    z = z.float()
    with torch.autocast(z.device.type, enabled=False):  # differences of products want single precision
        squares = z.square().sum(dim=1)
        distance = (squares[:, None] + squares[None] - 2 * z @ z.T).clamp(min=0)
    m = distance.detach().mean().clamp(min=1e-12)
    return torch.stack([torch.exp(-distance / (2 * scale * m)) for scale in scales]).mean(dim=0)


def mmd_of_kernel(kernel: Tensor, n: int, *, unbiased: bool = False) -> Tensor:
    """Squared maximum mean discrepancy of a joint kernel matrix.

    Parameters
    ----------
    kernel : tensor of shape (n_rows, n_rows)
        Of the rows of both samples.
    n : int
        How many of them are the first sample's.
    unbiased : bool
        Whether a row is not paired with itself; else equal samples give exactly 0, and none gives less.

    Returns
    -------
    tensor of shape ()
    """

    def within(k: Tensor) -> Tensor:
        return (k.sum() - k.trace()) / (len(k) * (len(k) - 1)) if unbiased else k.mean()

    return within(kernel[:n, :n]) + within(kernel[n:, n:]) - 2 * kernel[:n, n:].mean()


def mk_mmd(a: Tensor, b: Tensor, scales: Sequence[float] = SCALES, *, unbiased: bool = False) -> Tensor:
    """Multi-kernel MMD of two batches, squared; parameters as above."""
    return mmd_of_kernel(gaussian_kernels(torch.cat([a, b]), scales), len(a), unbiased=unbiased)
