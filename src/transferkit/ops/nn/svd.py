"""A singular value decomposition whose gradient stays finite where singular values vanish or coincide."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["stable_svd"]

_RANK = 1e-5  # singular values below this share of the largest one are taken for 0
_GAP = 1e-6  # squared ones nearer than this share of the largest square are taken for equal


class _SVD(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        u, s, vh = torch.linalg.svd(a, full_matrices=False)
        rank = max(1, int((s > _RANK * s[0]).sum()))
        u, s, v = u[:, :rank], s[:rank], vh[:rank].T
        ctx.save_for_backward(u, s, v)
        return u, s, v

    @staticmethod
    def backward(ctx: Any, gu: Tensor, gs: Tensor, gv: Tensor) -> Tensor:
        """Townsend, Differentiating the Singular Value Decomposition (2016), with equal values left out of its matrix F."""
        u, s, v = ctx.saved_tensors
        gap = s.square()[None] - s.square()[:, None]
        far = gap.abs() > _GAP * s[0].square()
        f = torch.where(far, 1 / torch.where(far, gap, torch.ones_like(gap)), torch.zeros_like(gap))
        inverse = torch.where(s > 0, 1 / s.clamp(min=torch.finfo(s.dtype).tiny), torch.zeros_like(s))
        of_u, of_v = u.T @ gu, v.T @ gv
        inner = f * (of_u - of_u.T) * s + s[:, None] * (f * (of_v - of_v.T)) + torch.diag(gs)
        outer_u = (gu - u @ of_u) * inverse
        outer_v = (gv - v @ of_v) * inverse
        return u @ inner @ v.T + outer_u @ v.T + u @ outer_v.T


def stable_svd(a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``a = u @ diag(s) @ v.T``, without the directions in which `a` is numerically 0 (one at least is kept).

    Parameters
    ----------
    a : tensor of shape (n, m)
        Finite.

    Returns
    -------
    u : tensor of shape (n, rank)
    s : tensor of shape (rank,)
        From the largest to the smallest.
    v : tensor of shape (m, rank)

    Notes
    -----
    Single vectors of equal singular values are not determined, nor is their gradient: the turning of such vectors
    into each other gets none. What does not depend on them, as a projection onto all of them, is not touched by that.
    """
    found: tuple[Tensor, Tensor, Tensor] = _SVD.apply(a)
    return found
