"""SCM: class posteriors of each modality, learned on the directions in which the two modalities are most correlated."""

from __future__ import annotations

from inspect import signature
from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone

from ...core.base import ESTIMATOR
from ...core.constraints import Either, EstimatorLike, Fulfils, Interval, Nothing
from ...core.heterogeneous import HeterogeneousData, HeterogeneousTransfer
from ...core.protocols import Array, Domain
from ...core.vote import class_probabilities
from ...ops.canonical import Whitening, canonical, ties_of, whiten
from ...ops.semantic_space import CLASSIFIER, fit_classifier, labelled_target

CARD = {
    "class": "SemanticCorrelationMatching",
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

__all__ = ["SemanticCorrelationMatching"]


def _maps_both(value: Any) -> bool:
    return (
        EstimatorLike("fit", "transform").holds(value)
        and "pairs" in signature(value.fit).parameters
        and "domain" in signature(value.transform).parameters
    )


class SemanticCorrelationMatching(HeterogeneousTransfer):
    """Project both modalities on their correlated directions first, then describe every row there by how probable each class is.

    Parameters
    ----------
    n_components : int in [1, inf), default=30
        Canonical directions to keep; fewer where the rank of the ties is lower. Not used with `projection`.
    reg : float in [0, inf), default=1.0
        Ridge of the canonical correlations, in units of the mean variance, as for `CanonicalCorrelation`. Not used with
        `projection`.
    projection : method between feature spaces, default=None
        What maps both modalities first: anything with ``fit(..., pairs=...)`` and ``transform(X, domain=...)``, such as
        ``KCCA()``, the kernel variant of the paper's later version. None is canonical correlation analysis.
    classifier : estimator with predict_proba, default=None
        Fitted once in each modality, on the projections. None is multi-class logistic regression on standardised columns.
    estimator : estimator, default=None
        Fitted in the common space. None is logistic regression.

    Attributes
    ----------
    source_map_, target_map_ : arrays of shape (n_features_source, n_components_) and (n_features, n_components_)
        What centred rows are multiplied with; only without `projection`.
    source_mean_, target_mean_ : arrays of shape (n_features_source,) and (n_features,)
        Means of the rows; only without `projection`.
    projection_ : method between feature spaces
        Fitted; only with `projection`.
    n_components_ : int
        Directions that the classifiers see.
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
    Correlation matching and semantic matching one after the other: the maximally correlated subspaces are the features of
    the classifiers, whose posteriors are the common space (the paper's SCM). Ties and labels are as for
    `CanonicalCorrelation` and `SemanticMatching`: pairs tie the directions, and carry the source's labels to the target;
    without pairs it is the classes.

    References
    ----------
    Rasiwasia, Costa Pereira, Coviello, Doyle, Lanckriet, Levy & Vasconcelos. A New Approach to Cross-Modal Multimedia
    Retrieval. ACM Multimedia 2010 (semantic correlation matching).
    Costa Pereira, Coviello, Doyle, Rasiwasia, Lanckriet, Levy & Vasconcelos. On the Role of Correlation and Abstraction in
    Cross-Modal Multimedia Retrieval. IEEE TPAMI 36(3), 2014 (with kernels).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import KCCA, Domain, SemanticCorrelationMatching
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(60) % 3
    >>> X, Xt = (np.eye(3)[y] @ rng.normal(size=(3, d)) + 0.1 * rng.normal(size=(60, d)) for d in (5, 8))
    >>> pairs = [[i, i] for i in range(30)]
    >>> model = SemanticCorrelationMatching().fit(X, y, target=Domain(Xt), pairs=pairs)
    >>> kernel = SemanticCorrelationMatching(projection=KCCA()).fit(X, y, target=Domain(Xt), pairs=pairs)
    >>> model.score(Xt, y) > 0.95, kernel.score(Xt, y) > 0.95
    (True, True)
    """

    _constraints: ClassVar = {
        "n_components": Interval(int, 1),
        "reg": Interval(float, 0),
        "projection": Either(
            Nothing(), Fulfils("be a method between feature spaces, such as KCCA(), that takes pairs", _maps_both)
        ),
        "classifier": CLASSIFIER,
        "estimator": ESTIMATOR,
    }
    _task: ClassVar = "classification"

    def __init__(
        self,
        n_components: int = 30,
        reg: float = 1.0,
        projection: Any = None,
        classifier: Any = None,
        estimator: Any = None,
    ) -> None:
        self.n_components = n_components
        self.reg = reg
        self.projection = projection
        self.classifier = classifier
        self.estimator = estimator

    def _fit_map(self, data: HeterogeneousData) -> Array:
        for name in ("projection_", "source_map_", "target_map_", "source_mean_", "target_mean_"):
            vars(self).pop(name, None)  # of an earlier fit with another projection
        if self.projection is None:
            self._fit_directions(data)
        else:
            labels = np.full(len(data.Xt), data.ys[0], dtype=data.ys.dtype)  # where no label is known it is never read
            labels[data.known] = data.yt
            target = Domain(data.Xt, labels, data.known) if data.known.any() else Domain(data.Xt)
            given = {"pairs": data.pairs} if len(data.pairs) else {}
            self.projection_ = clone(self.projection).fit(data.Xs, data.ys, target=target, **given)
        Zs, Zt = self._project(data.Xs, "source"), self._project(data.Xt, "target")
        self.n_components_ = Zs.shape[1]
        rows, codes = labelled_target(data)
        self.source_classifier_ = fit_classifier(self.classifier, Zs, data.ys)
        self.target_classifier_ = fit_classifier(self.classifier, Zt[rows], self.classes_[codes])
        return class_probabilities(self.source_classifier_, Zs, self.classes_)

    def _fit_directions(self, data: HeterogeneousData) -> None:
        source, target = (whiten(np.asarray(X, dtype=np.float64), self.reg) for X in (data.Xs, data.Xt))
        found = canonical(
            ties_of("SemanticCorrelationMatching.fit", data, source(data.Xs), target(data.Xt)), self.n_components
        )
        self.source_mean_, self.target_mean_ = source.mean, target.mean
        self.source_map_, self.target_map_ = source.map @ found.left, target.map @ found.right

    def _project(self, X: Array, domain: str) -> Array:
        if self.projection is not None:
            return np.asarray(self.projection_.transform(X, domain=domain))
        if domain == "source":
            return Whitening(self.source_mean_, self.source_map_)(X)
        return Whitening(self.target_mean_, self.target_map_)(X)

    def _map(self, X: Array, domain: str) -> Array:
        model = self.source_classifier_ if domain == "source" else self.target_classifier_
        return class_probabilities(model, self._project(X, domain), self.classes_)
