"""A network as JSON that says how to rebuild its skeleton, and tensors by name; and the way back. For the store."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from ...core.errors import DataError
from ...ops.nn.edits import apply_edit
from ..backbones import load_backbone, rebuild
from ..backbones.layers import LayerFeatures
from ..inputs.preprocess import preprocess_from
from .backbone import Backbone, weights_digest
from .network import Network

__all__ = [
    "Tensors", "build_module", "build_network", "build_source", "describe_module", "describe_network", "describe_source",
    "save_tensors",
]  # fmt: skip


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a safetensors file of tensors on any device and with any strides; what shares memory is written once for each name."""
    own: dict[str, Tensor] = {}
    taken: set[int] = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        place = plain.untyped_storage().data_ptr()
        own[name] = plain.clone() if place in taken else plain
        taken.add(place)
    safetensors.torch.save_file(own, path)


class Tensors:
    """The tensors of a safetensors file, read one at a time through a memory map.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._file = safetensors.safe_open(path, framework="pt")

    def __getitem__(self, name: str) -> Tensor:
        return self._file.get_tensor(name)


def describe_network(network: Network, place: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a manifest says of a network, and its weights and buffers by name. The head is one with a ``spec``.

    Parameters
    ----------
    network : Network
    place : str
        Where it was found, for the message.

    Raises
    ------
    DataError
        If it has parts that cannot be rebuilt: a head of another class, or state that is no tensor.
    """
    state = _state(network, place)
    backbone, body = network.backbone, network.body
    chosen = isinstance(body, LayerFeatures)
    about = {
        "backbone": backbone.name,
        "weights": backbone.fingerprint,
        "preprocess": backbone.preprocess.spec,
        "spec": backbone.spec,
        "module": None if backbone.spec is not None else type(body.model if chosen else body).__name__,
        "features": {"layers": list(body.layers), "l2": body.l2, "pool": body.pool} if chosen else {},
        "edits": network.edits,
        "neck": None if network.neck is None else _describe_part(network.neck, f"{place}.neck"),
        "head": _describe_part(network.head, f"{place}.head"),
    }
    return about, state


def build_network(about: Mapping[str, Any], state: Mapping[str, Tensor], modules: Mapping[str, Any]) -> Network:
    """The network that `describe_network` described, in evaluation mode.

    Parameters
    ----------
    about : mapping
    state : mapping
        Its weights and buffers by name.
    modules : mapping of str to Module or Backbone
        The user's own modules by class name, for a network whose skeleton no library knows. They are copied.

    Raises
    ------
    DataError
        If a module is needed and not given, or is of another structure than what was saved.
    """
    with torch.random.fork_rng(devices=[]):  # first weights are drawn, and then replaced
        neck = about.get("neck")  # older folders have none
        network = Network(
            _skeleton(about, modules), _build_part(about["head"]), None if neck is None else _build_part(neck)
        )
        for edit in about["edits"]:
            apply_edit(network.body, edit)
            network.edits.append(dict(edit))
    try:
        _fill(network, state)
    except RuntimeError as err:
        if about["module"] is None:
            raise
        raise DataError(
            f"store.load: modules[{about['module']!r}] must have the structure of the network that was saved. Got: {err}"
        ) from err
    return network.eval()


def describe_module(module: nn.Module, place: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a manifest says of a small module beside the network (a head of transferkit, a linear layer), and its tensors.

    Raises
    ------
    DataError
        If it is any other module.
    """
    return _describe_part(module, place), _state(module, place)


def build_module(about: Mapping[str, Any], state: Mapping[str, Tensor]) -> nn.Module:
    """The module that `describe_module` described, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        module = _build_part(about)
    _fill(module, state)
    return module.eval()


def _describe_part(module: nn.Module, place: str) -> dict[str, Any]:
    kind = type(module)
    if kind is nn.Linear:
        given = {
            "in_features": module.in_features,
            "out_features": module.out_features,
            "bias": module.bias is not None,
        }
        return {"class": "Linear", "spec": given}
    if _part(f"{kind.__module__}:{kind.__qualname__}") is not kind or not isinstance(
        getattr(module, "spec", None), dict
    ):
        raise DataError(
            f"store.save: {place} must be a head of transferkit or a linear layer. Got {kind.__module__}.{kind.__qualname__}."
        )
    return {"class": f"{kind.__module__}:{kind.__qualname__}", "spec": module.spec}


def _build_part(about: Mapping[str, Any]) -> nn.Module:
    kind = nn.Linear if about["class"] == "Linear" else _part(str(about["class"]))
    if kind is None:
        raise ValueError(f"a head of the class {about['class']}")
    return kind(**about["spec"])


def _part(name: str) -> type[nn.Module] | None:
    """A module class that a file of `transferkit.ops.nn` defines; None for anything else."""
    module, _, kind = name.partition(":")
    if not re.fullmatch(r"transferkit\.ops\.nn\.[a-z_]+", module):
        return None
    found = vars(importlib.import_module(module)).get(kind)
    return found if isinstance(found, type) and issubclass(found, nn.Module) and found.__module__ == module else None


def _state(module: nn.Module, place: str) -> dict[str, Tensor]:
    state = module.state_dict()
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise DataError(f"store.save: {place} must hold tensors only. Got {type(value).__name__} at {name}.")
    return state


def _fill(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Weights and buffers, in the types that were saved; tied ones stay tied."""
    for name, own in (*module.named_parameters(), *module.named_buffers()):
        if name in state and own.dtype != state[name].dtype:
            own.data = own.data.to(state[name].dtype)
    module.load_state_dict(state, strict=True)


def _skeleton(about: Mapping[str, Any], modules: Mapping[str, Any]) -> Backbone:
    """A backbone with any weights."""
    if about["spec"] is not None:
        return replace(rebuild(about["spec"]), name=about["backbone"], fingerprint=about["weights"])
    name = about["module"]
    module = modules.get(name)
    if not isinstance(module, (nn.Module, Backbone)):
        got = ", ".join(f"{k}: {type(v).__name__}" for k, v in modules.items()) or "none"
        raise DataError(
            "store.load: modules must hold the network that the method was given, with any weights:"
            f" transferkit.load(folder, modules={{{name!r}: {name}(...)}}). Got {got}."
        )
    preprocess = preprocess_from(about["preprocess"])
    given = {} if isinstance(module, Backbone) else {"preprocess": preprocess}
    found = load_backbone(module, **given, **about["features"])
    return replace(found, name=about["backbone"], preprocess=preprocess, fingerprint=about["weights"])


def describe_source(source: nn.Module | Backbone) -> dict[str, str]:
    """What a manifest says of a source model that a constructor was given as an object: its class, and a hash of its weights.

    Its weights themselves are not saved: the fitted network has what came of them.
    """
    module = source.body if isinstance(source, Backbone) else source
    return {"module": type(module).__name__, "weights": weights_digest(module)}


def build_source(about: Mapping[str, str], modules: Mapping[str, Any]) -> nn.Module | Backbone | None:
    """The module among `modules` of that class and with these very weights; None where there is none.

    One with other weights would let a refit begin somewhere else without a word.
    """
    given = modules.get(about["module"])
    module = given.body if isinstance(given, Backbone) else given
    return given if isinstance(module, nn.Module) and weights_digest(module) == about["weights"] else None
