"""The vocabulary: a Domain, and the six protocols that every method follows one of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .errors import DomainError

__all__ = [
    "Array",
    "Continual",
    "Domain",
    "MetaLearner",
    "ModelTransfer",
    "MultiTask",
    "Predictor",
    "Selector",
    "Transfer",
]

Array = NDArray[Any]


def _n_rows(values: Any) -> int:
    shape = getattr(values, "shape", None)
    return int(shape[0]) if shape else len(values)


def take_rows(values: Any, rows: Array) -> Any:
    """Rows of an array, a sparse matrix, a pandas or polars frame, or a list, in the order of `rows`."""
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    if isinstance(values, (list, tuple)):
        return [values[i] for i in rows]
    return values[rows]


def _is_indicator(y: Any) -> bool:
    """Whether y is a table of 0 and 1 that says which of two classes or more each row has."""
    table = np.asarray(y)
    return table.ndim == 2 and table.shape[1] > 1 and table.dtype.kind in "buif" and bool(np.isin(table, (0, 1)).all())


@dataclass(frozen=True, eq=False)
class Domain:
    """Rows from one place, with or without labels.

    It deliberately has no ``__len__`` and no ``shape``: scikit-learn's cross-validation row-slices every array-like fit
    parameter whose length equals that of X, and a target must not be cut.

    Parameters
    ----------
    X : array, sparse matrix or data frame of shape (n_samples, n_features), or array of shape (n_samples, *shape)
        The rows; or any lazy sequence of samples.
    y : array of shape (n_samples,) or (n_samples, n_classes), optional
        Labels; None means unlabelled. A table of 0 and 1 says which of several classes each row has, for the methods that
        take such: those of graphs.
    known : bool array of shape (n_samples,), optional
        Which labels a method may use; None means all of `y`. The values of `y` elsewhere are never read by a fit.
        There is no reserved label value for "unlabelled".
    edges : array of shape (2, n_edges) or sparse matrix of shape (n_samples, n_samples), optional
        Relations between the rows, for graph methods only.
    name : str, default="domain"
        How messages and reports call it.

    Raises
    ------
    DomainError
        If the lengths of X, y and known differ, a table y holds other than 0 and 1, or `known` is not boolean, or given
        without `y`.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain
    >>> target = Domain(np.zeros((3, 2)), np.array([0, 1, 1]), known=np.array([True, False, False]))
    >>> target.n_samples, target.known_rows
    (3, array([0]))
    """

    X: Any
    y: Array | None = None
    known: Array | None = None
    edges: Any = None
    name: str = "domain"

    def __post_init__(self) -> None:
        n = self.n_samples
        if self.y is not None and np.ndim(self.y) != 1 and not _is_indicator(self.y):
            raise DomainError(
                "Domain: y must have one axis, or be a table of 0 and 1 with a column for each of several classes."
                f" Got shape {np.shape(self.y)}."
            )
        if self.y is not None and _n_rows(self.y) != n:
            raise DomainError(f"Domain: y must have one label a row of X ({n}). Got {_n_rows(self.y)}.")
        if self.known is not None:
            known = np.asarray(self.known)
            if self.y is None:
                raise DomainError("Domain: known must come with y. Got y=None.")
            if known.dtype != bool or known.shape != (n,):
                raise DomainError(
                    f"Domain: known must be a bool array of shape ({n},). Got dtype {known.dtype}, shape {known.shape}."
                )
            object.__setattr__(self, "known", known)

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return _n_rows(self.X)

    @property
    def mask(self) -> Array:
        """Bool array of shape (n_samples,): where a label may be used."""
        if self.y is None:
            return np.zeros(self.n_samples, dtype=bool)
        return np.ones(self.n_samples, dtype=bool) if self.known is None else self.known

    @property
    def known_rows(self) -> Array:
        """Indices of the rows whose label may be used."""
        return np.flatnonzero(self.mask)

    @property
    def known_y(self) -> Array:
        """The labels that may be used, in the order of ``known_rows``."""
        return np.asarray(self.y)[self.mask] if self.y is not None else np.empty(0)

    def hide(self) -> Domain:
        """The same rows with no label at all."""
        return replace(self, y=None, known=None)

    def take(self, rows: Array) -> Domain:
        """A domain of the given rows (indices or a bool mask); edges are dropped."""
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == bool else index
        return replace(
            self,
            X=take_rows(self.X, index),
            y=None if self.y is None else take_rows(self.y, index),
            known=None if self.known is None else self.known[index],
            edges=None,
        )


class Predictor(Protocol):
    """Anything fitted that predicts."""

    def predict(self, X: Any) -> Array: ...


@runtime_checkable
class Transfer(Protocol):
    """The source is data: ``fit(X, y, target=Domain(...))``, then ``predict`` for rows of the target."""

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self: ...
    def predict(self, X: Any) -> Array: ...


@runtime_checkable
class ModelTransfer(Protocol):
    """The source is a trained model, given in the constructor as ``source``; y None means source-free."""

    def fit(self, X: Any, y: Any = None) -> Self: ...
    def predict(self, X: Any) -> Array: ...


@runtime_checkable
class MultiTask(Protocol):
    """The sources are each other's targets."""

    def fit(self, tasks: Sequence[Domain]) -> Self: ...
    def predict(self, X: Any, *, task: str) -> Array: ...


@runtime_checkable
class MetaLearner(Protocol):
    """The source is a distribution of tasks; ``adapt`` returns a new predictor."""

    def fit(self, tasks: Sequence[Domain]) -> Self: ...
    def adapt(self, support: Domain) -> Predictor: ...


@runtime_checkable
class Continual(Protocol):
    """The sources come one after the other."""

    def partial_fit(self, task: Domain) -> Self: ...
    def predict(self, X: Any, *, task: str | None = None) -> Array: ...


@runtime_checkable
class Selector(Protocol):
    """Scores a fitted candidate; higher is better. It sees no target label that is not `known`."""

    def score(self, candidate: Predictor, source: Domain, target: Domain) -> float: ...
