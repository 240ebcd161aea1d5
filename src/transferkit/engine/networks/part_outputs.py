"""Which module's output is that of a part of a network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from .backbone import Group

__all__ = ["part_outputs"]


def part_outputs(groups: Sequence[Group], module: nn.Module) -> list[str]:
    """The module that a part ends with, for each part.

    Parameters
    ----------
    groups : sequence of Group
        Parts of `module`, from input to output.
    module : Module

    Returns
    -------
    list of str
        Full names: the last module that has parameters, all of them of this part, and lies in no other such module. Parts
        without one are left out; where that is all of them, the whole network ("") is the only one.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from transferkit.engine.backbones import load_backbone
    >>> from transferkit.engine.networks.part_outputs import part_outputs
    >>> net = nn.Sequential(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), nn.Linear(3, 3), nn.ReLU())
    >>> part_outputs(load_backbone(net, sample=np.zeros(2)).groups, net)
    ['0', '1']
    """
    modules = dict(module.named_modules())
    found = []
    for group in groups:
        own = set(group.params)
        inside = [m for m in group.modules if m and _params(m, modules[m]) and _params(m, modules[m]) <= own]
        found += [m for m in inside if not any(m.startswith(f"{other}.") for other in inside)][-1:]
    return found or [""]


def _params(name: str, module: nn.Module) -> set[str]:
    """Full names of a module's parameters."""
    return {f"{name}.{p}" for p, _ in module.named_parameters()}
