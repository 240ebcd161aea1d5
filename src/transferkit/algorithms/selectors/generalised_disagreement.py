"""Generalised disagreement: two copies trained on two halves of the source err as often as they disagree."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from ...core.constraints import Interval, RandomState
from ...core.errors import DomainError
from ...core.protocols import Domain
from ...ops.evidence.ballots import labels_of
from ...ops.evidence.label_free import check_label_free, check_labelled
from ...ops.evidence.refits import check_recipe, classes_of, refit
from ...ops.folds import deal_folds

CARD = {
    "class": "GeneralisedDisagreement",
    "protocol": "Selector",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "paper": "Jiang, Nagarajan, Baek & Kolter. Assessing Generalization of SGD via Disagreement. ICLR 2022.",
    "url": "https://arxiv.org/abs/2106.13799",
}

__all__ = ["GeneralisedDisagreement"]


class GeneralisedDisagreement(BaseEstimator):
    """Rate a candidate by how often copies of it, trained on disjoint halves of the source, agree on the target.

    Parameters
    ----------
    n_pairs : int in [1, inf), default=2
        Random divisions of the source into halves; two refits each. More make the score steadier.
    random_state : int, RandomState or None, default=None
        Halves, and the random states of the copies.

    Notes
    -----
    The score is ``1 - mean(h(x) != h'(x))`` over target rows and pairs. If the ensemble of all such copies is
    calibrated on the target, class by class or in the aggregate, the expected disagreement equals the expected
    error (theorem 4.2 of the paper), and the score estimates the target accuracy of a copy. It is fooled by copies that are
    wrong in the same way: a constant scores 1, and so does a stable method that is moved off its place by the
    shift.

    Differences from the paper: SGD runs differ in initialisation, order and data. Most methods here give one result
    for one data set, so copies differ in data (the paper's *DiffData*, disjoint halves of every class), and in the
    random state where there is one. The copies see half of the source and all of the target.

    References
    ----------
    Jiang, Nagarajan, Baek & Kolter. Assessing Generalization of SGD via Disagreement. ICLR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, GeneralisedDisagreement, SourceOnly
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(120) % 3
    >>> X = rng.normal(size=(120, 3)) + 6 * np.eye(3)[y]
    >>> source, target = Domain(X, y), Domain(X + 0.1)
    >>> GeneralisedDisagreement(random_state=0).score(SourceOnly().fit(X, y, target=target), source, target) > 0.98
    True
    """

    _constraints: ClassVar = {"n_pairs": Interval(int, 1), "random_state": RandomState()}

    def __init__(self, n_pairs: int = 2, random_state: Any = None) -> None:
        self.n_pairs = n_pairs
        self.random_state = random_state

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """One minus the mean disagreement of the copies.

        Parameters
        ----------
        candidate : fitted classifier
            Is cloned and fitted ``2 n_pairs`` times.
        source : Domain
            Labelled source rows, two or more of every class.
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
        check_recipe(self, candidate)
        _, codes = classes_of(self, check_labelled(self, source))
        if np.bincount(codes).min() < 2:
            raise DomainError("GeneralisedDisagreement.score: source must have two rows of every class. Got 1 of some.")
        labels_of(self, candidate, target.X)  # rows that it cannot take are refused in its own words
        rng = check_random_state(self.random_state)
        agreed = []
        for _ in range(self.n_pairs):
            halves = deal_folds(codes, 2, rng)
            copies = (refit(self, candidate, source, np.flatnonzero(halves == h), target.X, rng) for h in (0, 1))
            one, other = (labels_of(self, c, target.X) for c in copies)
            agreed.append((one == other).mean())
        return float(np.mean(agreed))
