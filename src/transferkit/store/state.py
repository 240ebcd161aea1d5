"""The state of an object as a tree of JSON, with arrays and scikit-learn objects put aside; and the way back."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from scipy import sparse

from ..core.errors import DataError
from ..core.protocols import Array
from .arrays import can_pack, pack, unpack
from .classes import Untrusted, class_id, dump_part, find_class, load_part, name_of

__all__ = ["Reader", "Writer"]

_SPARSE = {
    cls.__name__: (cls, parts)
    for classes, parts in (
        ((sparse.csr_matrix, sparse.csr_array), ("data", "indices", "indptr")),
        ((sparse.csc_matrix, sparse.csc_array), ("data", "indices", "indptr")),
        ((sparse.bsr_matrix, sparse.bsr_array), ("data", "indices", "indptr")),
        ((sparse.coo_matrix, sparse.coo_array), ("data", "row", "col")),
        ((sparse.dia_matrix, sparse.dia_array), ("data", "offsets")),
    )
    for cls in classes
}
_RULE = "hold numbers, text, arrays, tensors, containers of these, or objects of transferkit and scikit-learn"


class Writer:
    """Turns an object into a tree.

    Parameters
    ----------
    trusted : iterable of str
        Dotted names of other classes that skops may save.

    Attributes
    ----------
    arrays : dict of str to array
        What goes into the safetensors file.
    parts : dict of str to bytes
        Skops files by name.
    tensors : dict of str to torch tensor
        What goes into the safetensors file of torch.
    networks : list of dict
        Place, backbone and weights of every network.
    """

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        self.trusted = tuple(trusted)
        self.arrays: dict[str, Array] = {}
        self.parts: dict[str, bytes] = {}
        self.tensors: dict[str, Any] = {}
        self.networks: list[dict[str, str]] = []
        self._around: list[int] = []  # containers and objects that we are inside of
        # By id, what lies in a part already; the objects are held, so that no id is used twice.
        self._done: dict[int, tuple[Any, dict[str, Any]]] = {}

    def node(self, value: Any, place: str) -> Any:
        """The tree of a value; `place` says where it was found, for names and messages."""
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            return value if math.isfinite(value) else {"is": "float", "value": repr(value)}
        if kind in (np.ndarray, np.memmap):
            return self._array(np.asarray(value), place)
        if isinstance(value, PurePath):
            return {"is": "path", "value": str(value)}
        if isinstance(value, np.generic):
            return {**self._array(np.asarray(value), place), "is": "scalar"}
        if id(value) in self._around:
            raise DataError(f"store.save: {place} must not contain itself. Got {name_of(kind)}.")
        self._around.append(id(value))
        try:
            return self._compound(value, kind, place)
        finally:
            self._around.pop()

    def _compound(self, value: Any, kind: type, place: str) -> Any:
        if kind is list:
            return [self.node(v, f"{place}[{k}]") for k, v in enumerate(value)]
        if kind in (tuple, set, frozenset):
            return {"is": kind.__name__, "items": [self.node(v, f"{place}[{k}]") for k, v in enumerate(value)]}
        if kind is dict:
            pairs = [
                [self.node(k, f"{place} key {i}"), self.node(v, f"{place}[{k!r}]")]
                for i, (k, v) in enumerate(value.items())
            ]
            return {"is": "dict", "items": pairs}
        if kind.__name__ in _SPARSE and kind is _SPARSE[kind.__name__][0]:
            parts = {p: self.node(getattr(value, p), f"{place}.{p}") for p in _SPARSE[kind.__name__][1]}
            return {"is": "sparse", "class": kind.__name__, "shape": list(value.shape), "parts": parts}
        if _is_deep(kind):
            return self._deep(value, place)
        ours = class_id(kind)
        if ours is not None and hasattr(value, "__dict__"):
            state = [[k, self._attribute(k, v, f"{place}.{k}")] for k, v in vars(value).items()]
            return {"is": "object", "class": ours, "state": state}
        if (
            kind.__module__.partition(".")[0] == "sklearn"
            or kind in (np.random.RandomState, np.random.Generator)
            or name_of(kind) in self.trusted
        ):
            return self._part(value, place)
        raise DataError(f"store.save: {place} must {_RULE}. Got {name_of(kind)}.")

    def _attribute(self, name: str, value: Any, place: str) -> Any:
        """A source model that a constructor was given is named, not saved."""
        if name in ("source", "backbone") and _is_deep(type(value)):
            from ..engine.networks.saving import describe_source

            return {"is": "source", **describe_source(value)}
        return self.node(value, place)

    def _deep(self, value: Any, place: str) -> dict[str, Any]:
        from ..engine.networks.network import Network
        from ..engine.networks.saving import Tensor, describe_module, describe_network  # type: ignore[attr-defined]

        if isinstance(value, Tensor):
            return {"is": "tensor", "name": self._tensor(value, place)}
        is_network = isinstance(value, Network)
        about, state = (describe_network if is_network else describe_module)(value, place)
        if is_network:
            self.networks.append({"place": place, "backbone": about["backbone"], "weights": about["weights"]})
        names = {name: self._tensor(tensor, f"{place}.{name}") for name, tensor in state.items()}
        return {"is": "network" if is_network else "module", "about": self.node(about, place), "state": names}

    def _tensor(self, tensor: Any, place: str) -> str:
        name = _free(place, self.tensors)
        self.tensors[name] = tensor
        return name

    def _array(self, array: Array, place: str) -> dict[str, Any]:
        if array.dtype.kind == "O":
            items = [self.node(v, f"{place}[{k}]") for k, v in enumerate(array.ravel().tolist())]
            return {"is": "objects", "shape": list(array.shape), "items": items}
        if not can_pack(array.dtype):
            raise DataError(f"store.save: {place} must {_RULE}. Got an array of dtype {array.dtype}.")
        stored, about = pack(array)
        name = _free(place, self.arrays)
        self.arrays[name] = stored
        return {"is": "array", "name": name, **about}

    def _part(self, value: Any, place: str) -> dict[str, Any]:
        if id(value) in self._done:  # one object in two places is one file, and is one object again after loading
            return self._done[id(value)][1]
        try:
            content = dump_part(value, self.trusted)
        except Untrusted as err:
            raise DataError(
                f"store.save: {place} must {_RULE}, or the class be named in trusted. Got {name_of(type(value))} with {err}."
            ) from err
        name = _free(re.sub(r"[^A-Za-z0-9_.-]+", "_", place)[:80], [p.removesuffix(".skops") for p in self.parts])
        self.parts[f"{name}.skops"] = content
        node = {"is": "skops", "file": f"{name}.skops"}
        self._done[id(value)] = value, node
        return node


def _free(name: str, taken: Iterable[str]) -> str:
    """The name, or the name with a number; names that differ in case only count as equal, as on some disks."""
    lower = {t.lower() for t in taken}
    k, free = 1, name
    while free.lower() in lower:
        k, free = k + 1, f"{name}-{k + 1}"
    return free


def _is_deep(kind: type) -> bool:
    """Whether a class is one of torch (a tensor, a module), or a Backbone; told without importing torch."""
    return kind.__module__ == "transferkit.engine.networks.backbone" or any(
        base.__module__.partition(".")[0] == "torch" for base in kind.__mro__
    )


class Reader:
    """Turns a tree back into an object.

    Parameters
    ----------
    arrays, parts : mapping
        As `Writer` left them.
    trusted : iterable of str
        Dotted names of other classes that skops may build.
    tensors : Path, optional
        The safetensors file of torch.
    modules : mapping of str to Module
        The user's own networks by class name.
    """

    def __init__(
        self,
        arrays: Mapping[str, Array],
        parts: Mapping[str, bytes],
        trusted: Iterable[str] = (),
        tensors: Path | None = None,
        modules: Mapping[str, Any] | None = None,
    ) -> None:
        self.arrays, self.parts, self.trusted = arrays, parts, tuple(trusted)
        self.tensors, self.modules = tensors, modules or {}
        self._opened: Any = None
        self._built: dict[str, Any] = {}  # by file

    def value(self, node: Any) -> Any:
        """The value of a tree.

        Raises
        ------
        Untrusted
            Naming the class that may not be built, or the file that holds it.
        ValueError, KeyError, TypeError
            If the tree is not one of `Writer`.
        """
        if isinstance(node, list):
            return [self.value(n) for n in node]
        if not isinstance(node, dict):
            return node
        return getattr(self, f"_read_{node['is']}")(node)

    def _read_float(self, node: dict[str, Any]) -> float:
        return float(node["value"])

    def _read_array(self, node: dict[str, Any]) -> Array:
        return unpack(self.arrays[node["name"]], node)

    def _read_path(self, node: dict[str, Any]) -> Path:
        return Path(node["value"])

    def _read_tensor(self, node: dict[str, Any]) -> Any:
        if self._opened is None and self.tensors is not None:
            from ..engine.networks.saving import Tensors

            self._opened = Tensors(self.tensors)
        return self._opened[node["name"]]

    def _read_network(self, node: dict[str, Any]) -> Any:
        from ..engine.networks.saving import build_network

        return build_network(self.value(node["about"]), self._state(node), self.modules)

    def _read_module(self, node: dict[str, Any]) -> Any:
        from ..engine.networks.saving import build_module

        return build_module(self.value(node["about"]), self._state(node))

    def _state(self, node: dict[str, Any]) -> dict[str, Any]:
        return {name: self._read_tensor({"name": key}) for name, key in node["state"].items()}

    def _read_source(self, node: dict[str, Any]) -> Any:
        from ..engine.networks.saving import build_source

        return build_source(node, self.modules)

    def _read_scalar(self, node: dict[str, Any]) -> Any:
        return self._read_array(node)[()]

    def _read_objects(self, node: dict[str, Any]) -> Array:
        items = [self.value(n) for n in node["items"]]
        if len(items) != math.prod(node["shape"]):
            raise ValueError(f"{len(items)} items for the shape {node['shape']}")
        array = np.empty(node["shape"], dtype=object)
        for k, item in zip(np.ndindex(array.shape), items):
            array[k] = item
        return array

    def _read_tuple(self, node: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(self.value(n) for n in node["items"])

    def _read_set(self, node: dict[str, Any]) -> set[Any]:
        return {self.value(n) for n in node["items"]}

    def _read_frozenset(self, node: dict[str, Any]) -> frozenset[Any]:
        return frozenset(self.value(n) for n in node["items"])

    def _read_dict(self, node: dict[str, Any]) -> dict[Any, Any]:
        return {self.value(k): self.value(v) for k, v in node["items"]}

    def _read_sparse(self, node: dict[str, Any]) -> Any:
        cls, names = _SPARSE[node["class"]]
        parts = [self.value(node["parts"][p]) for p in names]
        shape = tuple(node["shape"])
        data, *index = parts
        if node["class"].startswith("coo"):
            return cls((data, tuple(index)), shape=shape)
        return cls((data, *index), shape=shape)

    def _read_object(self, node: dict[str, Any]) -> Any:
        cls: Any = find_class(str(node["class"]))
        if cls is None:
            raise Untrusted(str(node["class"]))
        built = cls.__new__(cls)
        built.__dict__.update({str(k): self.value(v) for k, v in node["state"]})
        return built

    def _read_skops(self, node: dict[str, Any]) -> Any:
        file = node["file"]
        if file not in self._built:
            self._built[file] = load_part(self.parts[file], self.trusted)
        return self._built[file]
