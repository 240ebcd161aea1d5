"""Batch normalisation for few-shot tasks: the statistics are those of the task at hand, and no running ones are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...core.errors import DomainError, ParamError

__all__ = ["TaskNorm", "statistics_of", "task_norm"]


class TaskNorm(nn.Module):
    """Batch normalisation by the first rows of a batch.

    It keeps no state, so that `torch.func.vmap` can run it for many tasks at once, each with weights of its own.

    Parameters
    ----------
    width : int
        Channels.
    eps : float
        Added to the variance.

    Attributes
    ----------
    first : int or None
        How many rows at the beginning of a batch its statistics are taken from; None is all.

    Notes
    -----
    With all rows this is batch normalisation in training mode, as MAML's code uses it in training and in testing alike. With
    the support's rows put first, the statistics are the support's, and no query depends on another.

    Examples
    --------
    >>> import torch
    >>> from transferkit.ops.nn.task_norm import TaskNorm
    >>> norm = TaskNorm(1, eps=0.0)
    >>> norm.first = 2
    >>> norm(torch.tensor([[0.0], [2.0], [5.0]])).detach().ravel()
    tensor([-1.,  1.,  4.])
    """

    first: int | None

    def __init__(self, width: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.eps, self.first = eps, None

    def forward(self, x: Tensor) -> Tensor:
        """Rows of shape (batch, width, ...), normalised.

        Raises
        ------
        DomainError
            If one value a channel is all there is: it would be a spread of zero.
        """
        axes = [0, *range(2, x.ndim)]
        told = x if self.first is None else x[: self.first]
        if told.numel() == told.shape[1]:
            raise DomainError(
                "TaskNorm.forward: x must have two values a channel to take statistics of, so a task two rows of vectors"
                f" (or batch_norm='frozen'). Got shape {tuple(told.shape)}."
            )
        variance, mean = torch.var_mean(told, axes, correction=0, keepdim=True)
        shape = [1, -1, *[1] * (x.ndim - 2)]
        scale = self.weight.view(shape) * torch.rsqrt(variance + self.eps)
        return x * scale + (self.bias.view(shape) - mean * scale)


@contextmanager
def statistics_of(norms: Sequence[TaskNorm], first: int | None) -> Iterator[None]:
    """Within, the first rows of every batch give the statistics."""
    before = [norm.first for norm in norms]
    for norm in norms:
        norm.first = first
    try:
        yield
    finally:
        for norm, value in zip(norms, before):
            norm.first = value


def task_norm(module: nn.Module) -> list[nn.Parameter]:
    """Put a `TaskNorm` in the place of every batch normalisation, with its scale and shift.

    Parameters
    ----------
    module : Module
        Changed in place.

    Returns
    -------
    list of Parameter
        The scales and shifts.

    Raises
    ------
    ParamError
        If a batch normalisation does something besides, as timm's with an activation built in.

    Examples
    --------
    >>> from torch import nn
    >>> from transferkit.ops.nn.edits import apply_edit
    >>> apply_edit(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), {"edit": "task_norm"})
    ['1.weight', '1.bias']
    """
    new: list[nn.Parameter] = []
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if not isinstance(child, nn.modules.batchnorm._BatchNorm):
                continue
            if type(child) not in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
                raise ParamError(
                    "apply_edit: task_norm must find plain batch normalisation. Got"
                    f" {type(child).__name__} at {name}, which does more: keep its own statistics (batch_norm='frozen')."
                )
            norm = TaskNorm(child.num_features, child.eps)
            if child.affine:
                norm.weight, norm.bias = child.weight, child.bias
            setattr(parent, name, norm)
            new += [norm.weight, norm.bias]
    return new
