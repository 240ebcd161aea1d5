"""IWCV: cross-validated source risk, each row weighted by how much denser the target is there."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from ...core.constraints import Either, EstimatorLike, Interval, Nothing, Options, RandomState
from ...core.protocols import Array, Domain
from ...ops.evidence.ballots import labels_of
from ...ops.evidence.candidates import check_rows
from ...ops.evidence.held_out import held_out_predictions
from ...ops.evidence.importance import held_out_losses, importance_weights
from ...ops.evidence.kept import kept
from ...ops.evidence.label_free import candidate_features, check_label_free, check_labelled

CARD = {
    "class": "IWCV",
    "protocol": "Selector",
    "settings": ("unsupervised",),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "paper": "Sugiyama, Krauledat & Müller. Covariate Shift Adaptation by Importance Weighted Cross Validation. JMLR 8, 2007.",
    "url": "https://www.jmlr.org/papers/v8/sugiyama07a.html",
}

__all__ = ["IWCV"]


class IWCV(BaseEstimator):
    """Rate a candidate by its held-out loss on the source, weighted by the ratio of target to source density.

    Parameters
    ----------
    loss : {"error", "log"}, default="error"
        ``"error"`` is the 0-1 loss for classes and the squared error for numbers, as in the paper; ``"log"`` minus the
        logarithm of the true class's probability, for classifiers with ``predict_proba``.
    space : {"rows", "features"}, default="rows"
        Where the densities are compared. ``"rows"`` is the paper's: the input space, the same for all candidates.
        ``"features"`` is what the candidate's ``transform`` makes of them.
    domain_estimator : classifier with predict_proba, default=None
        Tells the domains apart. None is logistic regression on standardised columns, its C chosen by held-out
        likelihood.
    cv : int in [2, inf), default=3
        Folds of both cross-validations.
    random_state : int, RandomState or None, default=None
        Deals the folds.

    Notes
    -----
    The score is ``-1/n sum_i w(x_i) loss(y_i, f_-i(x_i))`` over all source rows (the importance weighted
    cross-validation risk of the paper, with all folds pooled), where f_-i has not seen row i. The
    paper minimises the risk; here it is negated, so higher is better. If the labels follow the same rule in both
    domains and the target lies inside the source's support, it is an almost unbiased estimate of minus the target
    risk. Where the domains hardly overlap, a few rows carry all the weight and it says nothing.

    Differences from the paper: w comes from a cross-validated domain classifier, not from two density estimates; and
    of a transfer method only the inner estimator is refitted for each fold, in the space of its ``transform`` (or on
    the rows themselves, where it has none), since most maps are not defined on source rows alone. What cannot be
    refitted is judged on the rows it was fitted on, which is optimistic.

    References
    ----------
    Sugiyama, Krauledat & Müller. Covariate Shift Adaptation by Importance Weighted Cross Validation. JMLR 8, 2007.
    Bickel, Brückner & Scheffer. Discriminative Learning for Differing Training and Test Distributions. ICML 2007 (the
    weights).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, IWCV, SourceOnly
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> source, target = Domain(X, y), Domain(X + 0.5)
    >>> plain = SourceOnly().fit(X, y, target=target)
    >>> -0.1 < IWCV(random_state=0).score(plain, source, target) <= 0
    True
    """

    _constraints: ClassVar = {
        "loss": Options("error", "log"),
        "space": Options("rows", "features"),
        "domain_estimator": Either(Nothing(), EstimatorLike("fit", "predict_proba")),
        "cv": Interval(int, 2),
        "random_state": RandomState(),
    }

    def __init__(
        self,
        loss: str = "error",
        space: str = "rows",
        domain_estimator: Any = None,
        cv: int = 3,
        random_state: Any = None,
    ) -> None:
        self.loss = loss
        self.space = space
        self.domain_estimator = domain_estimator
        self.cv = cv
        self.random_state = random_state

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Minus the importance weighted held-out risk.

        Parameters
        ----------
        candidate : fitted model
            Classifier or regressor.
        source : Domain
            Labelled source rows, those that the candidate was fitted on.
        target : Domain
            Target rows; no label is read.

        Returns
        -------
        float
            At most 0; higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        check_label_free(self, source, target, least=2)
        check_labelled(self, source)
        labels_of(self, candidate, target.X)  # it has to be fitted, and to take the target's rows
        weights = self._weights(candidate, source, target)
        held_out = held_out_predictions(self, candidate, source, n_splits=self.cv, random_state=self.random_state)
        return 0.0 - float((weights * held_out_losses(self, held_out, self.loss)).mean())

    def _weights(self, candidate: Any, source: Domain, target: Domain) -> Array:
        given = {"estimator": self.domain_estimator, "n_splits": self.cv, "random_state": self.random_state}
        if self.space == "features":
            Zs, Zt = (
                candidate_features(self, candidate, d.X, side) for d, side in ((source, "source"), (target, "target"))
            )
            return importance_weights(Zs, Zt, **given)

        def compute() -> Array:
            Xs, _, Xt = check_rows(self, source, target)
            return importance_weights(Xs, Xt, **given)

        return kept(self, (source.X, target.X, *given.values()), compute)
