"""H-score: how much of a candidate's feature covariance lies between the target classes, with shrinkage."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from ...core.constraints import Either, Interval, Options
from ...core.protocols import Array, Domain
from ...ops.evidence.transferability import features_of, known_rows, spectrum

CARD = {
    "class": "HScore",
    "protocol": "Selector",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text"),
    "needs": (),
    "cost": "n",
    "paper": "Bao, Li, Huang, Zhang, Zheng, Zamir & Guibas. An Information-Theoretic Approach to Transferability in Task"
    " Transfer Learning. ICIP 2019.",
    "url": "https://doi.org/10.1109/ICIP.2019.8803726",
}

__all__ = ["HScore"]


class HScore(BaseEstimator):
    """Rate features by the variance between class means, measured in units of the features' own covariance.

    Parameters
    ----------
    shrinkage : {"ledoit_wolf"} or float in [0, 1], default="ledoit_wolf"
        How far the covariance is drawn towards a multiple of the identity before it is inverted. 0 is the original score;
        "ledoit_wolf" estimates it from the features. Without shrinkage every candidate with as many features as rows gets
        the same score, n_classes - 1.

    Notes
    -----
    The original score is ``tr(cov(f)^+ cov(E[f | y]))``. The regularised one (Ibrahim, Ponomareva & Mazumder 2022) is
    ``tr(((1 - a) cov(f) + a m I)^-1 (1 - a) cov(E[f | y]))`` with m the mean variance of the features and a the shrinkage.

    With centred features U diag(s) V' no covariance is formed: the score is a sum over singular values (the Woodbury form),
    linear in the number of rows, for more features than rows too. The source is not used.

    References
    ----------
    Bao, Li, Huang, Zhang, Zheng, Zamir & Guibas. An Information-Theoretic Approach to Transferability in Task Transfer
    Learning. ICIP 2019.
    Ibrahim, Ponomareva & Mazumder. Newer is not always better: Rethinking Transferability Metrics, their Peculiarities,
    Stability and Performance. ECML PKDD 2022.
    Ledoit & Wolf. A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices. J. Multivariate Analysis 88, 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from transferkit import Domain, HScore
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(90) % 3
    >>> target = Domain(rng.normal(size=(90, 6)) + 3 * np.eye(6)[y], y)
    >>> informative = FunctionTransformer().fit(target.X)
    >>> noise = FunctionTransformer(lambda X: X[:, 3:]).fit(target.X)
    >>> HScore().score(informative, None, target) > HScore().score(noise, None, target)
    True
    """

    _constraints: ClassVar = {"shrinkage": Either(Options("ledoit_wolf"), Interval(float, 0, 1))}

    def __init__(self, shrinkage: Any = "ledoit_wolf") -> None:
        self.shrinkage = shrinkage

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Trace of the between-class covariance in units of the whole.

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
            In [0, n_classes - 1]; higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        known = known_rows(self, source, target)
        Z = features_of(self, candidate, known.X)
        n, d = Z.shape
        Z = Z - Z.mean(axis=0)
        s, coordinates, _ = spectrum(Z, known.one_hot)
        variances = s**2 / n
        mean_variance = variances.sum() / d
        if mean_variance == 0:
            return 0.0
        a = _ledoit_wolf(Z, variances) if self.shrinkage == "ledoit_wolf" else float(self.shrinkage)
        # Class c has mean V s (U' 1_c) / n_c, and its share is n_c / n.
        between = variances * (coordinates**2 / known.one_hot.sum(axis=0)).sum(axis=1)
        return float((1 - a) * (between / ((1 - a) * variances + a * mean_variance)).sum())


def _ledoit_wolf(Z: Array, variances: Array) -> float:
    """Shrinkage of the covariance of centred rows, from the eigenvalues of that covariance (Ledoit & Wolf 2004)."""
    n, d = Z.shape
    squares = (variances**2).sum()
    distance = squares - variances.sum() ** 2 / d  # |S - m I|^2
    noise = (((Z**2).sum(axis=1) ** 2).mean() - squares) / n
    # One feature, or equal variances: there is nothing to shrink.
    return float(np.clip(noise / distance, 0, 1)) if distance > 1e-12 * squares else 0.0
