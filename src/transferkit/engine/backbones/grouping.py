"""The parts of a network, from input to output."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from ..networks.backbone import Group

__all__ = ["groups_from", "module_groups", "regroup", "timm_groups"]

_STACKS = (nn.Sequential, nn.ModuleList)


def groups_from(parts: Sequence[tuple[str, Sequence[str]]], module: nn.Module) -> tuple[Group, ...]:
    """Groups from named lists of parameters; finds the modules that belong to each.

    Parameters
    ----------
    parts : sequence of (str, sequence of str)
        Name and parameters of each part, from input to output; every parameter of `module` once.
    module : Module

    Notes
    -----
    A module with parameters of its own or below it belongs to the last part that these are in. One without any (an
    activation, dropout, pooling) belongs to the part of what holds it; where that is in several parts, to the part of
    what was defined before it, as it runs after that.
    """
    place = {p: k for k, (_, params) in enumerate(parts) for p in params}
    below: dict[str, set[int]] = {name: set() for name, _ in module.named_modules()}
    for p, k in place.items():
        words = p.split(".")
        for n in range(len(words)):
            below.setdefault(".".join(words[:n]), set()).add(k)
    owner: dict[str, int] = {}
    before = 0
    for name, _ in module.named_modules():
        around = name
        while around and not below[around]:
            around = around.rpartition(".")[0]
        if below[name]:
            owner[name] = max(below[name])
            before = min(below[name]) if len(below[name]) > 1 else owner[name]
        elif len(below[around]) == 1:
            owner[name] = max(below[around])
        else:
            owner[name] = before
    return tuple(
        Group(name, tuple(params), tuple(m for m, owned in owner.items() if owned == k))
        for k, (name, params) in enumerate(parts)
    )


def module_groups(module: nn.Module, prefix: str = "") -> tuple[Group, ...]:
    """The parts of any module: its children, with stacks (Sequential, ModuleList) opened once.

    Parameters
    ----------
    module : Module
    prefix : str, default=""
        Cut off the names of the parts, where all of them start with it.
    """
    found = _children(module, "")
    every = [name for name, _ in module.named_parameters()]
    taken: dict[str, list[str]] = {name: [] for name in found}
    loose: list[tuple[str, str]] = []  # a parameter, and the module that holds it directly
    for p in every:
        name = next((n for n in found if p.startswith(n + ".")), None)
        if name is None:
            loose.append((p, p.rpartition(".")[0]))
        else:
            taken[name].append(p)
    taken = {name: params for name, params in taken.items() if params}
    for p, holder in loose:  # class tokens and positions: with the first part beside them
        near = next((n for n in taken if n.startswith(holder + ".") or not holder), next(iter(taken), "all"))
        taken.setdefault(near, []).append(p)
    order = {p: k for k, p in enumerate(every)}
    short = {n: n.removeprefix(prefix) if n.startswith(prefix) and n != prefix else n for n in taken}
    return groups_from(
        [(_free(short[n]), sorted(params, key=order.__getitem__)) for n, params in taken.items()], module
    )


def _children(module: nn.Module, prefix: str) -> list[str]:
    """Names of the children in order, opened where they are stacks or hold little else than a stack."""
    found: list[str] = []
    for name, child in module.named_children():
        full = f"{prefix}.{name}" if prefix else name
        if isinstance(child, _STACKS) and len(child) > 1:
            found += [f"{full}.{k}" for k, _ in child.named_children()]
        elif not isinstance(child, _STACKS) and _holds_stack(child):
            found += _children(child, full)
        elif isinstance(child, _STACKS):
            found += _children(child, full) if len(child) else []
        else:
            found.append(full)
    return found


def _holds_stack(module: nn.Module) -> bool:
    """Whether most of a module's parameters are in one stack right below it, or in one child of which the same is true."""
    half = _size(module) / 2
    for child in module.children():
        if _size(child) > half:
            return (isinstance(child, _STACKS) and len(child) > 1) or _holds_stack(child)
    return False


def _size(module: nn.Module) -> int:
    """Number of parameters, without word vectors: a small transformer has more in these than in all of its layers."""
    words = sum(m.weight.numel() for m in module.modules() if isinstance(m, nn.Embedding))
    return sum(p.numel() for p in module.parameters()) - words


def timm_groups(model: nn.Module) -> tuple[Group, ...]:
    """The parts of a timm model, as its own `group_matcher` has them."""
    from timm.models import group_parameters

    if not hasattr(model, "group_matcher"):
        return module_groups(model)
    matcher = model.group_matcher(coarse=True)
    parts, names = [], set()
    for k, params in group_parameters(model, matcher).items():
        name = _timm_name(matcher, params, k)
        while name in names:
            name += "'"
        names.add(name)
        parts.append((name, tuple(params)))
    return groups_from(parts, model)


def _timm_name(matcher: Any, params: Sequence[str], place: int) -> str:
    """What timm's pattern matched of the first parameter, as in "blocks.3"."""
    patterns = matcher if isinstance(matcher, Mapping) else {}
    for part, rules in patterns.items():
        for rule in [rules] if isinstance(rules, str) else [r[0] for r in rules or ()]:
            found = re.match(rule, params[0])
            if found:
                return "stem" if part == "stem" and place == 0 else _free(found[0].rstrip("."))
    return _free(params[0].rpartition(".")[0])


def _free(name: str) -> str:
    """ "head" is what a network calls the part it puts on top."""
    return "neck" if name == "head" else name or "all"


def regroup(groups: Sequence[Group], module: nn.Module) -> tuple[Group, ...]:
    """The same parts of a module that lost or gained parameters; what is new joins the part of the nearest module around it."""
    names = [n for n, _ in module.named_parameters()]
    if {p for g in groups for p in g.params} == set(names) and {m for g in groups for m in g.modules} == {
        n for n, _ in module.named_modules()
    }:
        return tuple(groups)
    holder = {m: g.name for g in groups for m in g.modules}
    known = {p: g.name for g in groups for p in g.params}
    parts: dict[str, list[str]] = {g.name: [] for g in groups}
    for name in names:
        around = name
        while name not in known and around and around not in holder:
            around = around.rpartition(".")[0]
        parts[known.get(name) or holder.get(around, groups[-1].name)].append(name)
    return groups_from(list(parts.items()), module)
