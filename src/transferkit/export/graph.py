"""An ONNX graph under construction: nodes and constants by name, and other graphs merged in."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from hashlib import sha256
from types import ModuleType
from typing import Any

import numpy as np

from ..core.errors import MissingExtraError
from ..core.protocols import Array

__all__ = ["OPSET", "Graph", "Untraceable", "need"]

OPSET = {"": 18, "ai.onnx.ml": 3}
IR_VERSION = 9
_EMPTY = ""  # ONNX's name for an optional input that is left out


def need(module: str) -> ModuleType:
    """A package of the extra ``export``.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as err:
        name = module.partition(".")[0]
        raise MissingExtraError(f"export: needs {name}: pip install 'transferkit[export]'") from err


class Untraceable(Exception):
    """An operation that has no node; the argument says which."""


class Graph:
    """Collects nodes; every value has a name, and rows are along the first axis of free length.

    Attributes
    ----------
    inputs : dict of str to dict
        What the graph takes, by name, with what a caller has to know of it: see `add_input`.
    """

    def __init__(self) -> None:
        self._onnx = need("onnx")
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._by_content: dict[Any, Any] = {}
        self._values: list[Any] = []
        self._n = 0
        self.inputs: dict[str, dict[str, Any]] = {}

    def _name(self, stem: str) -> str:
        self._n += 1
        return f"{stem}_{self._n}"

    def add_input(self, name: str, dtype: Any, shape: Sequence[int | None], about: Mapping[str, Any]) -> str:
        """A named input whose first axis is the rows; `about` is JSON that says how to fill it."""
        helper = self._onnx.helper
        element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        dims = ["rows", *(f"{name}_{k}" if d is None else d for k, d in enumerate(shape[1:], 1))]
        self._values.append(helper.make_tensor_value_info(name, element, dims))
        self.inputs[name] = dict(about)
        return name

    def constant(self, value: Any, dtype: Any = None) -> str:
        """A constant; equal ones are kept once."""
        array = np.ascontiguousarray(np.asarray(value, dtype=dtype)).reshape(np.shape(value))
        if array.dtype.kind == "U":
            array = array.astype(object)
        content = tuple(array.ravel().tolist()) if array.dtype == object else array.tobytes()
        key = (array.dtype.str, array.shape, content)
        if key not in self._by_content:
            name = self._by_content[key] = self._name("constant")
            if array.dtype == object:
                texts = [str(v).encode() for v in array.ravel()]
                self._constants[name] = self._onnx.helper.make_tensor(
                    name, self._onnx.TensorProto.STRING, array.shape, texts
                )
            else:
                self._constants[name] = self._onnx.numpy_helper.from_array(array, name)
        return self._by_content[key]

    def add(self, op: str, *inputs: str | None, domain: str = "", **attributes: Any) -> str:
        """A node with one output, whose name is returned; None is an input left out."""
        return self.add_several(1, op, *inputs, domain=domain, **attributes)[0]

    def add_several(self, n: int, op: str, *inputs: str | None, domain: str = "", **attributes: Any) -> list[str]:
        """A node with `n` outputs, whose names are returned; equal nodes are there once."""
        arrays = {key: value for key, value in attributes.items() if isinstance(value, np.ndarray)}
        plain = {key: value for key, value in attributes.items() if key not in arrays}
        contents = [(k, v.dtype.str, sha256(v.tobytes()).digest()) for k, v in arrays.items()]
        key = (n, op, inputs, domain, repr(plain), repr(contents))
        if key not in self._by_content:
            name = self._name(op)
            names = [name, *(f"{name}_{k}" for k in range(1, n))]
            given = [_EMPTY if i is None else i for i in inputs]
            node = self._onnx.helper.make_node(op, given, names, name=name, domain=domain, **plain)
            node.attribute.extend(self._attribute(k, v) for k, v in arrays.items())
            self._nodes.append(node)
            self._by_content[key] = names
        return self._by_content[key]

    def _attribute(self, name: str, values: Array) -> Any:
        """Of many values, which onnx's own helper would look at one by one."""
        proto = self._onnx.AttributeProto
        kind, place = {"i": (proto.INTS, "ints"), "f": (proto.FLOATS, "floats"), "S": (proto.STRINGS, "strings")}[
            values.dtype.kind
        ]
        found = proto(name=name, type=kind)
        getattr(found, place).extend(values.tolist())
        return found

    def cast(self, value: str, dtype: Any) -> str:
        """The value in another type, numpy's."""
        return self.add("Cast", value, to=self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def merge(self, model: Any, feeds: Mapping[str, str]) -> list[str]:
        """Put another model's graph in, with its inputs connected to values of this one; gives its outputs' names."""
        own = {s.domain or "": s.version for s in model.opset_import}
        too_new = {d: v for d, v in own.items() if v > OPSET.get(d, 0)}
        if too_new:
            raise Untraceable(f"operators of {too_new}, beyond {OPSET}")
        if len(model.functions):
            model = self._onnx.inliner.inline_local_functions(model)
        prefix = f"{self._name('part')}/"
        graph = self._onnx.compose.add_prefix_graph(model.graph, prefix)
        names = {prefix + name: value for name, value in feeds.items()}
        for node in graph.node:
            _rename(node, names)
            self._nodes.append(node)
        for constant in graph.initializer:
            self._constants[constant.name] = constant
        return [names.get(o.name, o.name) for o in graph.output]

    def one_row_axis(self, value: str) -> str:
        """Values of shape (rows, 1) as (rows,)."""
        return self.add("Reshape", value, self.constant([-1], np.int64))

    def model(self, outputs: Mapping[str, tuple[str, Any, Sequence[int | None]]], metadata: Mapping[str, str]) -> Any:
        """The finished model, checked by ONNX's own checker; the graph is empty then.

        Parameters
        ----------
        outputs : mapping
            By its name to the outside: value, dtype (``str`` for texts) and shape.
        metadata : mapping of str to str
            Its ``metadata_props``.
        """
        helper, named = self._onnx.helper, []
        for name, (value, dtype, shape) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [value], [name], name=f"output_{name}"))
            element = (
                self._onnx.TensorProto.STRING if dtype is str else helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
            )
            named.append(helper.make_tensor_value_info(name, element, ["rows", *shape[1:]]))
        self._drop_unused(set(outputs))
        graph = helper.make_graph(self._nodes, "transferkit", self._values, named, list(self._constants.values()))
        self._nodes, self._constants, self._by_content = [], {}, {}  # of many trees each copy takes hundreds of MB
        sets = [helper.make_opsetid(domain, version) for domain, version in OPSET.items()]
        found = helper.make_model(graph, opset_imports=sets, ir_version=IR_VERSION, producer_name="transferkit")
        del graph
        helper.set_model_props(found, dict(metadata))
        if found.ByteSize() < 2**31 - 2**20:  # beyond it, protobuf has no form for it; the caller says so
            self._onnx.checker.check_model(found)
        return found

    def _drop_unused(self, wanted: set[str]) -> None:
        """Leave out what no output needs."""
        kept: list[Any] = []
        for node in reversed(self._nodes):
            if wanted & set(node.output):
                kept.append(node)
                wanted |= _reads(node)
        self._nodes = kept[::-1]
        self._constants = {name: c for name, c in self._constants.items() if name in wanted}


def _subgraphs(node: Any) -> list[Any]:
    return [a.g for a in node.attribute if a.HasField("g")] + [g for a in node.attribute for g in a.graphs]


def _rename(node: Any, names: Mapping[str, str]) -> None:
    """Inputs, also those that graphs inside the node read from outside."""
    for k, name in enumerate(node.input):
        node.input[k] = names.get(name, name)
    for graph in _subgraphs(node):
        for inner in graph.node:
            _rename(inner, names)


def _reads(node: Any) -> set[str]:
    found = set(node.input)
    for graph in _subgraphs(node):
        for inner in graph.node:
            found |= _reads(inner)
        found |= {o.name for o in graph.output}
    return found
