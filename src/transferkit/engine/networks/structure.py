"""What a network computes beside its weights, as a hash: its modules, their settings, and the code behind them."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import types
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["Unreadable", "structure_digest"]

# Their version stands for their code.
_LIBRARIES = (
    "builtins",
    "torch",
    "numpy",
    "math",
    "timm",
    "torchvision",
    "transformers",
    "sentence_transformers",
    "transferkit",
)
_OWN_OF_TORCH = frozenset(vars(nn.Module()))  # parameters, modules and hooks: these are looked at one by one
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.Size, np.generic)


class Unreadable(Exception):
    """Something that decides what a network computes cannot be told from something else."""


def structure_digest(body: nn.Module) -> str:
    """SHA-256 of the structure.

    Parameters
    ----------
    body : Module

    Returns
    -------
    digest : str
        64 hexadecimal digits; equal in another process where structure, code and library versions are equal.

    Raises
    ------
    Unreadable
        Where a module of the user's has code that cannot be read (it was typed at a prompt), or an attribute that is
        neither plain values nor a function.
    """
    digest = hashlib.sha256()
    code: dict[str, str] = {}
    kept = set(body.state_dict())
    for name, module in body.named_modules():
        digest.update(f"{name} {_code(type(module), code)}\n".encode())
        ours = _library(type(module)) is None
        for key, value in sorted(vars(module).items()):
            if key not in _OWN_OF_TORCH:
                digest.update(f".{key} {_said(value, code, strict=ours)}\n".encode())
        for hooks in _HOOKS:
            for hook in getattr(module, hooks).values():
                digest.update(f"{hooks} {_said(hook, code, strict=True)}\n".encode())
    for name, buffer in body.named_buffers():
        if name not in kept:  # it is no part of the weights' hash
            digest.update(f"{name} {_said(buffer, code, strict=True)}\n".encode())
    digest.update(json.dumps(code, sort_keys=True).encode())
    return digest.hexdigest()


def _said(value: Any, code: dict[str, str], *, strict: bool) -> str:
    """A value as text that is equal for equal values, and only for these."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, Mapping):
        return str({repr(k): _said(v, code, strict=strict) for k, v in value.items()})
    if isinstance(value, (tuple, list)):
        return str([_said(v, code, strict=strict) for v in value])
    if isinstance(value, (set, frozenset)):
        return str(sorted(_said(v, code, strict=strict) for v in value))
    if isinstance(value, Tensor):
        value = value.detach().cpu().to(torch.float64 if value.is_floating_point() else value.dtype).numpy()
    if isinstance(value, np.ndarray) and value.dtype != object:
        return f"{value.dtype} {value.shape} {hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}"
    if isinstance(value, functools.partial):
        return _said((value.func, value.args, value.keywords), code, strict=strict)
    if isinstance(value, nn.Module):
        return f"module {type(value).__qualname__}"  # one that is registered too, or it would have no name
    if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
        return _code(value, code, strict=strict)
    if hasattr(value, "to_json_string"):  # a configuration of transformers
        return str(value.to_json_string())
    if strict:
        raise Unreadable(f"an attribute of type {type(value).__qualname__}")
    return type(value).__qualname__


def _code(thing: Any, code: dict[str, str], *, strict: bool = True) -> str:
    """Name of a class or function; its code, or its library's version, goes into `code`."""
    name = f"{thing.__module__}.{thing.__qualname__}"
    library = _library(thing)
    if library is not None:
        code[library] = _version(library)
        return name
    try:
        text = inspect.getsource(thing)
    except (OSError, TypeError) as err:
        if strict:
            raise Unreadable(f"the code of {thing.__qualname__}") from err
        return name
    return f"{name} {hashlib.sha256(text.encode()).hexdigest()}"


def _library(thing: Any) -> str | None:
    found = str(thing.__module__).partition(".")[0].removeprefix("_")
    return found if found in _LIBRARIES else None


@cache
def _version(library: str) -> str:
    try:
        return version(library.replace("_", "-"))
    except PackageNotFoundError:
        return ""  # part of Python
