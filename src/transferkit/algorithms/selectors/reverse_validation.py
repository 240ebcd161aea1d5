"""Reverse validation: go to the target and, with the labels predicted there, back; count the errors on the source."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from ...core.constraints import Either, Interval, Nothing, RandomState
from ...core.errors import DomainError
from ...core.protocols import Array, Domain, take_rows
from ...ops.evidence.ballots import labels_of
from ...ops.evidence.label_free import check_label_free, check_labelled
from ...ops.evidence.refits import check_recipe, refit, task_of_candidate
from ...ops.folds import deal_folds

CARD = {
    "class": "ReverseValidation",
    "protocol": "Selector",
    "settings": ("unsupervised",),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "paper": "Zhong, Fan, Yang, Verscheure & Ren. Cross Validation Framework to Choose Amongst Models and Datasets for Transfer"
    " Learning. ECML PKDD 2010.",
    "url": "https://doi.org/10.1007/978-3-642-15939-8_35",
}

__all__ = ["ReverseValidation"]


class ReverseValidation(BaseEstimator):
    """Rate a recipe by the source risk of a copy that learned from nothing but its predictions on the target.

    Parameters
    ----------
    cv : int in [2, inf) or None, default=3
        Folds over the source; the way there and back is refitted for each, and judged on the fold that neither has
        seen with a label. None is circular validation: the candidate as it is goes there, one refit goes back, all
        source rows are judged.
    random_state : int, RandomState or None, default=None
        Deals the folds; random states of the copies.

    Notes
    -----
    For each fold, a copy f is fitted on the other source rows with the target unlabelled. A second copy g of the
    same recipe is fitted with the target rows and their predicted labels f(x) as its source, and the unlabelled
    source rows as its target. The score is minus the mean loss of g on the fold, ``-mean loss(y, g(x))`` (0-1 loss
    for classes, squared error for numbers). The papers minimise it; here higher is better. If f names one class
    only, g is that constant.

    A recipe that loses the classes on the way cannot come back, which is what it detects. It is fooled by a recipe
    that swaps two classes on the way and swaps them back again: the score is then 0, its best, with every label
    wrong.

    Ganin et al. hold out one tenth of both domains once; here all folds are used and the target is not
    cut. Candidates that need target labels cannot be judged.

    References
    ----------
    Zhong, Fan, Yang, Verscheure & Ren. Cross Validation Framework to Choose Amongst Models and Datasets for
    Transfer Learning. ECML PKDD 2010.
    Bruzzone & Marconcini. Domain Adaptation Problems: A DASVM Classification Technique and a Circular Validation
    Strategy. IEEE TPAMI 32, 2010 (``cv=None``).
    Ganin et al. Domain-Adversarial Training of Neural Networks. JMLR 17, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CORAL, Domain, ReverseValidation, SourceOnly
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(90) % 3
    >>> X = rng.normal(size=(90, 3)) + 6 * np.eye(3)[y]
    >>> source, target = Domain(X, y), Domain(X + [12, 0, 0])
    >>> plain = SourceOnly().fit(X, y, target=target)
    >>> moved = CORAL(centre=True).fit(X, y, target=target)
    >>> reverse = ReverseValidation(random_state=0)
    >>> reverse.score(moved, source, target) > reverse.score(plain, source, target)
    True
    """

    _constraints: ClassVar = {"cv": Either(Nothing(), Interval(int, 2)), "random_state": RandomState()}

    def __init__(self, cv: int | None = 3, random_state: Any = None) -> None:
        self.cv = cv
        self.random_state = random_state

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Minus the risk on the source after going there and back.

        Parameters
        ----------
        candidate : fitted model
            Is cloned and fitted ``2 cv`` times; once with ``cv=None``.
        source : Domain
            Labelled source rows.
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
        y = check_labelled(self, source)
        check_recipe(self, candidate)
        guess = labels_of(self, candidate, target.X)
        classify = task_of_candidate(candidate, y) == "classification"
        rng = check_random_state(self.random_state)
        everything = np.arange(len(y))
        if self.cv is None:
            back = self._back(candidate, source, target, everything, everything, guess, rng)
        else:
            codes = np.unique(y, return_inverse=True)[1] if classify else None
            folds = deal_folds(codes, min(self.cv, len(y)), rng, n=len(y))
            if folds.max() == 0:
                raise DomainError(f"ReverseValidation.score: source must have two rows or more. Got {len(y)}.")
            back = np.empty(len(y), dtype=y.dtype if classify else np.float64)
            for fold in range(folds.max() + 1):
                kept, out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
                there = refit(self, candidate, source, kept, target.X, rng)
                guess = labels_of(self, there, target.X)
                back[out] = self._back(candidate, source, target, kept, out, guess, rng)
        return 0.0 - float((back != y).mean() if classify else ((back - y) ** 2).mean())

    def _back(
        self,
        candidate: Any,
        source: Domain,
        target: Domain,
        kept: Array,
        out: Array,
        guess: Array,
        rng: np.random.RandomState,
    ) -> Array:
        """What a copy that learned from guessed target labels says of the source rows `out`."""
        if len(np.unique(guess)) == 1:
            return np.repeat(guess[:1], len(out))
        guessed = Domain(target.X, guess)
        copy = refit(self, candidate, guessed, np.arange(len(guess)), take_rows(source.X, kept), rng)
        return labels_of(self, copy, take_rows(source.X, out), rows="source.X")
