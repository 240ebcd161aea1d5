"""Optimizers whose parameter groups are the parts of a freeze plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from ..networks.backbone import Group
from .freezing import FreezePlan
from .settings import Training

__all__ = ["load_state", "make_optimizer", "set_rates"]


def make_optimizer(
    params: Sequence[nn.Parameter], network: nn.Module, groups: Sequence[Group], training: Training
) -> torch.optim.Optimizer:
    """An optimizer over all parameters that any step may ever move, those that are frozen now included.

    A frozen parameter has no gradient and is passed over, so that the optimizer's state has one shape throughout.

    Parameters
    ----------
    params : sequence of parameters
        Those of all steps.
    network : Module
        What `groups` speak of.
    groups : sequence of Group
        Parts with their own learning rate. Parameters outside of them are the method's own.
    training : Training
        Which optimizer, and its settings.

    Returns
    -------
    Optimizer
        Its parameter groups have the key ``"part"``.
    """
    part_of = {name: group.name for group in groups for name in group.params}
    named = {id(p): part_of.get(name, "") for name, p in network.named_parameters()}
    buckets: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for p in params:
        buckets.setdefault((named.get(id(p), ""), p.ndim > 1), []).append(p)
    options = [
        {"params": members, "part": part, "weight_decay": training.weight_decay if decays else 0.0}
        for (part, decays), members in buckets.items()
    ]
    fused = {p.device.type for p in params} <= {"cpu", "cuda"}  # one pass over each weight instead of a dozen
    if training.optimizer == "sgd":
        return torch.optim.SGD(options, 1.0, momentum=training.momentum, nesterov=training.momentum > 0, fused=fused)
    return (torch.optim.AdamW if training.optimizer == "adamw" else torch.optim.Adam)(options, lr=1.0, fused=fused)


def set_rates(optimizer: torch.optim.Optimizer, rate: float, plan: FreezePlan) -> None:
    """Give every part its learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * plan.part(group["part"]).lr_scale


def load_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Take over what ``state_dict`` gave, each tensor laid out in memory as its parameter is.

    A file keeps values without strides, and a fused update takes parameter and momentum for laid out alike.
    """
    optimizer.load_state_dict(state)
    for p, own in optimizer.state.items():
        for name, value in own.items():
            if isinstance(value, torch.Tensor) and value.shape == p.shape:
                own[name] = torch.empty_like(p, dtype=value.dtype).copy_(value)
