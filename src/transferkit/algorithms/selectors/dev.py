"""DEV: importance weighted source risk in the candidate's own features, its variance reduced by a control variate."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from ...core.constraints import Either, EstimatorLike, Interval, Nothing, Options, RandomState
from ...core.protocols import Domain
from ...ops.evidence.held_out import held_out_predictions
from ...ops.evidence.importance import control_variate_risk, held_out_losses, importance_weights
from ...ops.evidence.label_free import candidate_features, check_label_free, check_labelled

CARD = {
    "class": "DEV",
    "protocol": "Selector",
    "settings": ("unsupervised",),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "paper": "You, Wang, Long & Jordan. Towards Accurate Model Selection in Deep Unsupervised Domain Adaptation. ICML 2019.",
    "url": "https://proceedings.mlr.press/v97/you19a.html",
}

__all__ = ["DEV"]


class DEV(BaseEstimator):
    """Estimate the target risk from weighted source losses, with the known mean weight as control.

    Parameters
    ----------
    normalize : {None, "max"}, default=None
        ``"max"`` divides the weights by the largest of them before the risk is computed: DEVN, which keeps the scores
        of candidates with a few huge weights in a common range, but estimates no risk any more.
    loss : {"error", "log"}, default="error"
        ``"error"`` is the 0-1 loss for classes and the squared error for numbers; ``"log"`` minus the logarithm of
        the true class's probability, for classifiers with ``predict_proba``.
    domain_estimator : classifier with predict_proba, default=None
        Tells the domains' features apart. None is logistic regression on standardised features, its C chosen by
        held-out likelihood.
    cv : int in [2, inf), default=3
        Folds of both cross-validations.
    random_state : int, RandomState or None, default=None
        Deals the folds.

    Notes
    -----
    With w_i the density ratio at the features of source row i and l_i its held-out loss, the risk is ``mean(w l) +
    eta (mean(w) - 1)`` with ``eta = -cov(w l, w) / var(w)`` (algorithm 1). Since the true weights have mean 1, the
    second term adds no bias, and this eta takes away the share ``corr(w l, w)^2`` of the variance. The paper
    minimises the risk; the score is its negative, so higher is better. It may exceed 0: the correction does not
    know that a risk is positive.

    Features are the candidate's ``transform`` of either domain, or the rows themselves where it has none. Differences
    from the paper: a cross-validated logistic regression in place of a network with one split, so that every source
    row is used; weight and loss are both held out. Of a transfer method the inner estimator is refitted for each
    fold, the map stays as it was fitted; what cannot be refitted is judged on the rows it was fitted on, which is
    optimistic. It favours candidates that fit the source: where features of the domains hardly overlap, the weights
    mean nothing.

    References
    ----------
    You, Wang, Long & Jordan. Towards Accurate Model Selection in Deep Unsupervised Domain Adaptation. ICML 2019.
    Musgrave, Belongie & Lim. Three New Validators and a Large-Scale Benchmark Ranking for Unsupervised Domain
    Adaptation. arXiv:2208.07360, 2022 (DEVN).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CORAL, DEV, Domain
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> source, target = Domain(X, y), Domain(X + 0.5)
    >>> moved = CORAL(centre=True).fit(X, y, target=target)
    >>> abs(DEV(random_state=0).score(moved, source, target)) < 0.1
    True
    """

    _constraints: ClassVar = {
        "normalize": Either(Nothing(), Options("max")),
        "loss": Options("error", "log"),
        "domain_estimator": Either(Nothing(), EstimatorLike("fit", "predict_proba")),
        "cv": Interval(int, 2),
        "random_state": RandomState(),
    }

    def __init__(
        self,
        normalize: str | None = None,
        loss: str = "error",
        domain_estimator: Any = None,
        cv: int = 3,
        random_state: Any = None,
    ) -> None:
        self.normalize = normalize
        self.loss = loss
        self.domain_estimator = domain_estimator
        self.cv = cv
        self.random_state = random_state

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Minus the estimated target risk.

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
            Higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        check_label_free(self, source, target, least=2)
        check_labelled(self, source)
        Zs = candidate_features(self, candidate, source.X, "source")
        Zt = candidate_features(self, candidate, target.X, "target")
        weights = importance_weights(
            Zs, Zt, estimator=self.domain_estimator, n_splits=self.cv, random_state=self.random_state
        )
        if self.normalize == "max":
            weights = weights / weights.max()
        held_out = held_out_predictions(self, candidate, source, n_splits=self.cv, random_state=self.random_state)
        return 0.0 - control_variate_risk(weights, held_out_losses(self, held_out, self.loss))
