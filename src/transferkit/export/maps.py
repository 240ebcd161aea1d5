"""A method's map of target rows as nodes: read off where it is affine, else followed through its own mathematics."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from ..core.base import ShallowTransfer
from ..core.errors import DataError
from ..core.protocols import Array
from ..core.vote import class_probabilities
from .affine import affine_of
from .answer import Answer
from .graph import Graph, Untraceable
from .trace import Classes, Labels, Traced
from .twins import plain, twins

__all__ = ["Ask", "asked", "examples", "followed", "map_rows"]

Ask = Callable[[Any, str, int], Answer]


def examples(n_features: int) -> Array:
    """Rows for shapes; of a number that nothing else is likely to have."""
    return np.random.default_rng(0).normal(size=(37, n_features))


def map_rows(graph: Graph, rows: str, n_features: int, method: Any, ask: Ask) -> str:
    """The name of the mapped rows.

    Parameters
    ----------
    graph : Graph
    rows : str
        Double precision, of shape (rows, n_features).
    n_features : int
    method : ShallowTransfer
        Fitted; ``_target_rows`` is its map.
    ask : callable
        See `asked`.

    Raises
    ------
    Untraceable
        If it is neither affine nor of operations that a graph has.
    """
    found = affine_of(lambda X: method._target_rows(X, "predict"), n_features)
    if found is not None:
        matrix, offset = found
        if matrix is not None:
            rows = graph.add("MatMul", rows, graph.constant(matrix))
        return graph.add("Add", rows, graph.constant(offset)) if offset.any() else rows
    stand_in = asked(method, ask)
    return followed(lambda X: stand_in._target_rows(X, "predict"), Traced(graph, rows, examples(n_features))).name


def followed(function: Callable[[Traced], Any], rows: Traced) -> Any:
    """What a function makes of rows, as nodes: values, or labels.

    Raises
    ------
    Untraceable
        If it does with the rows what only an array can do.
    DataError
        Naming a part of the model that has no form in ONNX.
    """
    try:
        with twins(rows):
            found = function(rows)
    except DataError:  # of a part inside, which is named
        raise
    except (AttributeError, IndexError, TypeError, ValueError) as err:
        raise Untraceable(" ".join(str(err).split())[:200]) from err
    if not isinstance(found, (Traced, Labels)):
        raise Untraceable("the result is no array of rows")
    return found


class _Inner:
    """Stands for a fitted estimator while a method is followed: its answers become nodes."""

    def __init__(self, estimator: Any, ask: Ask) -> None:
        self._estimator, self._ask = estimator, ask
        if hasattr(estimator, "classes_"):
            self.classes_ = np.asarray(estimator.classes_)
        for name, own in (("predict_proba", self._proba), ("transform", self._transform)):
            if hasattr(estimator, name):
                setattr(self, name, own)

    def __getattr__(self, name: str) -> Any:
        if hasattr(self._estimator, name):
            raise Untraceable(f"{name} of {type(self._estimator).__name__}")
        raise AttributeError(name)

    def _answer(self, X: Any, method: str) -> tuple[Answer, Array]:
        """With what it is for the example rows."""
        if not isinstance(X, Traced):
            raise Untraceable("an answer for other rows than the model's")
        with plain():
            return self._ask(self._estimator, X.name, X.shape[1]), getattr(self._estimator, method)(X.example)

    def _proba(self, X: Any) -> Traced:
        found, example = self._answer(X, "predict_proba")
        return Traced(X.graph, found.sure(X.graph), example)

    def _transform(self, X: Any, domain: str = "target") -> Traced:
        if domain != "target" or not isinstance(self._estimator, ShallowTransfer):
            raise Untraceable(f"transform of {type(self._estimator).__name__}")
        with plain():
            name = map_rows(X.graph, X.name, X.shape[1], self._estimator, self._ask)
            return Traced(X.graph, name, self._estimator.transform(X.example))

    def predict(self, X: Any) -> Traced | Labels:
        found, example = self._answer(X, "predict")
        if found.classes is None:
            assert found.value is not None
            return Traced(X.graph, found.value, example)
        codes = np.argmax(np.asarray(example)[:, None] == found.classes, axis=1)
        return Labels(found.classes, Traced(X.graph, found.codes(X.graph), codes))

    def shares(self, X: Any, classes: Array) -> Traced:
        """Probabilities with a column for each of `classes`; 1 for the class predicted, of a classifier without any."""
        found, _ = self._answer(X, "predict")
        example = class_probabilities(self._estimator, X.example, classes)
        return Traced(X.graph, found.among(X.graph, classes).sure(X.graph), example)


def asked(method: Any, ask: Ask) -> Any:
    """A copy of a fitted method whose inner estimators answer with nodes.

    Parameters
    ----------
    method : object
    ask : callable
        ``ask(estimator, rows, n_features)`` gives an `Answer`.
    """

    def stands_in(value: Any) -> Any:
        if isinstance(value, list):
            return [stands_in(v) for v in value]
        return _Inner(value, ask) if isinstance(value, BaseEstimator) and hasattr(value, "predict") else value

    stand_in = copy.copy(method)
    for name, value in vars(method).items():
        if name == "classes_":
            stand_in.classes_ = np.asarray(value).view(Classes)
        elif name.endswith("_"):
            setattr(stand_in, name, stands_in(value))
    return stand_in
