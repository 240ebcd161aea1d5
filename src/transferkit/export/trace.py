"""Plain numpy mathematics followed into a graph: a function of rows is run once, and every operation leaves a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..core.protocols import Array
from .graph import Graph, Untraceable

__all__ = ["Classes", "Labels", "Traced", "picked", "repeated"]


_UFUNCS = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "true_divide": "Div", "negative": "Neg",
    "matmul": "MatMul", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "absolute": "Abs", "power": "Pow", "tanh": "Tanh",
    "maximum": "Max", "minimum": "Min", "floor": "Floor", "ceil": "Ceil", "sign": "Sign", "sin": "Sin", "cos": "Cos",
    "greater": "Greater", "greater_equal": "GreaterOrEqual", "less": "Less", "less_equal": "LessOrEqual",
    "equal": "Equal", "logical_and": "And", "logical_or": "Or", "logical_not": "Not", "invert": "Not",
    "bitwise_and": "And", "bitwise_or": "Or", "expit": "Sigmoid",
}  # fmt: skip
_FUNCTIONS: dict[Any, Callable[..., Any]] = {}


class Traced(NDArrayOperatorsMixin):
    """An array of rows that remembers how it came about.

    It goes through numpy's functions and operators as an array does. Beside the node it carries what a few example rows
    give, so that shapes and types are plain. What looks at a value (``if``, ``float``, ``np.asarray``) is refused.

    Parameters
    ----------
    graph : Graph
        Takes the nodes.
    name : str
        The value's name in it.
    example : array of shape (n_examples, ...)
        The value for the example rows; double precision, integers or booleans.
    """

    __array_priority__ = 1000

    def __init__(self, graph: Graph, name: str, example: Array) -> None:
        self.graph, self.name, self.example = graph, name, example

    shape = property(lambda self: self.example.shape)
    ndim = property(lambda self: self.example.ndim)
    dtype = property(lambda self: self.example.dtype)
    size = property(lambda self: self.example.size)
    T = property(lambda self: self._next("Transpose", self.example.T, perm=list(range(self.ndim))[::-1]))

    def __len__(self) -> int:
        return len(self.example)

    def _next(self, op: str, example: Array, *more: str | None, **attributes: Any) -> Traced:
        return Traced(self.graph, self.graph.add(op, self.name, *more, **attributes), example)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise Untraceable("values are asked for")

    def __bool__(self) -> bool:
        raise Untraceable("a branch depends on values")

    __float__ = __int__ = __index__ = __bool__

    def __setitem__(self, key: Any, value: Any) -> None:
        """Write whole columns."""
        if not (isinstance(key, tuple) and len(key) == 2 == self.ndim and _is_all(key[0])):
            raise Untraceable("values are written in place")
        columns = np.arange(self.shape[1])
        taken = np.atleast_1d(columns[key[1]])
        if isinstance(value, Traced):
            value = value[:, None] if value.ndim == 1 else value
            source = np.zeros_like(columns)
            source[taken] = np.arange(len(taken)) if value.shape[1] > 1 else 0
            value = value[:, source]
        found: Any = np.where(np.isin(columns, taken), value, self)
        self.name, self.example = found.name, found.example

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        name, where = ufunc.__name__, kwargs.pop("where", True)
        if method != "__call__" or kwargs or (name not in _UFUNCS and name not in ("square", "reciprocal")):
            raise Untraceable(f"numpy.{name}{'' if method == '__call__' else '.' + method}")
        with np.errstate(all="ignore"):
            example = ufunc(*(i.example if isinstance(i, Traced) else i for i in inputs))
        if name == "square":
            inputs = (inputs[0], inputs[0])
        if name == "reciprocal":
            inputs = (1.0, inputs[0])
        op = {"square": "Mul", "reciprocal": "Div"}.get(name) or _UFUNCS[name]
        if example.dtype == bool:
            op = {"Mul": "And", "Add": "Or", "Max": "Or", "Min": "And"}.get(op, op)
        if op in ("Mul", "Div") and example.ndim > 1 and example.shape[-1] > 1:
            # onnxruntime folds a single number into a matrix product, in single precision: one a column.
            n = example.shape[-1]
            inputs = tuple(i if isinstance(i, Traced) or np.size(i) != 1 else np.full(n, i) for i in inputs)
        names = self._operands(inputs, as_float=example.dtype.kind == "f")
        found = Traced(self.graph, self.graph.add(op, *names), example)
        if out is None and where is True:
            return found
        (place,) = out or (None,)
        if not isinstance(place, Traced):
            raise Untraceable(f"numpy.{name} with out=")
        if where is not True:
            found = _where(where, found, place)
        place.name, place.example = found.name, found.example
        return place

    def _operands(self, inputs: Any, *, as_float: bool = False) -> list[str]:
        """Names of values in one common type, as a node wants them; whole numbers as such would be divided as such."""
        arrays = [i.example if isinstance(i, Traced) else np.asarray(i) for i in inputs]
        common = np.result_type(*arrays)
        if as_float or common.kind == "f":
            common = np.dtype(np.float64)
        return [
            _typed(i, common).name if isinstance(i, Traced) else self.graph.constant(a.astype(common))
            for i, a in zip(inputs, arrays)
        ]

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func not in _FUNCTIONS:
            raise Untraceable(f"{func.__module__}.{func.__name__}")
        try:
            return _FUNCTIONS[func](*args, **kwargs)
        except TypeError as err:
            raise Untraceable(f"{func.__module__}.{func.__name__} ({err})") from err

    def __getitem__(self, key: Any) -> Traced:
        """Columns, and new axes; all rows stay."""
        keys = key if isinstance(key, tuple) else (key,)
        if not keys or not _is_all(keys[0]):
            raise Untraceable("rows are picked out")
        found, axis = self, 1
        for part in keys[1:]:
            if part is None:
                at = self.graph.constant([axis], np.int64)
                found = found._next("Unsqueeze", np.expand_dims(found.example, axis), at)
                axis += 1
            elif _is_all(part):
                axis += 1
            elif isinstance(part, (slice, int, np.integer, list, np.ndarray)):
                index = np.arange(found.shape[axis])[part]
                at = self.graph.constant(index, np.int64)
                found = found._next("Gather", np.take(found.example, index, axis=axis), at, axis=axis)
                axis += np.ndim(index)
            else:
                raise Untraceable("an index of this kind")
        return found

    def astype(self, dtype: Any, copy: bool = True) -> Traced:
        dtype = np.dtype(dtype)
        return _typed(self, np.dtype(np.float64) if dtype.kind == "f" else dtype)

    def copy(self) -> Traced:
        return Traced(self.graph, self.name, self.example)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Traced:
        return _reduce("ReduceSum", np.sum, self, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Traced:
        return _reduce("ReduceMean", np.mean, self.astype(np.float64), axis, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Traced:
        return _reduce("ReduceMax", np.max, self, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Traced:
        return _reduce("ReduceMin", np.min, self, axis, keepdims)

    def argmax(self, axis: Any = None) -> Traced:
        return _place("ArgMax", self, axis)

    def argmin(self, axis: Any = None) -> Traced:
        return _place("ArgMin", self, axis)

    def smallest(self, k: int, axis: int = -1) -> tuple[Traced, Traced]:
        """The k smallest along an axis, rising, and their places; of equal ones the first come first."""
        (axis,) = _inner_axes(self, axis)
        places = np.take(np.argsort(self.example, axis=axis, kind="stable"), np.arange(k), axis=axis)
        names = self.graph.add_several(
            2, "TopK", self.name, self.graph.constant([k], np.int64), axis=axis, largest=0, sorted=1
        )
        examples = (np.take_along_axis(self.example, places, axis=axis), places)
        values, index = (Traced(self.graph, name, example) for name, example in zip(names, examples))
        return values, index

    def clip(self, min: Any = None, max: Any = None) -> Traced:
        found = self if min is None else np.maximum(self, min)
        return found if max is None else np.minimum(found, max)

    def reshape(self, *shape: Any) -> Traced:
        raise Untraceable("reshape")


def _is_all(key: Any) -> bool:
    return isinstance(key, slice) and key == slice(None)


def repeated(rows: Traced, value: Array) -> Traced:
    """The same for each of the rows; `value` is of shape (1, ...)."""
    graph = rows.graph
    n = graph.add("Shape", rows.name, start=0, end=1)
    shape = graph.add("Concat", n, graph.constant(value.shape[1:], np.int64), axis=0) if value.ndim > 1 else n
    return Traced(graph, graph.add("Expand", graph.constant(value), shape), np.repeat(value, len(rows), axis=0))


class Labels:
    """Labels of followed rows: the place of each among the classes.

    Parameters
    ----------
    classes : array of shape (n_classes,)
    codes : Traced
        Whole numbers, of shape (rows,).
    """

    def __init__(self, classes: Array, codes: Traced) -> None:
        self.classes, self.codes = classes, codes

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise Untraceable("labels are asked for")


class Classes(np.ndarray):
    """Classes of which followed rows may be given theirs: ``classes[codes]``."""

    def __getitem__(self, key: Any) -> Any:
        return Labels(np.asarray(self), key) if isinstance(key, Traced) else super().__getitem__(key)


def picked(array: Array, index: Traced) -> Traced:
    """``array[index]``, of an array that is the same for all rows."""
    return Traced(
        index.graph, index.graph.add("Gather", index.graph.constant(array), index.name, axis=0), array[index.example]
    )


def _typed(value: Traced, dtype: np.dtype[Any]) -> Traced:
    if value.dtype == dtype:
        return value
    return Traced(value.graph, value.graph.cast(value.name, dtype), value.example.astype(dtype))


def _inner_axes(x: Traced, axis: Any) -> list[int]:
    """The axes, none of which is that of the rows."""
    if axis is None:
        raise Untraceable("a sum over all rows")
    axes = [a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))]
    if 0 in axes:
        raise Untraceable("a sum over all rows")
    return axes


def _number(x: Traced) -> Traced:
    """Of a test 0 and 1: what sums and compares has no form for truth."""
    return x.astype(np.int64) if x.dtype == bool else x


def _place(op: str, x: Traced, axis: Any) -> Traced:
    (axis,) = _inner_axes(x, axis)
    example = x.example.argmax(axis=axis) if op == "ArgMax" else x.example.argmin(axis=axis)
    return _number(x)._next(op, example, axis=axis, keepdims=0)


def _reduce(op: str, function: Any, x: Traced, axis: Any, keepdims: bool) -> Traced:
    x, axes = _number(x), _inner_axes(x, axis)
    example = function(x.example, axis=tuple(axes), keepdims=keepdims)
    return x._next(op, example, x.graph.constant(axes, np.int64), keepdims=int(keepdims))


def _implements(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(own: Callable[..., Any]) -> Callable[..., Any]:
        _FUNCTIONS.update(dict.fromkeys(functions, own))
        return own

    return register


def _first(*values: Any) -> Traced:
    return next(v for v in values if isinstance(v, Traced))


@_implements(np.sum)
def _sum(a: Traced, axis: Any = None, keepdims: bool = False) -> Traced:
    return a.sum(axis, keepdims)


@_implements(np.mean)
def _mean(a: Traced, axis: Any = None, keepdims: bool = False) -> Traced:
    return a.mean(axis, keepdims)


@_implements(np.max, np.amax)
def _max(a: Traced, axis: Any = None, keepdims: bool = False) -> Traced:
    return a.max(axis, keepdims)


@_implements(np.min, np.amin)
def _min(a: Traced, axis: Any = None, keepdims: bool = False) -> Traced:
    return a.min(axis, keepdims)


@_implements(np.argmax)
def _argmax(a: Traced, axis: Any = None) -> Traced:
    return a.argmax(axis)


@_implements(np.argmin)
def _argmin(a: Traced, axis: Any = None) -> Traced:
    return a.argmin(axis)


@_implements(np.sort)
def _sort(a: Traced, axis: int = -1, kind: Any = None) -> Traced:
    return a.smallest(a.shape[axis], axis)[0]


@_implements(np.argsort)
def _argsort(a: Traced, axis: int = -1, kind: Any = None) -> Traced:
    return a.smallest(a.shape[axis], axis)[1]


@_implements(np.cumsum)
def _cumsum(a: Traced, axis: Any = None) -> Traced:
    (axis,) = _inner_axes(a, axis)
    return a._next("CumSum", np.cumsum(a.example, axis=axis), a.graph.constant(axis, np.int64))


@_implements(np.take_along_axis)
def _take_along_axis(arr: Traced, indices: Traced, axis: int) -> Traced:
    (axis,) = _inner_axes(arr, axis)
    example = np.take_along_axis(arr.example, indices.example, axis=axis)
    return arr._next("GatherElements", example, indices.name, axis=axis)


@_implements(np.clip)
def _clip(a: Any, a_min: Any = None, a_max: Any = None) -> Traced:
    return a.clip(a_min, a_max)


@_implements(np.linalg.norm)
def _norm(x: Traced, axis: Any = None, keepdims: bool = False) -> Traced:
    return np.sqrt((x * x).sum(axis, keepdims))


@_implements(np.where)
def _where(condition: Any, x: Any, y: Any) -> Traced:
    some = _first(condition, x, y)
    test = condition if isinstance(condition, Traced) else np.asarray(condition, dtype=bool)
    example = np.where(*(v.example if isinstance(v, Traced) else v for v in (test, x, y)))
    name = test.name if isinstance(test, Traced) else some.graph.constant(test)
    return Traced(some.graph, some.graph.add("Where", name, *some._operands((x, y))), example)


@_implements(np.einsum)
def _einsum(subscripts: str, *operands: Any) -> Traced:
    some = _first(*operands)
    example = np.einsum(subscripts, *(o.example if isinstance(o, Traced) else o for o in operands))
    if subscripts.replace(" ", "") == "ij,ij->i":  # a node that every runtime has in double precision
        return (operands[0] * operands[1]).sum(axis=1)
    return Traced(some.graph, some.graph.add("Einsum", *some._operands(operands), equation=subscripts), example)


@_implements(np.concatenate)
def _concatenate(arrays: Any, axis: int = 0) -> Traced:
    some = _first(*arrays)
    if not all(isinstance(a, Traced) for a in arrays) or axis % some.ndim == 0:
        raise Untraceable("rows put below each other")
    example = np.concatenate([a.example for a in arrays], axis=axis)
    return Traced(some.graph, some.graph.add("Concat", *some._operands(arrays), axis=axis % some.ndim), example)


@_implements(np.hstack)
def _hstack(arrays: Any) -> Traced:
    return _concatenate(arrays, axis=1)


@_implements(np.column_stack)
def _column_stack(arrays: Any) -> Traced:
    return _concatenate([a[:, None] if a.ndim == 1 else a for a in arrays], axis=1)


@_implements(np.expand_dims)
def _expand_dims(a: Traced, axis: int) -> Traced:
    if axis in (0, -a.ndim - 1):
        raise Untraceable("an axis before the rows")
    at = a.graph.constant([axis], np.int64)
    return a._next("Unsqueeze", np.expand_dims(a.example, axis), at)
