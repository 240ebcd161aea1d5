"""Simulated shift: cut the source into a half unlike the target and a half like it, and see who bridges the cut."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from ...core.constraints import Interval, RandomState
from ...core.errors import DomainError
from ...core.protocols import Array, Domain, take_rows
from ...ops.evidence.ballots import labels_of
from ...ops.evidence.candidates import check_rows
from ...ops.evidence.importance import importance_weights
from ...ops.evidence.kept import kept
from ...ops.evidence.label_free import check_label_free, check_labelled
from ...ops.evidence.refits import check_recipe, classes_of, refit

CARD = {
    "class": "SimulatedShift",
    "protocol": "Selector",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "paper": "Own rule. Its order of the rows: Bickel, Brückner & Scheffer. Discriminative Learning for Differing Training and"
    " Test Distributions. ICML 2007.",
    "url": "https://doi.org/10.1145/1273496.1273507",
}

__all__ = ["SimulatedShift"]


class SimulatedShift(BaseEstimator):
    """Rate a recipe by its accuracy on the source rows most like the target, learned from those least like it.

    Parameters
    ----------
    n_cuts : int in [1, inf), default=1
        Simulations, each with noise and refit of its own. More make the score steadier.
    noise : float in [0, inf), default=0.5
        Spread of the noise that is added to the rows' order before the cut, in standard deviations of the order
        inside a class. 0 cuts sharply; infinity would be no shift at all.
    random_state : int, RandomState or None, default=None
        Folds, noise, and the random states of the copies.

    Notes
    -----
    g is the held-out log odds of a logistic domain classifier on the source rows. Inside every class g is
    standardised, noise is added, and the class is cut in the middle: the lower half is the pseudo-source, the upper
    half the pseudo-target. Class shares of the halves are equal; a class with an odd number of rows has one more in
    the pseudo-source. A copy of the candidate is fitted on them, and the score is its accuracy on the
    pseudo-target, whose labels are the source's own.

    The direction of the simulated shift is that of the real one, its size is not: a recipe for large moves is not
    recognised, and the halves hold half of the rows. As a choice by itself it was safe and brought little in
    experiments on real tasks; it is the third rank of the weighted vote there.

    References
    ----------
    Bickel, Brückner & Scheffer. Discriminative Learning for Differing Training and Test Distributions. ICML 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, SimulatedShift, SourceOnly
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(120) % 3
    >>> X = rng.normal(size=(120, 3)) + 6 * np.eye(3)[y]
    >>> source, target = Domain(X, y), Domain(X + 1)
    >>> SimulatedShift(random_state=0).score(SourceOnly().fit(X, y, target=target), source, target) > 0.9
    True
    """

    _constraints: ClassVar = {"n_cuts": Interval(int, 1), "noise": Interval(float, 0), "random_state": RandomState()}

    def __init__(self, n_cuts: int = 1, noise: float = 0.5, random_state: Any = None) -> None:
        self.n_cuts = n_cuts
        self.noise = noise
        self.random_state = random_state

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Mean accuracy on the pseudo-targets.

        Parameters
        ----------
        candidate : fitted classifier
            Is cloned and fitted `n_cuts` times.
        source : Domain
            Labelled source rows, two or more of two classes at least.
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
        check_label_free(self, source, target, least=2)
        y = check_labelled(self, source)
        check_recipe(self, candidate)
        labels_of(self, candidate, target.X)  # rows that it cannot take are refused in its own words
        key = source.X, source.y, target.X, self.n_cuts, self.noise, self.random_state
        cuts, seed = kept(self, key, lambda: self._cuts(source, target))
        rng = np.random.RandomState(seed)  # the same cuts and seeds for every candidate
        scores = []
        for upper in cuts:
            asked = take_rows(source.X, np.flatnonzero(upper))
            copy = refit(self, candidate, source, np.flatnonzero(~upper), asked, rng)
            scores.append((labels_of(self, copy, asked, rows="source.X") == y[upper]).mean())
        return float(np.mean(scores))

    def _cuts(self, source: Domain, target: Domain) -> tuple[Array, int]:
        """Which source rows play the target, of shape (n_cuts, n_source); and a seed for the refits."""
        rng = check_random_state(self.random_state)
        Xs, y, Xt = check_rows(self, source, target)
        _, codes = classes_of(self, y)
        if (np.bincount(codes) > 1).sum() < 2:
            raise DomainError("SimulatedShift.score: source must have two rows of two classes. Got fewer.")
        order = np.log(importance_weights(Xs, Xt, random_state=rng))
        for own in (np.flatnonzero(codes == c) for c in range(codes.max() + 1)):
            centred = order[own] - order[own].mean()
            order[own] = centred / (centred.std() or 1.0)
        cuts = np.zeros((self.n_cuts, len(y)), dtype=bool)
        for cut in cuts:
            noisy = order + self.noise * rng.standard_normal(len(y))
            for c in range(codes.max() + 1):
                own = np.flatnonzero(codes == c)
                cut[own[np.argsort(noisy[own], kind="stable")[(len(own) + 1) // 2 :]]] = True
        return cuts, int(rng.randint(2**31 - 1))
