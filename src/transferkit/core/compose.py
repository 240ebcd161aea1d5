"""Put transformers in front of a transfer method, and apply them to the target too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from inspect import signature
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline
from sklearn.utils import Tags, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .chunk_fits import fit_transformers_on_chunks
from .chunks import Chunks, JoinedChunks, as_chunks
from .constraints import Either, EstimatorLike, Nothing, Options, check_params
from .errors import DomainError, ParamError
from .protocols import Array, Domain

__all__ = ["TransferPipeline", "takes_edges"]


def _method_has(name: str) -> Any:
    return available_if(lambda self: hasattr(getattr(self, "method_", self.method), name))


class _Steps:
    """The rule for a list of named transformers."""

    text = "be a list of (name, transformer) pairs"

    def holds(self, value: Any) -> bool:
        rule = EstimatorLike("fit", "transform")
        return isinstance(value, Sequence) and all(
            isinstance(s, tuple) and len(s) == 2 and isinstance(s[0], str) and rule.holds(s[1]) for s in value
        )


class TransferPipeline(BaseEstimator):
    """Transformers, then a transfer method; the target goes through the same transformers.

    scikit-learn's own Pipeline transforms X only: a target given as a fit parameter would reach the method raw.

    Parameters
    ----------
    steps : list of (str, transformer)
        Ordinary scikit-learn transformers, applied in order.
    method : Transfer
        The transfer method that follows.
    fit_on : {"source", "pooled", "each"}, default="source"
        The rows that the transformers learn from. ``"pooled"`` adds the target's rows (never labels). ``"each"`` fits
        one copy on each domain by itself, as published protocols do that standardise source and target apart.

    Attributes
    ----------
    transformer_, source_transformer_ : sklearn.pipeline.Pipeline
        The fitted transformers for rows of the target and of the source; two names of one thing unless ``fit_on="each"``.
    method_ : Transfer
        The fitted method.
    classes_ : array of shape (n_classes,)
        The method's classes, for a classification.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from transferkit import CORAL, Domain, TransferPipeline
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(40, 3)), np.arange(40) % 2
    >>> model = TransferPipeline([("scale", StandardScaler())], CORAL()).fit(X, y, target=Domain(2 * X + 1))
    >>> model.predict(X[:5]).shape
    (5,)
    """

    _constraints: ClassVar = {
        "steps": _Steps(),
        "method": Either(Nothing(), EstimatorLike("fit", "predict")),
        "fit_on": Options("source", "pooled", "each"),
    }

    def __init__(self, steps: Any = (), method: Any = None, fit_on: str = "source") -> None:
        self.steps = steps
        self.method = method
        self.fit_on = fit_on

    @classmethod
    def from_fitted(cls, transformer: Pipeline, method: Any) -> Self:
        """A fitted pipeline from a fitted transformer and a method fitted on its output."""
        whole = cls([(name, clone(step)) for name, step in transformer.steps], clone(method))
        whole.transformer_ = whole.source_transformer_ = transformer
        whole.method_ = method
        if hasattr(method, "classes_"):
            whole.classes_ = method.classes_
        return whole

    def fit(
        self, X: Any, y: Any = None, *, target: Domain, groups: Any = None, pairs: Any = None, edges: Any = None
    ) -> Self:
        """Fit the transformers, then the method on transformed source and target.

        Of rows in chunks the transformers learn by ``partial_fit``, as StandardScaler does.

        Parameters
        ----------
        X : array-like or data frame of shape (n_source, n_features)
            Source rows.
        y : array-like of shape (n_source,)
            Source labels.
        target : Domain
            The target.
        groups : array-like of shape (n_source,), optional
            The source domain of each row.
        pairs : array-like of shape (n_pairs, 2), optional
            For a method between feature spaces: rows of `X` and of ``target.X`` that are the same thing.
        edges : array of shape (2, n_edges) or sparse matrix of shape (n_source, n_source), optional
            For a method of graphs: the source's edges.

        Returns
        -------
        self : TransferPipeline
        """
        check_params(self)
        if self.method is None:
            raise ParamError("TransferPipeline.fit: method must be a transfer method. Got None.")
        if not isinstance(target, Domain):
            raise DomainError(f"TransferPipeline.fit: target must be a Domain. Got {type(target).__name__}.")
        if isinstance(X, Chunks) or isinstance(target.X, Chunks):
            return self._fit_on_chunks(as_chunks(X), y, target, groups)
        steps = [(name, clone(step)) for name, step in self.steps] or [("keep", "passthrough")]
        self.source_transformer_ = self.transformer_ = Pipeline(steps)
        if self.fit_on == "pooled":
            Z = self.transformer_.fit(_concat(X, target.X)).transform(X)
        else:
            Z = self.source_transformer_.fit_transform(X, y)
        if self.fit_on == "each":
            self.transformer_ = clone(self.source_transformer_).fit(target.X)
        moved = replace(target, X=self.transformer_.transform(target.X))
        # Most methods have no such arguments.
        more = {name: value for name, value in (("pairs", pairs), ("edges", edges)) if value is not None}
        self.method_ = clone(self.method).fit(Z, y, target=moved, groups=groups, **more)
        if hasattr(self.method_, "classes_"):
            self.classes_ = self.method_.classes_
        return self

    def _fit_on_chunks(self, X: Chunks, y: Any, target: Domain, groups: Any) -> Self:
        def learned(chunks: Chunks) -> Pipeline:
            steps, _ = fit_transformers_on_chunks("TransferPipeline.fit", self.steps, chunks)
            return Pipeline(steps or [("keep", "passthrough")])

        Xt = as_chunks(target.X)
        self.source_transformer_ = learned(JoinedChunks(X, Xt) if self.fit_on == "pooled" else X)
        self.transformer_ = learned(Xt) if self.fit_on == "each" else self.source_transformer_
        Z, moved = X.map(self.source_transformer_.transform), replace(target, X=Xt.map(self.transformer_.transform))
        self.method_ = clone(self.method).fit(Z, y, target=moved, groups=groups)
        if hasattr(self.method_, "classes_"):
            self.classes_ = self.method_.classes_
        return self

    def predict(self, X: Any, edges: Any = None) -> Array:
        """Labels or values for rows of the target, of shape (n_samples,); `edges` for a method of graphs."""
        check_is_fitted(self)
        return self.method_.predict(self.transformer_.transform(X), **({} if edges is None else {"edges": edges}))

    @_method_has("predict_proba")
    def predict_proba(self, X: Any, edges: Any = None) -> Array:
        """Class probabilities for rows of the target, of shape (n_samples, n_classes); `edges` for a method of graphs."""
        check_is_fitted(self)
        return self.method_.predict_proba(self.transformer_.transform(X), **({} if edges is None else {"edges": edges}))

    @_method_has("transform")
    def transform(self, X: Any, domain: str = "target") -> Array:
        """Rows of either domain in the method's common space."""
        check_is_fitted(self)
        ours = self.source_transformer_ if domain == "source" else self.transformer_
        return self.method_.transform(ours.transform(X), domain=domain)

    @_method_has("score")
    def score(self, X: Any, y: Any) -> float:
        """The method's score on labelled rows of the target."""
        check_is_fitted(self)
        return self.method_.score(self.transformer_.transform(X), y)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        if self.method is not None:
            inner = get_tags(self.method)
            tags.estimator_type = inner.estimator_type
            tags.classifier_tags, tags.regressor_tags = inner.classifier_tags, inner.regressor_tags
        tags.target_tags.required = True
        return tags


def takes_edges(model: Any) -> bool:
    """Whether the rows that a fitted model predicts are the nodes of a graph, whose edges go with them."""
    while isinstance(model, TransferPipeline):
        model = getattr(model, "method_", None)
    return hasattr(model, "predict") and "edges" in signature(model.predict).parameters


def _concat(X: Any, Xt: Any) -> Any:
    """Source and target rows, one below the other, in the kind they came in."""
    if hasattr(X, "iloc"):
        import pandas as pd

        return pd.concat([X, Xt], ignore_index=True)
    if hasattr(X, "vstack"):
        return X.vstack(Xt)
    from .base import stack

    return stack(*(x if hasattr(x, "shape") else np.asarray(x) for x in (X, Xt)))
