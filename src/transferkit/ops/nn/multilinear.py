"""Products of features and class probabilities (Long et al., NeurIPS 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["MultilinearMap"]

_LARGEST, _RANDOM = 4096, 1024  # the paper's


class MultilinearMap(nn.Module):
    """Outer products of the rows of two tensors, or their random form, whose inner products agree on average.

    Parameters
    ----------
    n_f, n_g : int
        Widths of both.
    n_random : int or None
        Dimensions of the random form; None is the full product up to 4096 dimensions, and 1024 random ones above.

    Attributes
    ----------
    n_features : int
        Width of the product.
    """

    R_f: Tensor
    R_g: Tensor

    def __init__(self, n_f: int, n_g: int, n_random: int | None = None) -> None:
        super().__init__()
        if n_random is None and n_f * n_g > _LARGEST:
            n_random = _RANDOM
        self.is_random = n_random is not None
        self.n_features = n_f * n_g if n_random is None else n_random
        if n_random is not None:
            self.register_buffer("R_f", torch.randn(n_f, n_random))
            self.register_buffer("R_g", torch.randn(n_g, n_random))

    def forward(self, f: Tensor, g: Tensor) -> Tensor:
        """Products of shape (batch, n_features)."""
        if self.is_random:
            return (f @ self.R_f.to(f.dtype)) * (g @ self.R_g.to(g.dtype)) / self.n_features**0.5
        return (f[:, :, None] * g[:, None, :]).flatten(1)
