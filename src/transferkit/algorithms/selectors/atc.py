"""ATC: share of target rows of which a candidate is surer than a threshold learnt on the source."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from ...core.constraints import Interval, Options, RandomState
from ...core.protocols import Domain
from ...ops.evidence.confidence import max_confidence, negative_entropy, share_above_threshold
from ...ops.evidence.held_out import held_out_predictions
from ...ops.evidence.label_free import check_label_free, target_probabilities

CARD = {
    "class": "ATC",
    "protocol": "Selector",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text"),
    "needs": (),
    "cost": "n",
    "paper": "Garg, Balakrishnan, Lipton, Neyshabur & Sedghi. Leveraging Unlabeled Data to Predict Out-of-Distribution"
    " Performance. ICLR 2022.",
    "url": "https://arxiv.org/abs/2201.04234",
}

__all__ = ["ATC"]

_CONFIDENCES = {"entropy": negative_entropy, "maximum": max_confidence}


class ATC(BaseEstimator):
    """Rate a classifier by the accuracy on the target that its average thresholded confidence lets expect.

    Parameters
    ----------
    confidence : {"entropy", "maximum"}, default="entropy"
        How sure the candidate is of a row: its negative entropy (ATC-NE, the better in the paper) or its largest
        probability (ATC-MC). With two classes they are the same.
    n_splits : int in [2, inf), default=3
        Folds of the source in which held-out rows are predicted.
    random_state : int, RandomState or None, default=None
        Deals the folds and seeds refits.

    Notes
    -----
    With s the confidence, the threshold t is such that on the source as many rows lie below it as are predicted wrong,
    ``P_source(s < t) = P_source(prediction is wrong)``; the score is ``P_target(s >= t)``. On the source itself it is
    the source accuracy. Where confidences are coarse, as those of a few neighbours or trees, many lie at t itself; they
    then count in part, so that this still holds.

    Source predictions are of rows held out (`transferkit.ops.evidence.held_out`): the candidate's inner estimator is refitted on
    the other folds of the mapped source, while the map stays as it is and has seen all rows. A candidate without such a
    part, a network for one, is asked about its own training rows, and its estimate is then too good. Probabilities are
    taken as they are; the paper also reports results after a calibration by temperature.

    What fools it: the rule that the confidence falls as the accuracy does. A candidate that is sure of wrong labels on
    the target is estimated as if they were right; no estimate without labels is right for every shift, as the
    paper proves.

    References
    ----------
    Garg, Balakrishnan, Lipton, Neyshabur & Sedghi. Leveraging Unlabeled Data to Predict Out-of-Distribution
    Performance. ICLR 2022, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import ATC, Domain, SourceOnly
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(120) % 2
    >>> X = rng.normal(size=(120, 2)) + 3 * y[:, None]
    >>> model = SourceOnly().fit(X, y, target=Domain(X))
    >>> between = Domain(rng.normal(size=(120, 2)) + 1.5)
    >>> scores = [ATC(random_state=0).score(model, Domain(X, y), target) for target in (Domain(X), between)]
    >>> scores[0] > 0.9 > scores[1]
    True
    """

    _constraints: ClassVar = {
        "confidence": Options("entropy", "maximum"),
        "n_splits": Interval(int, 2),
        "random_state": RandomState(),
    }

    def __init__(self, confidence: str = "entropy", n_splits: int = 3, random_state: Any = None) -> None:
        self.confidence = confidence
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
            From 0 to 1; higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        check_label_free(self, source, target)
        proba = target_probabilities(self, candidate, target)
        known = held_out_predictions(self, candidate, source, n_splits=self.n_splits, random_state=self.random_state)
        sure = _CONFIDENCES[self.confidence]
        own, codes = known.probabilities(self)
        n_right = int((own.argmax(axis=1) == codes).sum())
        return share_above_threshold(sure(own), n_right, sure(proba))
