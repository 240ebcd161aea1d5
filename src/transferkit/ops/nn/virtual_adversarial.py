"""Virtual adversarial training: how far outputs move under the worst small perturbation of a row (Miyato et al., TPAMI 2018)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["statistics_held", "virtual_adversarial"]

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
    for _ in range(n_power):
        probe = (_XI * d).requires_grad_()
        (slope,) = torch.autograd.grad(_divergence(p, forward(x + probe)).sum(), probe)
        d = _unit(slope)
    return _divergence(p, forward(x + radius * d))


@contextmanager
def statistics_held(module: nn.Module) -> Iterator[None]:
    """Batch normalisation in training mode normalises by the batch, as ever, but its moving statistics stay as they are.

    Parameters
    ----------
    module : Module
    """
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    before = [m.track_running_stats for m in norms]
    try:
        for m in norms:
            m.track_running_stats = m.track_running_stats and not m.training
        yield
    finally:
        for m, value in zip(norms, before):
            m.track_running_stats = value


def _unit(d: Tensor) -> Tensor:
    """Every row with length 1; one of zeros stays."""
    return functional.normalize(d.flatten(1), dim=1).view_as(d).detach()


def _divergence(p: Tensor, logits: Tensor) -> Tensor:
    log_q = logits.float().log_softmax(dim=1)
    return -torch.special.entr(p).sum(dim=1) - (p * log_q).sum(dim=1)
