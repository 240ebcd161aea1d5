"""Aligned-MTL: the gradients made orthogonal and equally long, as near to themselves as may be (Senushkin et al., CVPR 2023)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from .balancer import GradientBalancer

__all__ = ["AlignedMTL"]


class AlignedMTL(GradientBalancer):
    """``d = mean of the rows of sigma_min U V^T`` for the gradients' ``U Sigma V^T`` (eqs. 10 to 12, equal preferences).

    Notes
    -----
    The length is that of the smallest singular value that is not zero to rounding. The authors' code takes the sum for the
    mean. On the shared representation it is the paper's Aligned-MTL-UB.
    """

    on_representation: ClassVar[bool] = True

    def direction(self, jacobian: Tensor) -> Tensor:
        """The mean of the aligned gradients."""
        m = len(jacobian)
        values, vectors = torch.linalg.eigh((jacobian @ jacobian.T).double().cpu())
        kept = values > values.max().clamp_min(0) * m * torch.finfo(torch.float32).eps
        if not kept.any():
            return jacobian.mean(dim=0)
        values, vectors = values[kept], vectors[:, kept]
        balance = values.min().sqrt() * (vectors / values.sqrt()) @ vectors.T
        return balance.mean(dim=0).to(jacobian) @ jacobian
