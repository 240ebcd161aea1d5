"""StochNorm: batch normalisation that chooses by chance, channel by channel, between batch and moving statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.constraints import Interval
from .structure import check_option, find

__all__ = ["StochNorm", "StochNorm1d", "StochNorm2d", "restore", "stoch_norm"]


class StochNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation with two branches in training; plain batch normalisation in evaluation.

    Use `StochNorm1d` or `StochNorm2d`, or convert a network with the edit "stoch_norm".

    Parameters
    ----------
    num_features, eps, momentum, affine
        As in torch's batch normalisation.
    p : float in [0, 1], default=0.5
        Probability with which a channel is normalised by the statistics of its batch; otherwise by the moving statistics
        as they were before the batch. 1 is batch normalisation, 0 normalises by the moving statistics alone.

    Notes
    -----
    In training, ``z = (1 - s) * z_moving + s * z_batch`` with one ``s`` from Bernoulli(p) for each channel and batch (Kou et
    al., eq. 6). Both branches share scale and shift, the moving statistics are updated by every batch as usual. Without
    moving statistics (``track_running_stats=False``) there is nothing to choose from: such layers are never converted.

    References
    ----------
    Kou et al. Stochastic Normalization. NeurIPS 2020.
    https://proceedings.neurips.cc/paper/2020/hash/bc573864331a9e42e4511de6f678aa83-Abstract.html

    Examples
    --------
    >>> import torch
    >>> from transferkit.ops.nn.stoch_norm import StochNorm1d
    >>> StochNorm1d(3, p=0.5)(torch.randn(8, 3)).shape
    torch.Size([8, 3])
    """

    p: float = 0.5
    order: int = -1
    edit: Mapping[str, Any] = {}
    was: type[nn.Module] | None = None

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True, p: float = 0.5
    ) -> None:
        super().__init__(num_features, eps, momentum, affine)
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Normalised input of shape (batch, channels[, ...])."""
        self._check_input_dim(x)
        output = self._choose(x) if self.training else self._moving(x, self.running_mean, self.running_var)
        # timm's normalisations have their activation built in.
        for name in ("drop", "act"):
            if name in self._modules:
                output = self._modules[name](output)
        return output

    def _moving(self, x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        return functional.batch_norm(x, mean, var, self.weight, self.bias, False, 0.0, self.eps)

    def _choose(self, x: Tensor) -> Tensor:
        moving = self._moving(x, self.running_mean.clone(), self.running_var.clone())
        self.num_batches_tracked.add_(1)
        rate = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        batch = functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, True, rate, self.eps
        )
        chosen = torch.rand(self.num_features, device=x.device) < self.p
        return torch.where(chosen.view(1, -1, *([1] * (x.dim() - 2))), batch, moving)

    def extra_repr(self) -> str:
        """The options, as printed."""
        return f"{super().extra_repr()}, p={self.p}"


class StochNorm1d(StochNorm):
    """StochNorm for inputs of shape (batch, channels) or (batch, channels, length)."""

    _check_input_dim = nn.BatchNorm1d._check_input_dim


class StochNorm2d(StochNorm):
    """StochNorm for inputs of shape (batch, channels, height, width)."""

    _check_input_dim = nn.BatchNorm2d._check_input_dim


def _able(layer: nn.Module) -> bool:
    plain = isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)) and layer.track_running_stats
    # Subclasses with a forward of their own may do anything; timm's is known: batch normalisation, dropout, activation.
    known = type(layer).forward is nn.modules.batchnorm._BatchNorm.forward or type(layer).__name__ == "BatchNormAct2d"
    return plain and known


def stoch_norm(module: nn.Module, *, p: float = 0.5, layers: str | Sequence[str] | None = None) -> list[nn.Parameter]:
    """Turn batch normalisations into `StochNorm`, with the same parameters, statistics and names.

    Parameters
    ----------
    module : Module
        Changed in place.
    p : float in [0, 1], default=0.5
        Probability of batch statistics, as in `StochNorm`.
    layers : str or list of str, optional
        Patterns of layer names; None is every ``BatchNorm1d`` and ``BatchNorm2d`` with moving statistics.

    Returns
    -------
    list of Parameter
        Empty: nothing new. What trains is left as it is.

    Raises
    ------
    ParamError
        If `p` is out of its range, or there is no such layer.

    Notes
    -----
    A layer that is not in training mode is plain batch normalisation: a plan that freezes batch normalisation switches
    StochNorm off.

    References
    ----------
    Kou et al. Stochastic Normalization. NeurIPS 2020.
    """
    check_option("stoch_norm", "p", p, Interval(float, 0, 1))
    kind = "batch normalisations with moving statistics"
    for _, layer in find(module, layers or "*", _able, where="apply_edit: stoch_norm", kind=kind):
        # The same object with another forward: hooks, parameters, buffers and what others hold of it stay.
        was = type(layer)
        layer.__class__ = StochNorm1d if isinstance(layer, nn.BatchNorm1d) else StochNorm2d
        layer.p, layer.was = float(p), was
    return []


def restore(layer: nn.Module) -> None:
    """Turn a converted layer back into the batch normalisation that it was, as trained.

    One that was made as `StochNorm` in the first place becomes torch's own.
    """
    plain = nn.BatchNorm1d if isinstance(layer, StochNorm1d) else nn.BatchNorm2d
    layer.__class__ = layer.was or plain
    for name in ("p", "was", "order", "edit"):
        layer.__dict__.pop(name, None)
