"""The shape of graph methods without a network: two graphs in, answers for the nodes of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, f1_score, r2_score
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .base import transfer_tags
from .constraints import Rule
from .graphs import GraphData, TargetGraph, check_graph, rows_and_graph
from .protocols import Array, Domain

__all__ = ["GraphTransfer"]

Asked = Literal["predict", "predict_proba"]


def _has_probabilities(self: Any) -> bool:
    """Not for numbers, and not where an inner estimator has none."""
    inner = getattr(self, "estimator_", self.estimator)
    return not getattr(self, "regression_", False) and (inner is None or hasattr(inner, "predict_proba"))


class GraphTransfer(BaseEstimator, ABC):
    """A method for the nodes of a source and a target graph. A subclass writes ``_fit`` and ``_answer``."""

    estimator: Any = None
    classes_: Array
    target_graph_: TargetGraph
    multilabel_: bool
    regression_: bool
    _constraints: ClassVar[Mapping[str, Rule]] = {}
    _test_params: ClassVar[Mapping[str, Any]] = {}
    _known_failures: ClassVar[Mapping[str, str]] = {}
    _large: ClassVar[Mapping[str, Any] | None] = None  # parameters for very many nodes; None where it is not for such

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None, edges: Any = None) -> Self:
        """Fit on a labelled source graph and a target graph.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_source, n_features)
            Features of the source's nodes.
        y : array-like of shape (n_source,), or table of 0 and 1 of shape (n_source, n_labels)
            Their labels; a table where a node may have several.
        target : Domain
            The target's nodes and edges; labels that are known are used, all others are never read.
        groups : array-like of shape (n_source,), optional
            The source domain of each node, where several were pooled.
        edges : array of shape (2, n_edges) or sparse matrix of shape (n_source, n_source)
            The source's edges; they are taken to go both ways.

        Returns
        -------
        self : object
            The fitted method.

        Raises
        ------
        DomainError, ParamError
            Naming the argument that cannot be used.
        """
        data = check_graph(self, X, y, target, edges=edges, groups=groups)
        self.target_graph_ = TargetGraph.of(data.Xt, data.At)
        self.multilabel_, self.regression_ = data.multilabel, data.classes is None and not data.multilabel
        self._fit(data)
        return self

    @abstractmethod
    def _fit(self, data: GraphData) -> None:
        """Set the fitted attributes."""

    @abstractmethod
    def _answer(self, X: Any, adjacency: Any, asked: Asked) -> Array:
        """What is asked of checked nodes."""

    def predict(self, X: Any, edges: Any = None) -> Array:
        """Labels or values for nodes of the target.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features of the nodes of one graph.
        edges : array of shape (2, n_edges) or sparse matrix of shape (n_samples, n_samples), optional
            Its edges; None where `X` holds the nodes of the fit's target, whose edges are known.

        Returns
        -------
        labels : array of shape (n_samples,) or (n_samples, n_labels)
        """
        check_is_fitted(self)
        return self._answer(*rows_and_graph(self, X, edges, "predict"), "predict")

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any, edges: Any = None) -> Array:
        """Probabilities of classes, or of each label where nodes have several, for nodes of the target.

        Parameters
        ----------
        X, edges : as in `predict`

        Returns
        -------
        probabilities : array of shape (n_samples, n_classes) or (n_samples, n_labels)
        """
        check_is_fitted(self)
        return self._answer(*rows_and_graph(self, X, edges, "predict_proba"), "predict_proba")

    def score(self, X: Any, y: Any, edges: Any = None, sample_weight: Any = None) -> float:
        """Accuracy, micro-F1 where nodes have several labels, or R^2 for numbers, on labelled nodes; `edges` as in `predict`."""
        found = self.predict(X, edges)
        if np.ndim(y) == 2:
            return float(f1_score(y, found, average="micro", sample_weight=sample_weight, zero_division=0))
        metric = accuracy_score if hasattr(self, "classes_") else r2_score
        return float(metric(y, found, sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Tags:
        return transfer_tags(super().__sklearn_tags__(), self.estimator, accept_sparse=True)
