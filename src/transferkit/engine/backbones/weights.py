"""Weights from safetensors files, held against the network they are for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ...core.errors import DataError

__all__ = ["read_metadata", "read_weights", "take_weights"]


def read_metadata(path: Path) -> dict[str, str]:
    """What the file says of itself.

    Raises
    ------
    DataError
        If there is no such file, or it is no safetensors file.
    """
    if not path.is_file():
        raise DataError(f"{path}: the file of weights must exist. There is none.")
    try:
        with safe_open(str(path), framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as err:
        raise DataError(f"{path}: must be a safetensors file. Got: {err}.") from err


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file; floats of any width become float32.

    Raises
    ------
    DataError
        If there is no such file, or it is no safetensors file.
    """
    read_metadata(path)
    with safe_open(str(path), framework="pt") as file:
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no dict)
    return {name: t.float() if t.is_floating_point() else t for name, t in found.items()}


def take_weights(model: nn.Module, state: Mapping[str, Tensor], heads: Sequence[str], where: str) -> str | None:
    """Load weights into a model with its classifier.

    Parameters
    ----------
    model : Module
    state : mapping of str to tensor
    heads : sequence of str
        Names of the classifier's modules.
    where : str
        What the messages begin with.

    Returns
    -------
    note : str or None
        Why the classifier was left out, where it alone does not fit.

    Raises
    ------
    DataError
        Naming the first weight of another shape, and those that are missing or too many.
    """
    own = model.state_dict()

    def of_head(name: str) -> bool:
        return any(name.startswith(head + ".") for head in heads)

    wrong = [n for n in own if n in state and own[n].shape != state[n].shape]
    missing = [n for n in own if n not in state and not n.endswith("num_batches_tracked")]
    extra = [n for n in state if n not in own]
    note = None
    if wrong or missing or extra:
        if not all(map(of_head, (*wrong, *missing, *extra))):
            raise DataError(f"{where}: {differences(own, state, wrong, missing, extra)}")
        sizes = [(tuple(state[n].shape), tuple(own[n].shape)) for n in wrong]
        note = (
            f"its classifier has weights of shape {sizes[0][0]} instead of {sizes[0][1]} and was left out "
            f"(num_classes={sizes[0][0][0]} keeps it)"
            if sizes
            else "it brings no classifier of this kind"
        )
    with torch.no_grad():
        for name, value in (*model.named_parameters(), *model.named_buffers()):
            if name in state and not (note and of_head(name)):
                value.copy_(state[name])
    return note


def differences(
    own: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    wrong: Sequence[str],
    missing: Sequence[str],
    extra: Sequence[str],
) -> str:
    """In one sentence each, what keeps weights from fitting."""
    said = []
    if wrong:
        first = wrong[0]
        more = f" {len(wrong) - 1} more differ." if len(wrong) > 1 else ""
        said.append(f"{first} must have shape {tuple(own[first].shape)}. Got {tuple(state[first].shape)}.{more}")
    for names, word in ((missing, "Missing"), (extra, "Not of this network")):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            said.append(f"{word}: {', '.join(names[:3])}{more}.")
    return " ".join(said)


def config_beside(path: Path) -> dict[str, object]:
    """The config.json in a file's folder, or nothing.

    Raises
    ------
    DataError
        If it is no JSON.
    """
    file = path.parent / "config.json"
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise DataError(f"{file}: must be JSON. Got: {err}.") from err
    return found if isinstance(found, dict) else {}
