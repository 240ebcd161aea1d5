"""GBC: how little the target classes overlap as Gaussians in a candidate's features (Bhattacharyya coefficients)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from ...core.constraints import Either, Interval, Nothing, Options
from ...core.errors import DomainError
from ...core.protocols import Domain
from ...ops.evidence.transferability import features_of, known_rows, principal_scores

CARD = {
    "class": "GBC",
    "protocol": "Selector",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text"),
    "needs": (),
    "cost": "n",
    "paper": "Pandy, Agostinelli, Uijlings, Ferrari & Mensink. Transferability Estimation Using Bhattacharyya Class Separability."
    " CVPR 2022.",
    "url": "https://arxiv.org/abs/2111.12780",
}

__all__ = ["GBC"]


class GBC(BaseEstimator):
    """Rate features by the overlap of the target classes, each taken for a Gaussian.

    Parameters
    ----------
    covariance : {"spherical", "diagonal"}, default="spherical"
        One variance a class, or one for each class and feature. The first needs fewer rows.
    n_components : int in [1, inf) or None, default=64
        Principal components that the features are reduced to first; None keeps them as they are.
    floor : float in (0, 1], default=1e-4
        Least variance, as a share of the mean variance within classes: a class of one row has none of its own.

    Notes
    -----
    The score is ``-sum_{i != j} exp(-D(i, j))`` over ordered pairs of classes, with the Bhattacharyya distance
    ``D = (m_i - m_j)' S^-1 (m_i - m_j) / 8 + log(|S| / sqrt(|S_i| |S_j|)) / 2`` and S the mean of S_i and S_j.
    At most 0; 0 for classes that do not overlap at all.

    Differences from the authors' code: the log-determinant of a spherical covariance counts every dimension (there, one),
    so that the distance is the true one between the two Gaussians; the floor is relative (there, 1e-4), so that the score
    does not depend on the scale of the features. The source is not used.

    References
    ----------
    Pandy, Agostinelli, Uijlings, Ferrari & Mensink. Transferability Estimation Using Bhattacharyya Class Separability.
    CVPR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from transferkit import GBC, Domain
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(90) % 3
    >>> target = Domain(rng.normal(size=(90, 6)) + 3 * np.eye(6)[y], y)
    >>> informative = FunctionTransformer().fit(target.X)
    >>> noise = FunctionTransformer(lambda X: X[:, 3:]).fit(target.X)
    >>> GBC().score(informative, None, target) > GBC().score(noise, None, target)
    True
    """

    _constraints: ClassVar = {
        "covariance": Options("spherical", "diagonal"),
        "n_components": Either(Nothing(), Interval(int, 1)),
        "floor": Interval(float, 0, 1, closed="right"),
    }

    def __init__(self, covariance: str = "spherical", n_components: int | None = 64, floor: float = 1e-4) -> None:
        self.covariance = covariance
        self.n_components = n_components
        self.floor = floor

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Minus the sum of the Bhattacharyya coefficients of all ordered pairs of classes.

        Parameters
        ----------
        candidate : fitted object with transform
            Gives the features.
        source : Domain or None
            Not used.
        target : Domain
            Only rows whose label is known are read.

        Returns
        -------
        float
            In [-n_classes (n_classes - 1), 0]; higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        known = known_rows(self, source, target)
        Z = principal_scores(features_of(self, candidate, known.X), self.n_components)
        members = known.one_hot
        counts = members.sum(axis=0)
        means = members.T @ Z / counts[:, None]
        variances = members.T @ (Z - means[known.codes]) ** 2 / counts[:, None]
        within = float(counts @ variances.mean(axis=1)) / len(Z)
        if within <= 1e-15 * (Z**2).mean():
            raise DomainError(
                "GBC.score: known labels of target must have classes within which the candidate's features vary."
                f" Got a mean variance of {within:g} with {len(Z)} rows of {len(counts)} classes."
            )
        if self.covariance == "spherical":
            variances = np.repeat(variances.mean(axis=1, keepdims=True), Z.shape[1], axis=1)
        variances = np.maximum(variances, self.floor * within)
        overlap = 0.0
        for c in range(1, len(counts)):
            middle = (variances[c] + variances[:c]) / 2
            distance = ((means[c] - means[:c]) ** 2 / middle).sum(axis=1) / 8
            distance += (np.log(middle) - (np.log(variances[c]) + np.log(variances[:c])) / 2).sum(axis=1) / 2
            overlap += 2 * float(np.exp(-distance).sum())
        return -overlap
