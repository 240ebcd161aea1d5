"""Majority agreement: how often a candidate says what most candidates say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from ...core.errors import ParamError
from ...core.protocols import Array, Domain
from ...ops.evidence.ballots import ballot, common_classes, labels_of, majority
from ...ops.evidence.candidates import MODELS
from ...ops.evidence.kept import kept
from ...ops.evidence.label_free import check_label_free

CARD = {
    "class": "MajorityAgreement",
    "protocol": "Selector",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text"),
    "needs": (),
    "cost": "n",
    "paper": "Own rule. Why votes rank voters: Parisi, Strino, Nadler & Kluger. Ranking and Combining Multiple Predictors Without"
    " Labeled Data. PNAS 111, 2014.",
    "url": "https://arxiv.org/abs/1303.3257",
}

__all__ = ["MajorityAgreement"]


class MajorityAgreement(BaseEstimator):
    """Rate a candidate by the share of target rows on which it names the class that most candidates name.

    Parameters
    ----------
    candidates : sequence of fitted classifiers, default=()
        The voters; must be given before `score`.

    Notes
    -----
    Each candidate has one vote a row, however sure it is; of classes with equally many votes the one with the
    larger mean probability is taken. The score is the accuracy with the vote in the place of the labels. If voters
    err independently of each other given the true class, and better than chance, the vote tends to the truth as
    their number grows, and the score to the accuracy. Copies of one method break that: they agree because they are
    alike. The source is not used.

    References
    ----------
    Parisi, Strino, Nadler & Kluger. Ranking and Combining Multiple Predictors Without Labeled Data. PNAS 111, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CORAL, Domain, MajorityAgreement, SourceOnly
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(120) % 3
    >>> X = rng.normal(size=(120, 3)) + 6 * np.eye(3)[y]
    >>> source, target = Domain(X, y), Domain(X + [5, 0, 0])
    >>> plain = SourceOnly().fit(X, y, target=target)
    >>> moved = [CORAL(centre=True, reg=r).fit(X, y, target=target) for r in (0.1, 1.0)]
    >>> MajorityAgreement([plain, *moved]).score(moved[0], source, target)
    1.0
    """

    _constraints: ClassVar = {"candidates": MODELS}

    def __init__(self, candidates: Sequence[Any] = ()) -> None:
        self.candidates = candidates

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Share of target rows on which the candidate agrees with the vote.

        Parameters
        ----------
        candidate : fitted classifier
            Usually one of `candidates`.
        source : Domain or None
            Not used.
        target : Domain
            Target rows; no label is read.

        Returns
        -------
        float
            In [0, 1]; higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        check_label_free(self, source, target)
        if not self.candidates:
            raise ParamError("MajorityAgreement.score: candidates must hold the fitted models that vote. Got none.")
        vote = kept(self, (target.X, self.candidates), lambda: self._vote(target))
        return float((labels_of(self, candidate, target.X) == vote).mean())

    def _vote(self, target: Domain) -> Array:
        labels = [labels_of(self, m, target.X) for m in self.candidates]
        classes = common_classes(self.candidates, labels)
        proba = np.mean([ballot(self, m, target.X, classes) for m in self.candidates], axis=0)
        return classes[majority(np.searchsorted(classes, np.stack(labels)), len(classes), proba)]
