"""SM: each modality's rows as the class posteriors of a classifier of its own, which both modalities have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core.base import ESTIMATOR
from ...core.heterogeneous import HeterogeneousData, HeterogeneousTransfer
from ...core.protocols import Array
from ...core.vote import class_probabilities
from ...ops.semantic_space import CLASSIFIER, fit_classifier, labelled_target

CARD = {
    "class": "SemanticMatching",
    "protocol": "Transfer",
    "settings": ("few_label", "heterogeneous"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Rasiwasia, Costa Pereira, Coviello, Doyle, Lanckriet, Levy & Vasconcelos. A New Approach to Cross-Modal"
    " Multimedia Retrieval. ACM Multimedia 2010.",
    "url": "https://doi.org/10.1145/1873951.1873987",
}

__all__ = ["SemanticMatching"]


class SemanticMatching(HeterogeneousTransfer):
    """Describe every row by how probable each class is, with one classifier a modality, and compare rows there.

    Parameters
    ----------
    classifier : estimator with predict_proba, default=None
        Fitted once in each modality. None is multi-class logistic regression on standardised columns.
    estimator : estimator, default=None
        Fitted in the common space. None is logistic regression.

    Attributes
    ----------
    source_classifier_, target_classifier_ : estimators
        The two fitted classifiers.
    n_features_source_ : int
        Columns of the source.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes: the axes of the common space.

    Notes
    -----
    ``transform`` gives the posteriors ``(P(1 | x), ..., P(K | x))``, the semantic space of the paper: no correlation of the
    modalities is modelled. For retrieval rank the rows of the other modality by `transferkit.ops.metrics.retrieval.similarities`.

    The target's classifier needs labels of target rows: known ones, or those of the source rows that they are paired with,
    as image and text of one article have one category. A class of which the target has no label has probability 0 there.

    References
    ----------
    Rasiwasia, Costa Pereira, Coviello, Doyle, Lanckriet, Levy & Vasconcelos. A New Approach to Cross-Modal Multimedia
    Retrieval. ACM Multimedia 2010 (semantic matching).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, SemanticMatching
    >>> from transferkit.ops.metrics.retrieval import mean_average_precision, similarities
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(60) % 3
    >>> X, Xt = (np.eye(3)[y] @ rng.normal(size=(3, d)) + 0.1 * rng.normal(size=(60, d)) for d in (5, 8))
    >>> model = SemanticMatching().fit(X, y, target=Domain(Xt), pairs=[[i, i] for i in range(30)])
    >>> scores = similarities(model.transform(X, domain="source"), model.transform(Xt))
    >>> mean_average_precision(scores, y, y) > 0.99
    True
    """

    _constraints: ClassVar = {"classifier": CLASSIFIER, "estimator": ESTIMATOR}
    _task: ClassVar = "classification"

    def __init__(self, classifier: Any = None, estimator: Any = None) -> None:
        self.classifier = classifier
        self.estimator = estimator

    def _fit_map(self, data: HeterogeneousData) -> Array:
        rows, codes = labelled_target(data)
        self.source_classifier_ = fit_classifier(self.classifier, data.Xs, data.ys)
        self.target_classifier_ = fit_classifier(self.classifier, data.Xt[rows], self.classes_[codes])
        return self._map(data.Xs, "source")

    def _map(self, X: Array, domain: str) -> Array:
        model = self.source_classifier_ if domain == "source" else self.target_classifier_
        return class_probabilities(model, X, self.classes_)
