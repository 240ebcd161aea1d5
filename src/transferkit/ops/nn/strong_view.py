"""A strong view of a batch: what consistency methods ask a network to see through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["noisy_view", "strong_view"]

_NOISE, _SWAP, _DROP, _LIGHT, _HIDE = 0.2, 0.2, 0.15, 0.5, 0.5  # at strength 1


def strong_view(x: Any, strength: float = 1.0) -> Any:
    """A batch, disturbed as far as its classes should stand; random numbers are torch's own.

    Parameters
    ----------
    x : tensor of shape (batch, *shape), or mapping of such tensors
        What a network takes.
    strength : float
        0 is the batch as it is.

    Returns
    -------
    as `x`
        Images: brightness and contrast moved, a square of half the side hidden (Cutout, as FixMatch has after
        RandAugment). Series: amplitude, noise, a stretch of time hidden. Vectors: noise of a fifth of each column's
        deviation, a fifth of the numbers taken from another row (SCARF's corruption, Bahri et al., ICLR 2022). Tokens:
        15 % of them hidden from attention, never the first (token cutoff, Shen et al., 2020).
    """
    if isinstance(x, Mapping):
        return _without_tokens(x, strength)
    if x.ndim == 2:
        return _corrupted(x, strength)
    return _hidden(_relit(x, strength), strength)


def noisy_view(x: Any, noise: float) -> Any:
    """A batch with Gaussian noise; mappings (tokens) are left as they are."""
    return x if isinstance(x, Mapping) or noise == 0 else x + noise * torch.randn_like(x)


def _corrupted(x: Tensor, strength: float) -> Tensor:
    noise = _NOISE * strength * x.std(dim=0, correction=0) * torch.randn_like(x)
    donors = x.gather(0, torch.randint(len(x), x.shape, device=x.device))
    swapped = torch.rand_like(x) < _SWAP * strength
    return torch.where(swapped, donors, x + noise)


def _relit(x: Tensor, strength: float) -> Tensor:
    one = (len(x), *[1] * (x.ndim - 1))
    rest = tuple(range(1, x.ndim))
    contrast, shift = (_LIGHT * strength * (2 * torch.rand(one, device=x.device) - 1) for _ in range(2))
    mean, spread = x.mean(dim=rest, keepdim=True), x.std(dim=rest, correction=0, keepdim=True)
    found = mean + (1 + contrast) * (x - mean) + shift * spread
    return found + _NOISE * strength * spread * torch.randn_like(x) if x.ndim == 3 else found


def _hidden(x: Tensor, strength: float) -> Tensor:
    """A box, or a stretch, of each row becomes 0, the mean of what is normalised."""
    share = min(1.0, _HIDE * strength)
    mask = torch.ones((len(x), *[1] * (x.ndim - 1)), dtype=torch.bool, device=x.device)
    for axis in range(2, x.ndim):
        size = x.shape[axis]
        start = torch.rand(len(x), 1, device=x.device) * size * (1 - share)
        at = torch.arange(size, device=x.device)
        inside = (at >= start) & (at < start + share * size)
        mask = mask & inside.reshape(len(x), *[1] * (axis - 1), size, *[1] * (x.ndim - axis - 1))
    return x.masked_fill(mask, 0.0)


def _without_tokens(x: Mapping[str, Tensor], strength: float) -> dict[str, Tensor]:
    if "attention_mask" not in x:
        return dict(x)
    mask = x["attention_mask"]
    dropped = torch.rand(mask.shape, device=mask.device) < _DROP * strength
    dropped[:, 0] = False
    return {**x, "attention_mask": mask.masked_fill(dropped, 0)}
