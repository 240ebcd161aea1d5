"""Source weighting: one fit a source of any method, and a vote that counts the related sources more."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import is_regressor
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ...core.base import ESTIMATOR, ShallowTransfer
from ...core.constraints import Interval, Options, RandomState
from ...core.errors import DomainError
from ...core.protocols import Array, Domain
from ...core.validation import TransferData, check_rows, check_transfer
from ...ops.components import component_space, subsample
from ...ops.evidence.two_sample import classifier_two_sample, mmd2_unbiased, proxy_a_distance
from ...ops.wrapped import class_shares, fit_wrapped, known_target

CARD = {
    "class": "SourceWeighting",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label", "multi_source"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "paper": (
        "Mansour, Mohri & Rostamizadeh. Domain Adaptation with Multiple Sources. NIPS 2008; weights by relatedness as in"
        " Ben-David et al. A Theory of Learning from Different Domains. Machine Learning 79, 2010."
    ),
    "url": "https://papers.nips.cc/paper/3550-domain-adaptation-with-multiple-sources",
}

__all__ = ["SourceWeighting"]

_MMD_ROWS = 1000  # rows of a domain that the discrepancy compares: up to here it is the quadratic, less noisy estimate


class SourceWeighting(ShallowTransfer):
    """Fit a method on each source by itself, and average the predictions with weights that say how related a source is.

    Parameters
    ----------
    relatedness : {"auto", "a_distance", "mmd", "target_loss", "uniform"}, default="auto"
        What the weights come from: the error of a classifier that tells source and target rows apart (proxy A-distance),
        the maximum mean discrepancy of their rows, the loss of the source's fit on known target labels, or nothing.
        "auto" is the loss where target labels are known and the A-distance elsewhere.
    sharpness : float in [0, inf), default=5.0
        How fast the weight falls with the distance. 0 weighs all sources alike; a large value leaves the nearest source.
    random_state : int, RandomState or None, default=0
        Deals the folds of the A-distance, and draws the rows of domains of over 1000 for the discrepancy.
    estimator : transfer method or estimator, default=None
        Fitted on one source at a time: a method of this library, which gets the target too, or a plain estimator, which
        gets the known target rows. None is logistic regression for classes and ridge regression for numbers.

    Attributes
    ----------
    groups_ : array of shape (n_sources,)
        Names of the sources; one where `groups` was not given.
    distance_ : array of shape (n_sources,)
        Distance of each source from the target, 0 at best: half the A-distance, at most 1; the root of the squared
        discrepancy, at most the root of 2; the share of wrong labels, or the mean squared error in units of the labels'
        variance.
    source_weight_ : array of shape (n_sources,)
        Weights of the sources' predictions; they sum to 1.
    estimators_ : list of estimators
        The fit of each source.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    Predicts ``sum_k w_k h_k(x)`` with h_k the k-th fit's class probabilities (or its one vote, where it has none) or value,
    and ``w_k`` proportional to ``exp(-sharpness d_k)``: the distribution-weighted combination of Mansour et al. with weights
    that are the same for all rows, so that no density has to be estimated. The A-distance is ``2 (1 - 2 e)`` with e the
    held-out error, domains weighing alike, of logistic regression on principal components; below 0 counts as 0.

    A loss on target labels that the method was fitted with would flatter it: for the weights it is fitted without them, and
    fitted again with them. A source that lacks classes gives them no share; one with a single class is an error.

    References
    ----------
    Mansour, Mohri & Rostamizadeh. Domain Adaptation with Multiple Sources. NIPS 2008.
    Ben-David, Blitzer, Crammer, Kulesza, Pereira & Vaughan. A Theory of Learning from Different Domains. Machine Learning
    79, 2010 (A-distance).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CORAL, Domain, SourceWeighting
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(120, 3)), np.arange(120) % 2
    >>> X[:, 0] += 4 * y
    >>> groups = np.repeat(["near", "far"], 60)
    >>> X[groups == "far"] = 20 - X[groups == "far"]
    >>> target = Domain(X[:60] + 0.1)
    >>> model = SourceWeighting(estimator=CORAL()).fit(X, y, target=target, groups=groups)
    >>> dict(zip(model.groups_.tolist(), model.source_weight_.round(2).tolist()))
    {'far': 0.01, 'near': 0.99}
    """

    _constraints: ClassVar = {
        "relatedness": Options("auto", "a_distance", "mmd", "target_loss", "uniform"),
        "sharpness": Interval(float, 0),
        "random_state": RandomState(),
        "estimator": ESTIMATOR,
    }
    _accept_sparse: ClassVar = True

    def __init__(
        self, relatedness: str = "auto", sharpness: float = 5.0, random_state: Any = 0, estimator: Any = None
    ) -> None:
        self.relatedness = relatedness
        self.sharpness = sharpness
        self.random_state = random_state
        self.estimator = estimator

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        data = check_transfer(self, X, y, target, groups=groups, accept_sparse=True)
        kind = self.relatedness
        if kind == "auto":
            kind = "target_loss" if len(data.yt) else "a_distance"
        if kind == "target_loss" and not len(data.yt):
            raise DomainError("SourceWeighting.fit: target must have known labels for its loss. Got 0 known labels.")
        names = np.zeros(len(data.ys), dtype=int) if data.groups is None else data.groups
        self.groups_ = np.unique(names)
        sources = [np.flatnonzero(names == name) for name in self.groups_]
        for name, rows in zip(self.groups_.tolist(), sources):
            if data.classes is not None and len(np.unique(data.ys[rows])) < 2:
                raise DomainError(f"SourceWeighting.fit: groups must each have two classes. Got one class in {name!r}.")
        self.distance_ = np.array([self._distance(kind, data, rows) for rows in sources])
        raw = np.exp(-self.sharpness * (self.distance_ - self.distance_.min()))
        self.source_weight_ = raw / raw.sum()
        known = known_target(data)
        self.estimators_ = [
            fit_wrapped(self.estimator, data.task, data.Xs[rows], data.ys[rows], known) for rows in sources
        ]
        return self

    fit.__doc__ = ShallowTransfer.fit.__doc__

    def _distance(self, kind: str, data: TransferData, rows: Array) -> float:
        X = data.Xs[rows]
        if kind == "uniform":
            return 0.0
        if kind == "mmd":
            rng = check_random_state(self.random_state)
            rows_of = [part[subsample(part.shape[0], _MMD_ROWS, rng)] for part in (X, data.Xt)]
            sides = component_space(*rows_of, n_components=50, random_state=rng)
            return float(np.sqrt(max(mmd2_unbiased(*sides, random_state=rng), 0.0)))
        if kind == "a_distance":
            test = classifier_two_sample(X, data.Xt, linear=True, n_permutations=0, random_state=self.random_state)
            return proxy_a_distance(test.error) / 2
        try:
            model = fit_wrapped(self.estimator, data.task, X, data.ys[rows], Domain(data.Xt))
        except DomainError as err:
            raise DomainError(
                "SourceWeighting.fit: estimator must fit without target labels where relatedness is the loss on them; take"
                f" another relatedness. Got: {err}"
            ) from err
        if data.classes is not None:
            return float(np.mean(np.asarray(model.predict(data.Xt_known)) != data.yt))
        spread = float(np.concatenate([data.ys, data.yt]).var())
        return float(np.mean((model.predict(data.Xt_known) - data.yt) ** 2)) / (spread if spread > 0 else 1.0)

    def predict(self, X: Any) -> Array:
        """Labels or values for rows of the target, of shape (n_samples,)."""
        check_is_fitted(self)
        rows = self._target_rows(X, "predict")
        if hasattr(self, "classes_"):
            return self.classes_[self._shares(rows).argmax(axis=1)]
        return np.sum([w * model.predict(rows) for w, model in zip(self.source_weight_, self.estimators_)], axis=0)

    @available_if(lambda self: hasattr(self, "classes_") if hasattr(self, "estimators_") else not is_regressor(self))
    def predict_proba(self, X: Any) -> Array:
        """Class probabilities for rows of the target, of shape (n_samples, n_classes), in the order of ``classes_``."""
        check_is_fitted(self)
        return self._shares(self._target_rows(X, "predict_proba"))

    @available_if(lambda self: False)
    def decision_function(self, X: Any) -> Array:
        """Not there: the scores of this method are its probabilities."""
        raise NotImplementedError

    def _shares(self, rows: Any) -> Array:
        parts = [
            w * class_shares(model, rows, self.classes_) for w, model in zip(self.source_weight_, self.estimators_)
        ]
        return np.sum(parts, axis=0)

    def _target_rows(self, X: Any, method: str) -> Any:
        return check_rows(self, X, method=method, accept_sparse=True)
