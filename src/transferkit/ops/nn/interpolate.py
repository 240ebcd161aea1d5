"""Points on the line between two sets of weights (WiSE-FT)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ...core.constraints import Interval
from ...core.errors import ParamError

__all__ = ["interpolate"]


def interpolate(first: Mapping[str, Tensor], second: Mapping[str, Tensor], weight: float) -> dict[str, Tensor]:
    """``(1 - weight) * first + weight * second`` of two state dicts.

    Parameters
    ----------
    first, second : mapping of str to Tensor
        State dicts of the same structure: before and after fine-tuning. Neither is changed, nothing in the result shares
        memory with them.
    weight : float in [0, 1]
        0 gives `first`, 1 gives `second`, exactly.

    Returns
    -------
    dict of str to Tensor
        In the order of `second`, each tensor with the dtype and device that it has there.

    Raises
    ------
    ParamError
        If the weight is out of its range, or the state dicts differ in names or shapes (the first difference is named).

    Notes
    -----
    ``theta = (1 - alpha) * theta_0 + alpha * theta_1`` (Wortsman et al., eq. 1). Half precision is added up in float32.
    Moving means and variances of batch normalisation are numbers like the others and lie between those of the two; they
    are not the statistics of the network in between, and one pass over training data in training mode renews them where it
    matters. Whole numbers and truth values (counters, index tables) cannot lie in between: they come from `second`.

    References
    ----------
    Wortsman et al. Robust Fine-Tuning of Zero-Shot Models. CVPR 2022. https://arxiv.org/abs/2109.01903

    Examples
    --------
    >>> import torch
    >>> from transferkit.ops.nn.interpolate import interpolate
    >>> interpolate({"w": torch.zeros(2)}, {"w": torch.ones(2)}, 0.25)
    {'w': tensor([0.2500, 0.2500])}
    """
    rule = Interval(float, 0, 1)
    if not rule.holds(weight):
        raise ParamError(f"interpolate: weight must {rule.text}. Got {weight!r}.")
    for name in [*second, *first]:
        if name not in first or name not in second:
            here = "second" if name in second else "first"
            raise ParamError(f"interpolate: first and second must have the same names. Got {name!r} in {here} only.")
        if first[name].shape != second[name].shape:
            shapes = f"{tuple(first[name].shape)} and {tuple(second[name].shape)}"
            raise ParamError(f"interpolate: first and second must have the same shapes. Got {shapes} at {name!r}.")
    return {name: _between(first[name].detach(), b.detach(), weight) for name, b in second.items()}


def _between(a: Tensor, b: Tensor, weight: float) -> Tensor:
    if not (b.is_floating_point() or b.is_complex()) or weight == 1:
        return b.clone()
    if weight == 0:
        return a.to(b.device, b.dtype, copy=True)
    wide = torch.promote_types(b.dtype, torch.float32)
    return torch.lerp(a.to(b.device, wide), b.to(wide), weight).to(b.dtype)
