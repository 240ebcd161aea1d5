"""DoC: source accuracy of a candidate, less what its confidence loses on the way to the target."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from ...core.constraints import Interval, RandomState
from ...core.protocols import Domain
from ...ops.evidence.confidence import difference_of_confidences
from ...ops.evidence.held_out import held_out_predictions
from ...ops.evidence.label_free import check_label_free, target_probabilities

CARD = {
    "class": "DoC",
    "protocol": "Selector",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text"),
    "needs": (),
    "cost": "n",
    "paper": "Guillory, Shankar, Ebrahimi, Darrell & Schmidt. Predicting with Confidence on Unseen Distributions."
    " ICCV 2021.",
    "url": "https://arxiv.org/abs/2107.03315",
}

__all__ = ["DoC"]


class DoC(BaseEstimator):
    """Rate a classifier by the accuracy on the target that the difference of its confidences lets expect.

    Parameters
    ----------
    n_splits : int in [2, inf), default=3
        Folds of the source in which held-out rows are predicted.
    random_state : int, RandomState or None, default=None
        Deals the folds and seeds refits.

    Notes
    -----
    ``accuracy(source) - (mean_s max p - mean_t max p)``: the difference of average confidences (AC) of source and
    target taken for the difference of accuracies. The paper also regresses the one on the other over known shifts; we
    have none.

    Source accuracy and confidence come from rows held out (`transferkit.ops.evidence.held_out`): the candidate's inner estimator
    is refitted on the other folds of the mapped source, while the map stays as it is and has seen all rows. The
    target's confidence is that of the candidate as it was fitted. A candidate without such a part, a network for one,
    is asked about its own training rows: its estimate is then too good. Refits on fewer rows are less sure,
    which leans the estimate upwards.

    References
    ----------
    Guillory, Shankar, Ebrahimi, Darrell & Schmidt. Predicting with Confidence on Unseen Distributions. ICCV 2021,
    section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import DoC, Domain, SourceOnly
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(120) % 2
    >>> X = rng.normal(size=(120, 2)) + 3 * y[:, None]
    >>> model = SourceOnly().fit(X, y, target=Domain(X))
    >>> near, far = Domain(X), Domain(X + [3, -3])
    >>> DoC(random_state=0).score(model, Domain(X, y), near) > 0.9
    True
    """

    _constraints: ClassVar = {"n_splits": Interval(int, 2), "random_state": RandomState()}

    def __init__(self, n_splits: int = 3, random_state: Any = None) -> None:
        self.n_splits = n_splits
        self.random_state = random_state

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Estimated accuracy on the target.

        Parameters
        ----------
        candidate : fitted classifier with predict_proba
            What is rated.
        source : Domain
            The labelled rows that it was fitted on.
        target : Domain
            Target rows; no label is read.

        Returns
        -------
        float
            About 0 to 1, not clipped, so that it still ranks beyond them; higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        check_label_free(self, source, target)
        proba = target_probabilities(self, candidate, target)
        known = held_out_predictions(self, candidate, source, n_splits=self.n_splits, random_state=self.random_state)
        return difference_of_confidences(*known.probabilities(self), proba)
