"""Styles of feature maps: the statistics of each channel, and mixing them between rows (Zhou et al., ICLR 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["mix_styles", "partners"]

_EPS = 1e-6  # the authors'


def partners(sizes: Sequence[int]) -> Tensor:
    """For every row of consecutive domains of these sizes, a row of another domain, drawn by torch's own generator.

    Returns
    -------
    int64 tensor of shape (sum of sizes,)
        Of one domain alone, a permutation of its rows.
    """
    n = sum(sizes)
    if len(sizes) == 1:
        return torch.randperm(n)
    own = torch.repeat_interleave(torch.tensor(sizes), torch.tensor(sizes))
    start = torch.repeat_interleave(torch.tensor([0, *sizes[:-1]]).cumsum(0), torch.tensor(sizes))
    drawn = (torch.rand(n, dtype=torch.float64) * (n - own)).long()
    return torch.where(drawn < start, drawn, drawn + own)  # the row's own domain is passed over


def mix_styles(x: Tensor, share: Tensor, partner: Tensor, sizes: Sequence[int], axis: int = 1) -> Tensor:
    """Give every row a mean and a deviation of each channel that lie between its own and those of another row.

    Parameters
    ----------
    x : tensor of shape (n_rows, ...)
        Feature maps of consecutive domains.
    share : tensor of shape (n_rows,)
        Of its own statistics that a row keeps.
    partner : int64 tensor of shape (n_rows,)
        Whose statistics it gets beside.
    sizes : sequence of int
        Rows of each domain.
    axis : int
        That of the channels.

    Returns
    -------
    tensor of the shape of `x`
        Statistics are taken over all axes but the first and that of the channels; where there are none, over the rows of
        the domain. They are constants in the gradient.
    """
    rest, seen = [k for k in range(1, x.ndim) if k != axis], x.detach().float()
    if rest:  # in two passes, which are several times faster than `torch.std_mean` over these axes
        mean = seen.mean(dim=rest, keepdim=True)
        variance = (seen - mean).square().mean(dim=rest, keepdim=True)
    else:
        parts = [torch.var_mean(part, dim=0, correction=0) for part in torch.split(seen, list(sizes))]
        variance, mean = (torch.cat([p[k].expand(n, -1) for p, n in zip(parts, sizes)]) for k in (0, 1))
    spread = (variance + _EPS).sqrt()
    lam, partner = share.to(x.device).reshape(-1, *[1] * (x.ndim - 1)), partner.to(x.device)
    scale = (lam * spread + (1 - lam) * spread[partner]) / spread
    shift = lam * mean + (1 - lam) * mean[partner] - scale * mean
    return torch.addcmul(shift, x.float(), scale).to(x.dtype)  # one pass over the map, not one for each operation
