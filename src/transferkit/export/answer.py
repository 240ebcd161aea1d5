"""What a model says of its rows, as values of a graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import DataError
from ..core.protocols import Array
from .graph import Graph

__all__ = ["Answer"]


@dataclass(frozen=True, eq=False)
class Answer:
    """Names of values.

    Attributes
    ----------
    classes : array of shape (n_classes,) or None
        None of a regression.
    proba : str or None
        Double precision, of shape (rows, n_classes).
    code : str or None
        Place of the label among the classes, of shape (rows,); None is the most probable one.
    value : str or None
        Of a regression, double precision, of shape (rows,), or (rows, n_outputs) where `flat` is False; of several labels a
        row, 0 and 1 (int64).
    flat : bool
    labels : int
        Of several labels a row, how many; `proba` then has one column each.
    """

    classes: Array | None = None
    proba: str | None = None
    code: str | None = None
    value: str | None = None
    flat: bool = True
    labels: int = 0

    def codes(self, graph: Graph) -> str:
        """The label's place among the classes."""
        if self.code is not None:
            return self.code
        assert self.proba is not None
        return graph.add("ArgMax", self.proba, axis=1, keepdims=0)

    def sure(self, graph: Graph) -> str:
        """Probabilities; those of a classifier without are 0 and 1."""
        if self.proba is not None:
            return self.proba
        assert self.classes is not None
        eye = graph.constant(np.eye(len(self.classes)))
        return graph.add("Gather", eye, self.codes(graph), axis=0)

    def among(self, graph: Graph, classes: Array) -> Answer:
        """The same with the columns of other classes, which hold all of its own; 0 for those it does not know."""
        if self.classes is None or np.array_equal(self.classes, classes):
            return self
        if not np.isin(self.classes, classes).all():
            raise DataError(
                f"export: a part of the model knows the classes {self.classes.tolist()}, not {classes.tolist()}."
            )
        places = np.argmax(self.classes[:, None] == classes, axis=1)  # an unknown class may stand last, unsorted
        select = np.zeros((len(self.classes), len(classes)))
        select[np.arange(len(places)), places] = 1
        proba = None if self.proba is None else graph.add("MatMul", self.proba, graph.constant(select))
        code = None if self.code is None else graph.add("Gather", graph.constant(places, np.int64), self.code)
        return Answer(classes, proba, code)
