"""Functions that a method calls and that have no nodes of their own stand aside for twins while the method is followed.

A twin does with followed rows, as nodes, what its original does with arrays; of everything else the original takes care.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import reduce, wraps
from typing import Any

import numpy as np
from scipy.special import softmax

from ..core.validation import check_rows
from ..core.vote import class_probabilities
from ..ops.kernels.gaussian import squared_distances
from ..ops.kernels.map import kernel_components
from ..ops.neighbours import SAME, nearest
from ..ops.trees.arrays import leaf_values
from ..ops.trees.boosting import add_trees
from ..ops.wrapped import class_shares
from .estimators import transform_rows
from .graph import Untraceable
from .trace import Labels, Traced, repeated
from .trees import tree_sums

__all__ = ["nearest_rows", "plain", "twins"]

_followed: ContextVar[Traced | None] = ContextVar("followed", default=None)
_OURS = tuple(f"transferkit.{layer}." for layer in ("core", "ops", "algorithms"))
_TWINS: dict[Any, Callable[..., Any]] = {}


def _is_followed(value: Any) -> bool:
    several = isinstance(value, (list, tuple))
    return any(map(_is_followed, value)) if several else isinstance(value, (Traced, Labels))


def _twin_of(original: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(own: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def either(*args: Any, **kwargs: Any) -> Any:
            if not any(map(_is_followed, (*args, *kwargs.values()))):
                return original(*args, **kwargs)
            with plain():
                return own(*args, **kwargs)

        _TWINS[original] = either
        return own

    return register


class _Numpy:
    """numpy with the twins of what it does not let an array-like take over."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        return _TWINS.get(found, found) if callable(found) else found


@contextmanager
def _following(rows: Traced | None) -> Iterator[None]:
    before = _followed.set(rows)
    try:
        yield
    finally:
        _followed.reset(before)


def plain() -> AbstractContextManager[None]:
    """Within it, arrays are made as everywhere: what is computed is for the example rows alone."""
    return _following(None)


@contextmanager
def twins(rows: Traced) -> Iterator[None]:
    """Within it, all modules of methods and of their mathematics see the twins; what is made one a row is one of `rows`."""
    numpy, kept = _Numpy(), []
    for module in [m for name, m in sys.modules.items() if name.startswith(_OURS)]:
        for name, value in vars(module).items():
            twin = numpy if value is np else _TWINS.get(value) if callable(value) and value.__hash__ else None
            if twin is not None:
                kept.append((vars(module), name, value, twin))
    for home, name, _, twin in kept:
        home[name] = twin
    try:
        with _following(rows):
            yield
    finally:
        for home, name, value, _ in kept:
            home[name] = value


@_twin_of(np.asarray)
def _asarray(a: Any, dtype: Any = None, **_: Any) -> Any:
    if not isinstance(a, (Traced, Labels)):
        raise Untraceable("an array of arrays")
    return a if dtype is None or isinstance(a, Labels) else a.astype(dtype)


def _one_a_row(original: Any) -> None:
    """Let a function that makes equal rows make one for each that is followed, where it is asked for as many."""

    @wraps(original)
    def either(*args: Any, **kwargs: Any) -> Any:
        made, rows = original(*args, **kwargs), _followed.get()
        if rows is None or not made.ndim or len(made) != len(rows):
            return made
        return repeated(rows, np.zeros_like(made[:1]) if original is np.empty else made[:1])

    _TWINS[original] = either


for _function in (np.empty, np.zeros, np.ones, np.full, np.broadcast_to):
    _one_a_row(_function)


@_twin_of(np.sum)
def _sum(a: Any, axis: Any = None, keepdims: bool = False) -> Traced:
    return reduce(np.add, a) if axis == 0 and isinstance(a, (list, tuple)) else a.sum(axis, keepdims)


@_twin_of(softmax)
def _softmax(x: Traced, axis: Any = None) -> Traced:
    shares = np.exp(x - x.max(axis, keepdims=True))
    return shares / shares.sum(axis, keepdims=True)


@_twin_of(check_rows)
def _rows(est: Any, X: Traced, **_: Any) -> Traced:
    return X


@_twin_of(class_probabilities)
@_twin_of(class_shares)
def _shares(model: Any, X: Traced, classes: Any) -> Traced:
    return model.shares(X, np.asarray(classes))


@_twin_of(kernel_components)
def _components(decomposition: Any, X: Traced) -> Traced:
    name, _ = transform_rows(X.graph, decomposition, X.name, X.shape[1])
    return Traced(X.graph, name, kernel_components(decomposition, X.example))


@_twin_of(nearest)
def nearest_rows(X: Any, Q: Any, k: int, **_: Any) -> Any:
    """`nearest` in a graph, for which all rows are compared, however many there are."""
    distances: Any = squared_distances(Q, X)
    squared, index = distances.smallest(k)
    centred = Q - X.mean(axis=0, dtype=np.float64)
    return np.where(squared > SAME * (centred * centred).sum(axis=1, keepdims=True), squared, 0.0), index


@_twin_of(leaf_values)
def _leaf_values(trees: Any, X: Traced) -> Traced:
    total = Traced(X.graph, tree_sums(X.graph, X.name, [trees], [trees["value"]]), leaf_values(trees, X.example))
    return total / len(trees["roots"])


@_twin_of(add_trees)
def _add_trees(rounds: Any, X: Traced, n_outputs: int) -> Traced:
    if not rounds:
        return X @ np.zeros((X.shape[1], n_outputs))
    values = [_one_output_each(trees, n_outputs) for trees in rounds]
    return Traced(X.graph, tree_sums(X.graph, X.name, rounds, values), add_trees(rounds, X.example, n_outputs))


def _one_output_each(trees: Any, n_outputs: int) -> Any:
    """What the nodes add: those of the tree of an output to that one alone."""
    output = np.searchsorted(trees["roots"], np.arange(len(trees["value"])), side="right") - 1
    return np.where(output[:, None] == np.arange(n_outputs), trees["value"][:, None], 0.0)
