"""Gradients: a loss that is not finite stops here, before any step; several losses give a Jacobian."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ...core.errors import TrainingError

__all__ = ["assign", "check_finite", "jacobian_of"]


def check_finite(what: str, losses: Mapping[str, Tensor], update: int, n_updates: int) -> None:
    """Refuse a loss, or the norm of a gradient, that is infinite or no number.

    Raises
    ------
    TrainingError
        Naming the step, its parts and the update.
    """
    if torch.isfinite(losses["loss"]).all():
        return
    parts = ", ".join(f"{name} {float(value.detach().mean()):g}" for name, value in losses.items())
    raise TrainingError(
        f"{what} must be finite. Got {parts} at update {update} of {n_updates}; the weights are those before it."
        " Take a smaller lr, or clip."
    )


def jacobian_of(losses: Tensor, params: Sequence[nn.Parameter]) -> Tensor:
    """Rows of gradients, one a loss, of shape (n_losses, n_parameters)."""
    rows = []
    for k, loss in enumerate(losses):
        grads = torch.autograd.grad(loss, params, retain_graph=k < len(losses) - 1, allow_unused=True)
        rows.append(torch.cat([(torch.zeros_like(p) if g is None else g).reshape(-1) for p, g in zip(params, grads)]))
    return torch.stack(rows)


def assign(params: Sequence[nn.Parameter], direction: Tensor) -> None:
    """Make a direction of shape (n_parameters,) the gradient."""
    for p, part in zip(params, direction.split([p.numel() for p in params])):
        p.grad = torch.empty_like(p).copy_(part.view_as(p))  # laid out in memory as the parameter is
