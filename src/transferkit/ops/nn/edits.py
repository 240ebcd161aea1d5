"""Changes of a network's structure as data: JSON in, the same structure out, so that a saved network can be rebuilt.

A saved network is the bare skeleton, the list of its edits, and a state dict: replaying the edits on the skeleton gives
every parameter its name back.
"""

from __future__ import annotations

import copy
import difflib
import inspect
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from ...core.errors import ParamError
from .adapter import adapter
from .bitfit import bitfit
from .ia3 import ia3
from .kernel_scale import kernel_scale
from .layers import add_bias
from .lora import lora
from .prompts import prompts
from .scale_shift import scale_shift
from .stoch_norm import StochNorm, restore, stoch_norm
from .structure import InputPart, Part, detach, parts_of
from .task_norm import task_norm
from .task_stages import cross_stitch, task_adapters, task_attention

__all__ = ["EDITS", "apply_edit", "merge_edits", "train_only", "unused"]


def _bias(module: nn.Module, *, names: Sequence[str]) -> list[nn.Parameter]:
    """Give the layers of exactly these names a bias of zeros: `merge_edits` asks for it where folding made one."""
    new = []
    for name in names:
        layer = module.get_submodule(name)
        add_bias(layer)
        new.append(layer.bias)
    return new


EDITS: Mapping[str, Callable[..., list[nn.Parameter]]] = {
    "adapter": adapter,
    "bias": _bias,
    "bitfit": bitfit,
    "cross_stitch": cross_stitch,
    "ia3": ia3,
    "kernel_scale": kernel_scale,
    "lora": lora,
    "prompts": prompts,
    "scale_shift": scale_shift,
    "stoch_norm": stoch_norm,
    "task_adapters": task_adapters,
    "task_attention": task_attention,
    "task_norm": task_norm,
}


def apply_edit(module: nn.Module, edit: Mapping[str, Any], *, seed: int | None = None) -> list[str]:
    """Change a module in place.

    Parameters
    ----------
    module : Module
        The network's body, or any other module.
    edit : mapping
        ``{"edit": NAME, ...options}``, all of it JSON; the options are those of the function ``EDITS[NAME]``.
    seed : int, optional
        Of the new parameters' random start. None draws from torch's own generator.

    Returns
    -------
    list of str
        Full names of the parameters that are meant to train: new ones, or those that the edit selects. What was there
        keeps its name. The edit sets no ``requires_grad``: see `train_only`.

    Raises
    ------
    ParamError
        If the edit or one of its options is unknown or out of its range, or the module has no place for it.

    Examples
    --------
    >>> from torch import nn
    >>> from transferkit.ops.nn.edits import apply_edit
    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> apply_edit(net, {"edit": "lora", "rank": 1, "layers": "2"})
    ['2.lora.down.weight', '2.lora.up.weight']
    >>> apply_edit(net, {"edit": "bitfit"})
    ['0.bias', '2.bias']
    """
    name, options = _checked(edit)
    known = {id(m) for m in module.modules()}
    order = 1 + max((m.order for m in module.modules() if isinstance(m, (Part, StochNorm))), default=-1)
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        trains = {id(p) for p in EDITS[name](module, **options)}
    for new in module.modules():
        if (isinstance(new, Part) and id(new) not in known) or (isinstance(new, StochNorm) and new.order < 0):
            new.order, new.edit = order, copy.deepcopy(dict(edit))
    for encoder in module.modules():
        # Its short cut for padded batches makes nested tensors, which a layer with hooks cannot take.
        if isinstance(encoder, nn.TransformerEncoder) and any(parts_of(encoder)):
            encoder.use_nested_tensor = False
    return [n for n, p in module.named_parameters() if id(p) in trains]


def _checked(edit: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and options, both known."""
    name = edit.get("edit")
    if name not in EDITS:
        raise ParamError(f"apply_edit: edit must be one of {', '.join(sorted(EDITS))}. Got {name!r}.")
    try:
        json.dumps(dict(edit))
    except TypeError as err:
        raise ParamError(f"apply_edit: edit must be JSON. Got {dict(edit)!r}.") from err
    options = {k: v for k, v in edit.items() if k != "edit"}
    signature = inspect.signature(EDITS[name])
    known = [p for p in signature.parameters if p != "module"]
    for option in options:
        if option not in known:
            near = difflib.get_close_matches(option, known, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ParamError(f"apply_edit: options of {name} must be out of {', '.join(known)}. Got {option!r}{hint}.")
    return name, options


def merge_edits(module: nn.Module) -> list[dict[str, Any]]:
    """Fold what can be folded into plain layers: equal outputs in evaluation mode, no cost at prediction.

    An edit is folded as a whole or not at all.

    Parameters
    ----------
    module : Module
        Changed in place.

    Returns
    -------
    list of dict
        The edits that rebuild the module from the bare skeleton from now on: those that cannot be folded, after a "bias"
        edit where folding gave layers a bias that they did not have.

    Examples
    --------
    >>> from torch import nn
    >>> from transferkit.ops.nn.edits import apply_edit, merge_edits
    >>> net = nn.Sequential(nn.Linear(4, 3, bias=False))
    >>> names = apply_edit(net, {"edit": "lora"}) + apply_edit(net, {"edit": "scale_shift"})
    >>> merge_edits(net), sorted(net.state_dict())
    ([{'edit': 'bias', 'names': ['0']}], ['0.bias', '0.weight'])
    """
    for layer in module.modules():
        if isinstance(layer, StochNorm):
            restore(layer)
    for host, layer, child, part in _foldable(module):
        part.merge(host)
        detach(layer, child)
    grown = [n for n, m in module.named_modules() if getattr(m, "grown_bias", False)]
    left = {part.order: dict(part.edit) for _, _, _, part in parts_of(module)}
    return ([{"edit": "bias", "names": grown}] if grown else []) + [left[k] for k in sorted(left)]


_Place = tuple[nn.Module, nn.Module, str, Part]


def _foldable(module: nn.Module) -> list[_Place]:
    """The parts that can be folded, each with the layer that it folds into, in an order in which that works."""
    places = [
        (module.get_submodule(name.rpartition(".")[0]) if part.of_parent else layer, layer, child, part)
        for name, layer, child, part in parts_of(module)
    ]
    allowed = {part.order for _, _, _, part in places}
    while True:
        left, chosen = places, []
        while ready := [p for p in left if p[3].order in allowed and _ready(p, left)]:
            chosen += ready
            left = [p for p in left if not any(p is r for r in ready)]
        halves = {p[3].order for p in chosen} & {p[3].order for p in left}
        if not halves:
            return chosen
        allowed -= halves


def _ready(place: _Place, left: Sequence[_Place]) -> bool:
    """Whether a part can be folded before all others that are left."""
    host, layer, _, part = place
    after = [p for _, other, _, p in left if other is layer and not isinstance(p, InputPart)]
    if isinstance(part, InputPart):  # what reads the changed input would read the unchanged one from then on
        return part.can_merge(host) and not any(p.reads_input for p in after)
    return part.can_merge(host) and after[0] is part


def train_only(module: nn.Module, names: Collection[str]) -> None:
    """Let the parameters of these full names require a gradient, and no other."""
    wanted = set(names)
    for name, param in module.named_parameters():
        param.requires_grad_(name in wanted)


def unused(module: nn.Module) -> list[str]:
    """Full names of the parts that no forward pass has used since they came.

    After a first batch this must be empty. It is not where a network reads a layer's weight and never calls the layer: the
    parts there would never learn. (The attentions of torch and timm that do so are known.)
    """
    return [f"{name}.{child}".lstrip(".") for name, _, child, part in parts_of(module) if not part.used]
