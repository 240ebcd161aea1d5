"""Virtual adversarial training: how far outputs move with the worst small change of a row (Miyato et al., 2019)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["divergence", "virtual_adversarial"]

_XI = 1e-3  # length of the probe; the paper's 1e-6 is lost in single precision


def virtual_adversarial(
    forward: Callable[[Tensor], Tensor], x: Tensor, logits: Tensor, radius: float, n_power: int = 1
) -> Tensor:
    """Divergence between a row's probabilities and those of the row moved by `radius` in the direction that hurts most.

    Parameters
    ----------
    forward : callable
        Logits of shape (batch, n_classes) of inputs shaped as `x`.
    x : tensor of shape (batch, *shape)
        The rows.
    logits : tensor of shape (batch, n_classes)
        Of `x`; a constant here.
    radius : float
        Euclidean length of the perturbation of a row.
    n_power : int
        Power iterations that look for the direction.

    Returns
    -------
    tensor of shape (batch,)
        ``KL(p(x) || p(x + r))``, of every row.
    """
    p = logits.detach().float().softmax(dim=1)
    d = _unit(torch.randn_like(x))
    half = torch.is_autocast_enabled(x.device.type)
    with torch.autocast(x.device.type, enabled=False):  # half precision would lose the probe
        clean = forward(x).detach().softmax(dim=1) if half else p
        for _ in range(n_power):
            probe = (_XI * d).requires_grad_()
            (slope,) = torch.autograd.grad(divergence(clean, forward(x + probe)).sum(), probe)
            d = _unit(slope)
    return divergence(p, forward(x + radius * d))


def divergence(p: Tensor, logits: Tensor) -> Tensor:
    """Kullback-Leibler divergence ``KL(p || softmax(logits))`` of every row, of shape (batch,)."""
    log_q = logits.float().log_softmax(dim=1)
    p = p.clamp(min=1e-12)  # at 0 the entropy has no slope
    return -torch.special.entr(p).sum(dim=1) - (p * log_q).sum(dim=1)


def _unit(d: Tensor) -> Tensor:
    """Every row with length 1; one of zeros stays."""
    return functional.normalize(d.flatten(1), dim=1).view_as(d).detach()
