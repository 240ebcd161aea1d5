"""Freeze plans: which part of a network trains from which epoch, and at what learning rate."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from ...core.errors import ParamError
from ..networks.backbone import Group

__all__ = ["BATCH_NORM", "FreezePlan", "Part", "make_plan"]

BATCH_NORM = ("frozen", "train", "off")
PLANS = "full, head, last:K, gradual, gradual:EPOCHS, lp_ft:EPOCHS"


@dataclass(frozen=True)
class Part:
    """When a group trains.

    Attributes
    ----------
    group : str
        Name of the group.
    from_epoch : float
        First epoch, counted from 0, in which it trains; infinity is never.
    lr_scale : float
        Its learning rate as a multiple of the training's.
    """

    group: str
    from_epoch: float = 0.0
    lr_scale: float = 1.0


@dataclass(frozen=True)
class FreezePlan:
    """Which part trains when; a function of the epoch alone, so a resumed run cannot forget it.

    Attributes
    ----------
    parts : tuple of Part
        In order from input to output.
    batch_norm : {"frozen", "train", "off"}
        ``"frozen"``: batch normalisation keeps the statistics it came with, its scale and shift train with their part;
        ``"train"``: statistics follow the batches in parts that train; ``"off"``: scale and shift stay as well. It is
        about the body; the head's own statistics are new and always follow the batches.
    only : frozenset of str or None
        Full names of the body's parameters that may train at all, such as adapters; None is all. The head always may.
    """

    parts: tuple[Part, ...]
    batch_norm: str = "frozen"
    only: frozenset[str] | None = None

    def part(self, group: str) -> Part:
        """The part of a group; a group that the plan does not name trains from the start (a method's own layers)."""
        return next((p for p in self.parts if p.group == group), Part(group))

    def training(self, epoch: float) -> frozenset[str]:
        """Names of the groups that train at an epoch."""
        return frozenset(p.group for p in self.parts if epoch >= p.from_epoch)

    def apply(self, network: nn.Module, groups: Sequence[Group], epoch: float) -> None:
        """Set what requires a gradient, and every module's mode, as the plan wants it at this epoch."""
        on = self.training(epoch)
        params, modules = dict(network.named_parameters()), dict(network.named_modules())
        network.train()
        for group in groups:
            active = group.name in on or self.part(group.name).from_epoch <= epoch
            for name in group.params:
                params[name].requires_grad_(active and self._may(group, name))
            for name in group.modules:
                if name in modules:
                    modules[name].training = active
        fresh = {name for group in groups if group.name == "head" for name in group.modules}
        for name, module in modules.items():
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and self.batch_norm != "train" and name not in fresh:
                if module.track_running_stats:
                    module.training = False
                if self.batch_norm == "off" and module.affine:
                    module.weight.requires_grad_(False)
                    module.bias.requires_grad_(False)

    def _may(self, group: Group, name: str) -> bool:
        return self.only is None or group.name == "head" or name in self.only

    def table(self, network: nn.Module, groups: Sequence[Group], lr: float) -> list[dict[str, Any]]:
        """One row a part: ``part``, ``parameters``, ``trains`` (how many of them), ``from_epoch`` (None: never), ``lr``."""
        sizes = {name: p.numel() for name, p in network.named_parameters()}
        rows = []
        for group in groups:
            part = self.part(group.name)
            trains = sum(sizes[name] for name in group.params if self._may(group, name))
            never = math.isinf(part.from_epoch) or not trains
            rows.append(
                {
                    "part": group.name,
                    "parameters": sum(sizes[name] for name in group.params),
                    "trains": 0 if never else trains,
                    "from_epoch": None if never else part.from_epoch,
                    "lr": 0.0 if never else lr * part.lr_scale,
                }
            )
        return rows


def make_plan(
    groups: Sequence[Group | str],
    plan: str | FreezePlan | Mapping[str, Any] = "full",
    *,
    n_epochs: float,
    lr_decay: float = 1.0,
    body_lr_scale: float = 1.0,
    batch_norm: str = "frozen",
) -> FreezePlan:
    """A freeze plan for a network.

    Parameters
    ----------
    groups : sequence of Group or str
        The network's parts from input to output; the head comes last.
    plan : str, FreezePlan or mapping
        ``"full"``: all from the start. ``"head"``: the head only. ``"last:K"``: the head and the K parts before it.
        ``"gradual"``: the head first, then one part after the other towards the input, the last one at half of the
        epochs; ``"gradual:E"``: one part every E epochs (Howard & Ruder, ACL 2018). ``"lp_ft:E"``: the head for E epochs,
        then all (Kumar et al., ICLR 2022). A mapping gives the first epoch by part, None for never; parts that it does
        not name train from the start.
    n_epochs : float
        Length of the training.
    lr_decay : float in (0, 1]
        Layer-wise decay: a part's learning rate is this times that of the part after it.
    body_lr_scale : float in (0, 1]
        What every rate but the head's is multiplied by.
    batch_norm : {"frozen", "train", "off"}
        As in `FreezePlan`.

    Returns
    -------
    FreezePlan

    Raises
    ------
    ParamError
        If the plan is not one of these, or names a part that is not there.

    Examples
    --------
    >>> from transferkit.engine.training.freezing import make_plan
    >>> plan = make_plan(["stem", "block", "head"], "gradual:2", n_epochs=10, lr_decay=0.5)
    >>> [(p.group, p.from_epoch, p.lr_scale) for p in plan.parts]
    [('stem', 4.0, 0.25), ('block', 2.0, 0.5), ('head', 0.0, 1.0)]
    """
    if isinstance(plan, FreezePlan):
        return plan
    names = [g if isinstance(g, str) else g.name for g in groups]
    depth = {name: len(names) - 1 - k for k, name in enumerate(names)}  # the head has depth 0
    start = _start(plan, names, depth, n_epochs)
    scale = {name: lr_decay**d * (body_lr_scale if d else 1.0) for name, d in depth.items()}
    parts = tuple(Part(name, start[name], scale[name]) for name in names)
    return FreezePlan(parts, batch_norm)


def _start(plan: Any, names: list[str], depth: dict[str, int], n_epochs: float) -> dict[str, float]:
    """First epoch by part."""
    if isinstance(plan, Mapping):
        extra = [str(k) for k in plan if k not in depth]
        if extra:
            raise ParamError(f"plan must name parts of the network ({', '.join(names)}). Got {', '.join(extra[:5])}.")
        epochs = {name: plan.get(name, 0.0) for name in names}
        wrong = [n for n, e in epochs.items() if not (e is None or (isinstance(e, (int, float)) and e >= 0))]
        if wrong:
            raise ParamError(f"plan must give an epoch of at least 0, or None for never. Got {epochs[wrong[0]]!r}.")
        return {name: math.inf if e is None else float(e) for name, e in epochs.items()}
    match = re.fullmatch(r"(full|head|last|gradual|lp_ft)(?::(\d+(?:\.\d+)?))?", str(plan))
    kind, number = (match[1], match[2]) if match else ("", None)
    needs_number = kind in ("last", "lp_ft")
    if not match or (kind != "gradual" and needs_number != (number is not None)):
        raise ParamError(f"plan must be one of {PLANS}, or a mapping of parts to epochs. Got {plan!r}.")
    value = 0.0 if number is None else float(number)
    deepest = max(1, len(names) - 1)
    if kind == "gradual":
        every = value if number is not None else n_epochs / 2 / deepest
        return {name: every * d for name, d in depth.items()}
    if kind == "lp_ft":
        return {name: value if d else 0.0 for name, d in depth.items()}
    limit = {"full": math.inf, "head": 0.0, "last": value}[kind]
    return {name: 0.0 if d <= limit else math.inf for name, d in depth.items()}
