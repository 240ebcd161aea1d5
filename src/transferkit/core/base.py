"""The two shapes of most array methods: weigh the source, or map both domains; then fit an inner estimator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Literal, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import ClassifierTags, RegressorTags, Tags, TransformerTags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .chunk_fits import fit_on_chunks
from .chunks import Chunks, JoinedChunks
from .constraints import Either, EstimatorLike, Nothing, Rule
from .errors import DomainError, ParamError
from .protocols import Array, Domain
from .validation import Task, TransferData, check_rows, check_transfer
from .weighted_fit import fit_weighted, takes_weights

__all__ = [
    "ESTIMATOR", "FeatureTransfer", "InstanceTransfer", "ProbabilityTransfer", "ShallowTransfer", "fit_inner",
    "fit_inner_on_chunks", "inner_has", "stack", "transfer_tags",
]  # fmt: skip

ESTIMATOR: Rule = Either(Nothing(), EstimatorLike("fit", "predict"))


def fit_inner(est: Any, task: Task, X: Any, y: Array, sample_weight: Array | None = None) -> Any:
    """Fit a clone of ``est.estimator`` (None: logistic regression or ridge, by `task`), with weights where given.

    Raises
    ------
    ParamError
        If weights are given and the inner estimator cannot take them, or it cannot do the task.
    """
    inner = _inner_of(est, task)
    if sample_weight is None:
        return inner.fit(X, y)
    if not takes_weights(inner):
        raise ParamError(
            f"{type(est).__name__}.fit: estimator must take sample_weight in fit. Got {type(inner).__name__}, which does not."
        )
    return fit_weighted(inner, X, y, sample_weight)


def _inner_of(est: Any, task: Task) -> Any:
    if est.estimator is not None:
        return clone(est.estimator)
    return LogisticRegression(max_iter=1000) if task == "classification" else Ridge()


def fit_inner_on_chunks(
    est: Any, task: Task, X: Chunks, y: Array, *, rows: Array | None = None, weight: Array | None = None
) -> Any:
    """As `fit_inner`, for rows in chunks: see `transferkit.core.chunk_fits.fit_on_chunks`."""
    return fit_on_chunks(f"{type(est).__name__}.fit", _inner_of(est, task), X, y, rows=rows, weight=weight)


def stack(*parts: Any) -> Any:
    """Rows of several arrays or sparse matrices, one below the other."""
    filled = [p for p in parts if p.shape[0]]
    if len(filled) == 1:
        return filled[0]
    return sparse.vstack(filled, format="csr") if any(sparse.issparse(p) for p in filled) else np.vstack(filled)


def transfer_tags(tags: Tags, estimator: Any, *, accept_sparse: bool = False) -> Tags:
    """scikit-learn's tags: a method is a classifier or a regressor as its inner estimator is; None counts as a classifier."""
    if estimator is not None and is_regressor(estimator):
        tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
    elif estimator is None or is_classifier(estimator):
        tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
    tags.target_tags.required = True
    tags.input_tags.sparse = accept_sparse
    return tags


def inner_has(method: str) -> Any:
    """Decorator: the method is there only where the inner estimator has one of that name."""

    def check(self: Any) -> bool:
        inner = getattr(self, "estimator_", self.estimator)
        return getattr(inner if inner is not None else LogisticRegression(), method, None) is not None

    return available_if(check)


class ShallowTransfer(BaseEstimator, ABC):
    """What `FeatureTransfer` and `InstanceTransfer` share: an inner estimator, prediction, score, tags."""

    estimator: Any
    estimator_: Any
    _constraints: ClassVar[Mapping[str, Rule]] = {}
    _accept_sparse: ClassVar[bool] = False
    _accept_chunks: ClassVar[bool] = False  # then the card lists "chunks"
    _test_params: ClassVar[Mapping[str, Any]] = {}  # cheap settings for the common tests
    _known_failures: ClassVar[Mapping[str, str]] = {}  # common test -> reason; each must fail (strict)

    @abstractmethod
    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        """Fit on source rows and labels and a target.

        Parameters
        ----------
        X : array-like of shape (n_source, n_features)
            Source rows; `Chunks` in the methods whose card lists ``"chunks"``, then those of the target may be such too.
        y : array-like of shape (n_source,)
            Source labels.
        target : Domain
            Target rows; labels that are known are used, all others are never read.
        groups : array-like of shape (n_source,), optional
            The source domain of each row, where several were pooled.

        Returns
        -------
        self : object
            The fitted method.

        Raises
        ------
        DomainError, ParamError
            Naming the argument that cannot be used.
        """

    @abstractmethod
    def _target_rows(self, X: Any, method: str) -> Any:
        """Checked target rows in the space of the inner estimator."""

    def predict(self, X: Any) -> Array:
        """Labels or values for rows of the target, of shape (n_samples,)."""
        check_is_fitted(self)
        return np.asarray(self.estimator_.predict(self._target_rows(X, "predict")))

    @inner_has("predict_proba")
    def predict_proba(self, X: Any) -> Array:
        """Class probabilities for rows of the target, of shape (n_samples, n_classes), in the order of ``classes_``."""
        check_is_fitted(self)
        return np.asarray(self.estimator_.predict_proba(self._target_rows(X, "predict_proba")))

    @inner_has("decision_function")
    def decision_function(self, X: Any) -> Array:
        """Scores of the inner estimator for rows of the target."""
        check_is_fitted(self)
        return np.asarray(self.estimator_.decision_function(self._target_rows(X, "decision_function")))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy (classification) or R^2 (regression) on labelled rows of the target."""
        metric = r2_score if is_regressor(self) or not hasattr(self, "classes_") else accuracy_score
        return float(metric(y, self.predict(X), sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Tags:
        return transfer_tags(super().__sklearn_tags__(), self.estimator, accept_sparse=self._accept_sparse)


def _with_known(data: TransferData) -> tuple[Array, Array]:
    """Labels of all rows of both domains, and whether each is to be used; elsewhere the label is a filler."""
    labels = np.full(len(data.known), data.ys[0], dtype=np.result_type(data.ys, data.yt))
    labels[data.known] = data.yt
    return np.concatenate([data.ys, labels]), np.concatenate([np.ones(len(data.ys), dtype=bool), data.known])


class FeatureTransfer(ShallowTransfer):
    """A method that maps rows of both domains into one space and fits its inner estimator there.

    A subclass writes ``_fit_map`` and ``_map``. Where target labels are known, the mapped target rows that have them
    join the mapped source rows in the inner fit. One that works from moments writes ``_fit_map_on_chunks`` too.
    """

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        data = check_transfer(
            self, X, y, target, groups=groups, accept_sparse=self._accept_sparse, accept_chunks=self._accept_chunks
        )
        if isinstance(data.Xs, Chunks):
            return self._fit_on_chunks(data)
        Zs = self._fit_map(data)
        Z, labels = Zs, data.ys
        if len(data.yt):
            Z = stack(Zs, self._map(data.Xt_known, "target"))
            labels = np.concatenate([data.ys, data.yt])
        self.estimator_ = fit_inner(self, data.task, Z, labels)
        return self

    fit.__doc__ = ShallowTransfer.fit.__doc__

    def _fit_on_chunks(self, data: TransferData) -> Self:
        self._fit_map_on_chunks(data)
        Z, labels, rows = data.Xs.map(partial(self._map, domain="source")), data.ys, None
        if len(data.yt):
            Z = JoinedChunks(Z, data.Xt.map(partial(self._map, domain="target")))
            labels, rows = _with_known(data)
        self.estimator_ = fit_inner_on_chunks(self, data.task, Z, labels, rows=rows)
        return self

    def _fit_map_on_chunks(self, data: TransferData) -> None:
        """Learn the maps from rows in chunks and set the fitted attributes."""
        raise NotImplementedError

    @abstractmethod
    def _fit_map(self, data: TransferData) -> Any:
        """Learn the maps, set the fitted attributes, return the mapped source rows."""

    @abstractmethod
    def _map(self, X: Any, domain: Literal["source", "target"]) -> Any:
        """Checked rows of one domain in the common space."""

    def transform(self, X: Any, domain: str = "target") -> Array:
        """Rows of either domain in the common space.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of one domain.
        domain : {"target", "source"}
            Which domain they come from.

        Returns
        -------
        Z : array of shape (n_samples, n_components)
            The mapped rows.
        """
        check_is_fitted(self)
        if domain not in ("source", "target"):
            raise ParamError(f"{type(self).__name__}.transform: domain must be 'source' or 'target'. Got {domain!r}.")
        side: Literal["source", "target"] = "source" if domain == "source" else "target"
        return self._map(check_rows(self, X, method="transform", accept_sparse=self._accept_sparse), side)

    def _target_rows(self, X: Any, method: str) -> Any:
        return self._map(check_rows(self, X, method=method, accept_sparse=self._accept_sparse), "target")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags = TransformerTags()  # scikit-learn wants it of everything that has transform
        return tags


class InstanceTransfer(ShallowTransfer):
    """A method that gives every source row a weight and fits its inner estimator on the weighted rows.

    A subclass writes ``_weights``. Weights are scaled to mean 1 and kept as ``sample_weight_``. Known target labels join
    with weight 1. One whose ``_weights`` can do with rows in chunks says so (``_accept_chunks``).
    """

    sample_weight_: Array

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        data = check_transfer(
            self, X, y, target, groups=groups, accept_sparse=self._accept_sparse, accept_chunks=self._accept_chunks
        )
        weights = np.asarray(self._weights(data), dtype=np.float64)
        total = weights.sum()
        if not np.isfinite(total) or total <= 0:
            raise DomainError(
                f"{type(self).__name__}.fit: target.X must overlap the source enough to weigh it."
                f" Got weights that sum to {total:g}."
            )
        self.sample_weight_ = weights * (len(weights) / total)
        if isinstance(data.Xs, Chunks):
            return self._fit_on_chunks(data)
        rows, labels = stack(data.Xs, data.Xt_known), np.concatenate([data.ys, data.yt])
        self.estimator_ = fit_inner(
            self, data.task, rows, labels, np.concatenate([self.sample_weight_, np.ones(len(data.yt))])
        )
        return self

    fit.__doc__ = ShallowTransfer.fit.__doc__

    def _fit_on_chunks(self, data: TransferData) -> Self:
        Z, labels, weight, rows = data.Xs, data.ys, self.sample_weight_, None
        if len(data.yt):
            Z = JoinedChunks(Z, data.Xt)
            labels, rows = _with_known(data)
            weight = np.where(rows, 1.0, 0.0)
            weight[: len(data.ys)] = self.sample_weight_
        self.estimator_ = fit_inner_on_chunks(self, data.task, Z, labels, rows=rows, weight=weight)
        return self

    @abstractmethod
    def _weights(self, data: TransferData) -> Array:
        """Non-negative weights of the source rows, of shape (n_source,), in any scale."""

    def _target_rows(self, X: Any, method: str) -> Any:
        return check_rows(self, X, method=method, accept_sparse=self._accept_sparse)


class ProbabilityTransfer(ShallowTransfer):
    """A classifier whose class probabilities are its own, not those of an inner estimator.

    A subclass writes ``_fit`` and ``_proba``.
    """

    estimator: Any = None
    classes_: Array

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        data = check_transfer(self, X, y, target, groups=groups, accept_sparse=self._accept_sparse)
        if data.classes is None:
            raise DomainError(f"{type(self).__name__}.fit: y must hold classes. Unknown label type: continuous.")
        self._fit(data)
        return self

    fit.__doc__ = ShallowTransfer.fit.__doc__

    @abstractmethod
    def _fit(self, data: TransferData) -> None:
        """Set the fitted attributes."""

    @abstractmethod
    def _proba(self, X: Any) -> Array:
        """Class probabilities of checked target rows, of shape (n_samples, n_classes)."""

    def predict(self, X: Any) -> Array:
        """The most probable class of each row of the target, of shape (n_samples,)."""
        check_is_fitted(self)
        return self.classes_[self._proba(self._target_rows(X, "predict")).argmax(axis=1)]

    def predict_proba(self, X: Any) -> Array:
        """Class probabilities for rows of the target, of shape (n_samples, n_classes), in the order of ``classes_``."""
        check_is_fitted(self)
        return self._proba(self._target_rows(X, "predict_proba"))

    @available_if(lambda self: False)
    def decision_function(self, X: Any) -> Array:
        """Not there: the scores of this method are its probabilities."""
        raise NotImplementedError

    def _target_rows(self, X: Any, method: str) -> Any:
        return check_rows(self, X, method=method, accept_sparse=self._accept_sparse)
