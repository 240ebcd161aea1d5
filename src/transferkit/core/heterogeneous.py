"""Source and target in feature spaces of their own: their input checked, and the shape of a method that maps both into one."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from .base import FeatureTransfer, fit_inner, stack
from .constraints import Fulfils, check_params
from .errors import DomainError
from .protocols import Array, Domain
from .validation import Task, TransferData, check_transfer, known_labels

__all__ = ["COLUMN_PAIRS", "HeterogeneousData", "HeterogeneousTransfer", "check_heterogeneous", "shared_columns"]


def _are_column_pairs(value: Any) -> bool:
    try:
        found = np.asarray(value)
    except ValueError:
        return False
    return (
        found.ndim == 2
        and found.shape[1] == 2
        and len(found) > 0
        and found.dtype.kind in "iu"
        and bool((found >= 0).all())
    )


COLUMN_PAIRS = Fulfils(
    "be pairs of whole numbers from 0 on, a column of the source and a column of the target each", _are_column_pairs
)


@dataclass(frozen=True, eq=False)
class HeterogeneousData(TransferData):
    """Checked input of one fit; `Xs` and `Xt` have columns of their own.

    Attributes
    ----------
    pairs : int array of shape (n_pairs, 2)
        Row of the source, row of the target: the same thing seen twice. Empty where none were given.
    """

    pairs: Array


class _Space(BaseEstimator):
    """Remembers the source's columns for scikit-learn's checks."""


def check_heterogeneous(
    est: Any, X: Any, y: Any, target: Any, *, pairs: Any = None, groups: Any = None, task: Task | None = None
) -> HeterogeneousData:
    """Check parameters, source, target and pairs of one fit.

    Sets ``n_features_in_`` (and ``feature_names_in_`` for frames) of the target's rows, which are what is predicted;
    ``n_features_source_`` (and ``feature_names_source_``) of the source's; and ``classes_`` for a classification.

    Parameters
    ----------
    est : estimator
        The method being fitted; its ``_constraints`` are checked too.
    X, y : array-like
        Source rows and labels.
    target : Domain
        The target; labels outside ``target.known`` are not looked at.
    pairs : array-like of shape (n_pairs, 2), optional
        Numbers of rows of the source and of the target that are the same thing.
    groups : array-like of shape (n_source,), optional
        The source domain of each row.
    task : {"classification", "regression"}, optional
        What a method does that does one of them only.

    Raises
    ------
    ParamError
        A parameter is out of its range.
    DomainError
        The source, the target or the pairs cannot be used; the message names which.
    """
    check_params(est)
    here = f"{type(est).__name__}.fit"
    if not isinstance(target, Domain):
        raise DomainError(
            f"{here}: target must be a Domain, as in target=Domain(X_target). Got {type(target).__name__}."
        )
    # The source stands in for a target with its columns, so that it is checked like any other.
    X = X if hasattr(X, "shape") else np.asarray(X)
    own = check_transfer(est, X, y, Domain(X), groups=groups, task=task)
    est.n_features_source_ = est.n_features_in_
    vars(est).pop("feature_names_source_", None)
    if hasattr(est, "feature_names_in_"):
        est.feature_names_source_ = est.feature_names_in_
    try:
        Xt = validate_data(est, target.X, dtype=own.Xs.dtype)
    except (ValueError, TypeError) as err:  # a TypeError where they are sparse, or in chunks
        raise DomainError(f"{here}: target.X must be usable dense rows in memory. Got: {err}") from err
    known, yt = known_labels(here, target, own.task, own.classes)
    checked = _checked(here, pairs, len(own.Xs), len(Xt))
    return HeterogeneousData(own.Xs, own.ys, Xt, known, yt, own.task, own.classes, own.groups, checked)


def _checked(here: str, pairs: Any, n_source: int, n_target: int) -> Array:
    if pairs is None:
        return np.empty((0, 2), dtype=np.int64)
    try:
        found = np.asarray(pairs)
    except ValueError as err:
        raise DomainError(f"{here}: pairs must hold two numbers a row. Got: {err}") from err
    if found.ndim != 2 or found.shape[1] != 2 or not len(found) or found.dtype.kind not in "iu":
        raise DomainError(
            f"{here}: pairs must hold whole numbers of shape (n_pairs, 2): row of X, row of target.X. Got dtype"
            f" {found.dtype}, shape {found.shape}."
        )
    if (found < 0).any() or (found >= [n_source, n_target]).any():
        low, high = found.min(axis=0).tolist(), found.max(axis=0).tolist()
        raise DomainError(
            f"{here}: pairs must name rows of X (0 to {n_source - 1}) and of target.X (0 to {n_target - 1}). Got numbers"
            f" from {low} to {high}."
        )
    return found.astype(np.int64)


def shared_columns(est: Any, d_source: int, d_target: int) -> Array:
    """Which columns of the source and of the target mean the same: those that ``est.shared`` tells, or those of one name.

    Parameters
    ----------
    est : estimator
        Checked by `check_heterogeneous`, with the parameter ``shared``.
    d_source, d_target : int
        Columns of the source and of the target.

    Returns
    -------
    shared : int array of shape (n_shared, 2)

    Raises
    ------
    DomainError
        If there are none, or not those that were told.
    """
    here = f"{type(est).__name__}.fit"
    if est.shared is not None:
        found = np.asarray(est.shared)
        if (found >= [d_source, d_target]).any() or any(len(np.unique(c)) < len(c) for c in found.T):
            raise DomainError(
                f"{here}: X and target.X must have the columns of shared, each once. They have {d_source} and {d_target}"
                f" columns. Got numbers up to {found.max(axis=0).tolist()}."
            )
        return found
    names = [list(getattr(est, f"feature_names_{side}_", ())) for side in ("source", "in")]
    if all(names):
        place = {name: k for k, name in enumerate(names[1])}
        found = np.array([(k, place[name]) for k, name in enumerate(names[0]) if name in place], dtype=np.int64)
        if not len(found):
            raise DomainError(
                f"{here}: target.X must share columns with X. The source has {', '.join(names[0][:8])}; got"
                f" {', '.join(names[1][:8])}."
            )
        return found
    if d_source != d_target:
        raise DomainError(
            f"{here}: target.X must be a data frame like X, so that shared columns are found by name, or shared must name"
            f" them. Got arrays of {d_source} and {d_target} columns."
        )
    return np.column_stack([np.arange(d_source)] * 2)


class HeterogeneousTransfer(FeatureTransfer):
    """A method that maps rows of two feature spaces into one and fits its inner estimator there.

    A subclass writes ``_fit_map``, which returns the mapped source rows, and ``_map``. What ties the spaces together are
    target rows with known labels, or pairs of rows; `_ties` says which of them a method can do without.
    """

    n_features_source_: int
    _ties: ClassVar[Literal["labels", "pairs", "either", "none"]] = "either"
    _task: ClassVar[Task | None] = None  # of a method that does one only

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None, pairs: Any = None) -> Self:
        """Fit on source rows and labels and a target with other columns.

        Parameters
        ----------
        X : array-like of shape (n_source, n_features_source)
            Source rows.
        y : array-like of shape (n_source,)
            Source labels.
        target : Domain
            Target rows; labels that are known are used, all others are never read.
        groups : array-like of shape (n_source,), optional
            The source domain of each row, where several were pooled.
        pairs : array-like of shape (n_pairs, 2), optional
            Row of `X` and row of ``target.X`` that are the same thing.

        Returns
        -------
        self : object
            The fitted method.

        Raises
        ------
        DomainError, ParamError
            Naming the argument that cannot be used.
        """
        data = check_heterogeneous(self, X, y, target, pairs=pairs, groups=groups, task=self._task)
        self._check_ties(data)
        Zs = self._fit_map(data)
        Z, labels = Zs, data.ys
        if len(data.yt):
            Z = stack(Zs, self._map(data.Xt_known, "target"))
            labels = np.concatenate([data.ys, data.yt])
        self.estimator_ = fit_inner(self, data.task, Z, labels)
        return self

    def _check_ties(self, data: HeterogeneousData) -> None:
        here, labels, pairs = f"{type(self).__name__}.fit", len(data.yt), len(data.pairs)
        if self._ties == "labels" and not labels:
            raise DomainError(f"{here}: target must have a few known labels. Got none.")
        if self._ties == "pairs" and not pairs:
            raise DomainError(f"{here}: pairs must name rows of X and target.X that are the same thing. Got none.")
        if self._ties == "either" and not labels and not pairs:
            raise DomainError(f"{here}: target must have a few known labels, or pairs must be given. Got neither.")

    @abstractmethod
    def _fit_map(self, data: HeterogeneousData) -> Any:  # type: ignore[override]
        """Learn the maps, set the fitted attributes, return the mapped source rows."""

    def transform(self, X: Any, domain: str = "target") -> Array:
        """Rows of either domain in the common space.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) for "target", (n_samples, n_features_source) for "source"
            Rows of one domain.
        domain : {"target", "source"}
            Which domain they come from.

        Returns
        -------
        Z : array of shape (n_samples, n_components)
            The mapped rows.
        """
        if domain != "source":
            return super().transform(X, domain)
        check_is_fitted(self)
        space = _Space()
        space.n_features_in_ = self.n_features_source_
        if hasattr(self, "feature_names_source_"):
            space.feature_names_in_ = self.feature_names_source_
        try:
            rows = validate_data(space, X, reset=False, dtype=(np.float64, np.float32))
        except (ValueError, TypeError) as err:
            raise DomainError(
                f"{type(self).__name__}.transform: X must be usable rows with the source's features. Got: {err}"
            ) from err
        return np.asarray(self._map(rows, "source"))
