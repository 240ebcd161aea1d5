"""Checkpoints: tensors and numbers in one safetensors file, written as a whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ...core.errors import DataError
from ...core.files import atomic_write, make_folder

__all__ = ["FILE", "Checkpoint", "as_plain", "pack", "read_checkpoint", "unpack", "write_checkpoint"]

FILE = "checkpoint.safetensors"


@dataclass
class Checkpoint:
    """All that a loop has to know to go on.

    Attributes
    ----------
    tensors : dict of str to tensor
    facts : dict
        Numbers and text, as JSON keeps them.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def as_plain(value: Any) -> Any:
    """A number of NumPy as one of Python, for JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def pack(checkpoint: Checkpoint, name: str, state: Any) -> None:
    """Put a state (nested mappings and lists of tensors and plain values) into a checkpoint under a name."""
    checkpoint.facts[name] = _strip(checkpoint.tensors, name, state)


def _strip(tensors: dict[str, Tensor], place: str, value: Any) -> Any:
    if isinstance(value, Tensor):
        tensors[place] = value.detach().cpu().contiguous()
        return {"tensor": place}
    if isinstance(value, Mapping):
        return {"map": [[key, _strip(tensors, f"{place}/{key}", item)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return {"list": [_strip(tensors, f"{place}/{k}", item) for k, item in enumerate(value)]}
    return {"value": value}


def unpack(checkpoint: Checkpoint, name: str) -> Any:
    """The state that was put in under a name; tuples come back as lists."""
    return _dress(checkpoint.tensors, checkpoint.facts[name])


def _dress(tensors: Mapping[str, Tensor], node: Any) -> Any:
    if "tensor" in node:
        return tensors[node["tensor"]]
    if "map" in node:
        return {key: _dress(tensors, item) for key, item in node["map"]}
    return [_dress(tensors, item) for item in node["list"]] if "list" in node else node["value"]


def write_checkpoint(folder: Path | str, checkpoint: Checkpoint) -> Path:
    """Write ``checkpoint.safetensors``; after a kill the old one is there whole.

    Raises
    ------
    DataError
        If the folder cannot be written.
    """
    folder = make_folder(folder)
    # Tensors that share storage are saved once each: a loop's state is small beside its data.
    tensors = {name: tensor.clone() for name, tensor in checkpoint.tensors.items()}
    return atomic_write(
        folder / FILE,
        safetensors.torch.save(tensors, metadata={"facts": json.dumps(checkpoint.facts, default=as_plain)}),
    )


def read_checkpoint(folder: Path | str) -> Checkpoint | None:
    """The checkpoint in a folder; None where there is none. What a killed write has left beside it is removed.

    Raises
    ------
    DataError
        If it is there and cannot be read.
    """
    path = Path(folder) / FILE
    for leftover in Path(folder).glob(f".{FILE}.*"):
        leftover.unlink(missing_ok=True)
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["facts"])
            return Checkpoint({name: file.get_tensor(name) for name in file.keys()}, facts)  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError, json.JSONDecodeError) as err:
        raise DataError(f"{path}: must be a checkpoint of transferkit. Got: {err}. Remove it to start anew.") from err
