"""A sequential body in stages, with one stream of activations a task: cross-stitch units, attention, adapters."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.constraints import Boolean, Interval
from ...core.errors import ParamError
from .structure import check_option

__all__ = ["cross_stitch", "task_adapters", "task_attention"]

_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d)
Streams = tuple[Tensor, ...]


def cross_stitch(module: nn.Module, *, n_tasks: int, same: float = 0.9, units: bool = True) -> list[nn.Parameter]:
    """A copy of the body for each task, with units that mix the copies' activations after every stage.

    Parameters
    ----------
    module : Sequential
        The body; changed in place. It puts out the tasks' features, one block after the other.
    n_tasks : int
        Number of copies.
    same : float in [0, 1], default=0.9
        Weight of a copy's own activation at the start; the others share the rest.
    units : bool, default=True
        Without them the copies are networks of their own.

    Returns
    -------
    list of Parameter
        All of the body's.

    References
    ----------
    Misra, Shrivastava, Gupta & Hebert. Cross-stitch Networks for Multi-task Learning. CVPR 2016, eq. 1.
    """
    check_option("cross_stitch", "n_tasks", n_tasks, Interval(int, 1))
    check_option("cross_stitch", "same", same, Interval(float, 0, 1))
    check_option("cross_stitch", "units", units, Boolean())
    _install(module, "cross_stitch", lambda stage, before: _Stitched(stage, n_tasks, same, units), n_tasks)
    return list(module.parameters())


def task_attention(module: nn.Module, *, n_tasks: int) -> list[nn.Parameter]:
    """A shared body, and for each task soft masks on what its stages put out.

    Parameters
    ----------
    module : Sequential
        The body; changed in place. It puts out the tasks' features, one block after the other.
    n_tasks : int
        Number of tasks.

    Returns
    -------
    list of Parameter
        All of the body's.

    References
    ----------
    Liu, Johns & Davison. End-to-End Multi-Task Learning with Attention. CVPR 2019, section 3.2.
    """
    check_option("task_attention", "n_tasks", n_tasks, Interval(int, 1))
    _install(module, "task_attention", lambda stage, before: _Attended(stage, n_tasks, before), n_tasks)
    return list(module.parameters())


def task_adapters(module: nn.Module, *, n_tasks: int, size: int = 16) -> list[nn.Parameter]:
    """A shared body through which each task's stream goes, with a small residual network of the task's own after every stage.

    Parameters
    ----------
    module : Sequential
        The body; changed in place. It puts out the tasks' features, one block after the other.
    n_tasks : int
        Number of tasks.
    size : int >= 1, default=16
        Width of an adapter.

    Returns
    -------
    list of Parameter
        Those of the adapters.

    References
    ----------
    Rebuffi, Bilen & Vedaldi. Learning multiple visual domains with residual adapters. NeurIPS 2017.
    """
    check_option("task_adapters", "n_tasks", n_tasks, Interval(int, 1))
    check_option("task_adapters", "size", size, Interval(int, 1))
    _install(module, "task_adapters", lambda stage, before: _Adapted(stage, n_tasks, size), n_tasks)
    return [p for name, p in module.named_parameters() if "of_task" in name.split(".")]


def _install(
    module: nn.Module, name: str, make: Callable[[nn.Sequential, nn.Module | None], nn.Module], n_tasks: int
) -> None:
    """Put what `make` gives in the place of each stage: a weighted layer with all that follows it up to the next."""
    if not isinstance(module, nn.Sequential):
        raise ParamError(
            f"apply_edit: {name} must get a body that is a torch Sequential of its stages, as the small networks are. Got"
            f" {type(module).__name__}."
        )
    starts = [k for k, child in enumerate(module) if _layer(child) is not None]
    if not starts:
        raise ParamError(f"apply_edit: {name} must get a body with linear layers or convolutions. Got none.")
    # A flattening belongs to the dense layer behind it.
    starts = [k - 1 if k and isinstance(module[k - 1], nn.Flatten) else k for k in starts]
    ends, before = [*starts[1:], len(module)], None
    for k, (start, end) in enumerate(zip([0, *starts[1:]], ends)):
        stage = nn.Sequential(*[module[i] for i in range(start, end)])
        layer = _layer(stage)
        if end == len(module) and not isinstance(layer, nn.Linear):  # the streams are flattened where they are joined
            stage = nn.Sequential(*[child for child in stage if not isinstance(child, nn.Flatten)])
        made = _Stage(make(stage, before), n_tasks, k == 0, end == len(module))
        module[start] = made
        for i in range(start + 1, end):
            module[i] = nn.Identity()
        before = layer


def _layer(module: nn.Module) -> nn.Module | None:
    """The last dense layer or convolution in it."""
    return next((m for m in reversed(list(module.modules())) if isinstance(m, _WEIGHTED)), None)


def _width(layer: nn.Module) -> int:
    return int(layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels)


class _Stage(nn.Module):
    """From the streams of the tasks (of the input, where it is the first) to the next ones (joined, where it is the last)."""

    def __init__(self, inner: nn.Module, n_tasks: int, first: bool, last: bool) -> None:
        super().__init__()
        self.inner, self.n_tasks, self.first, self.last = inner, n_tasks, first, last

    def forward(self, streams: Any) -> Any:
        found = self.inner((streams,) * self.n_tasks if self.first else streams)
        return torch.cat([z.flatten(1) for z in found[: self.n_tasks]], dim=1) if self.last else found


class _Stitched(nn.Module):
    """``x_A' = a_AA x_A + a_AB x_B`` after each copy's stage."""

    def __init__(self, stage: nn.Sequential, n_tasks: int, same: float, units: bool) -> None:
        super().__init__()
        self.copies = nn.ModuleList([stage, *(copy.deepcopy(stage) for _ in range(n_tasks - 1))])
        if not units:  # then each is one task's own
            self.of_task = self.copies
            del self.copies
        other = (1 - same) / max(1, n_tasks - 1)
        unit = other + (same - other if n_tasks > 1 else 1 - other) * torch.eye(n_tasks)
        self.unit = nn.Parameter(unit.flatten()) if units else None

    def forward(self, streams: Streams) -> Streams:
        nets = self.of_task if self.unit is None else self.copies
        found = [net(x) for net, x in zip(nets, streams)]
        if self.unit is None:
            return tuple(found)
        stacked = torch.stack(found)
        return tuple(torch.tensordot(row, stacked, dims=1) for row in self.unit.view(len(found), -1))


class _Adapted(nn.Module):
    """``h + up(relu(down(h)))`` on each task's stream, after the shared stage."""

    def __init__(self, stage: nn.Sequential, n_tasks: int, size: int) -> None:
        super().__init__()
        self.stage = stage
        layer = _layer(stage)
        assert layer is not None
        self.of_task = nn.ModuleList(_Adapter(layer, size) for _ in range(n_tasks))

    def forward(self, streams: Streams) -> Streams:
        h = self.stage(torch.cat(streams)) if len(streams) > 1 else self.stage(streams[0])
        return tuple(own(part) for own, part in zip(self.of_task, h.chunk(len(streams))))


class _Adapter(nn.Module):
    def __init__(self, layer: nn.Module, size: int) -> None:
        super().__init__()
        self.down, self.up = _point(layer, _width(layer), size), _point(layer, size, _width(layer))
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.up(functional.relu(self.down(h)))


class _Attended(nn.Module):
    """The shared features p, and for each task a mask on them: ``m * p``, m of p and of what the task kept before.

    What a task kept comes through ``carry``, which all tasks share.
    """

    def __init__(self, stage: nn.Sequential, n_tasks: int, before: nn.Module | None) -> None:
        super().__init__()
        self.stage = stage
        layer = _layer(stage)
        assert layer is not None
        self.carry = None if before is None else _carry(before, layer)
        self.of_task = nn.ModuleList(_mask(layer, before is not None) for _ in range(n_tasks))

    def forward(self, streams: Streams) -> Streams:
        p = self.stage(streams[-1])
        if self.carry is None:  # the first stage: all streams are the input
            seen = [p] * len(self.of_task)
        else:  # one task after the other, so that batch normalisation lets none see another
            seen = [torch.cat([p, _fitted(self.carry(kept), p)], dim=1) for kept in streams[:-1]]
        return (*(mask(x) * p for mask, x in zip(self.of_task, seen)), p)


def _fitted(kept: Tensor, p: Tensor) -> Tensor:
    """Pooled to the size of p."""
    if kept.shape[2:] == p.shape[2:]:
        return kept
    pool = functional.adaptive_max_pool2d if p.ndim == 4 else functional.adaptive_max_pool1d
    return pool(kept, p.shape[2:])


def _mask(layer: nn.Module, later: bool) -> nn.Sequential:
    """``sigmoid(norm(h(relu(norm(g([p; f(kept)]))))))``, in the first stage of p alone."""
    width = _width(layer)
    norm: Any = {nn.Linear: nn.BatchNorm1d, nn.Conv1d: nn.BatchNorm1d, nn.Conv2d: nn.BatchNorm2d}[type(layer)]
    return nn.Sequential(
        _point(layer, 2 * width if later else width, width), norm(width), nn.ReLU(),
        _point(layer, width, width), norm(width), nn.Sigmoid(),
    )  # fmt: skip


def _carry(before: nn.Module, layer: nn.Module) -> nn.Module:
    """From what a task kept of one stage to the width of the next."""
    n_in, n_out = _width(before), _width(layer)
    if not isinstance(layer, nn.Linear):
        kind: Any = type(layer)
        norm = nn.BatchNorm2d if isinstance(layer, nn.Conv2d) else nn.BatchNorm1d
        return nn.Sequential(kind(n_in, n_out, 3, padding=1), norm(n_out), nn.ReLU())
    pool = {nn.Conv2d: nn.AdaptiveAvgPool2d(1), nn.Conv1d: nn.AdaptiveAvgPool1d(1)}.get(type(before), nn.Identity())
    return nn.Sequential(pool, nn.Flatten(), nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.ReLU())


def _point(layer: nn.Module, n_in: int, n_out: int) -> nn.Module:
    """A map of the channels, the same in every place."""
    return nn.Linear(n_in, n_out) if isinstance(layer, nn.Linear) else type(layer)(n_in, n_out, 1)  # type: ignore[call-arg]
