"""TransRate: mutual information between a candidate's features and the target labels, by coding rates."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from ...core.constraints import Boolean, Interval
from ...core.protocols import Array, Domain
from ...ops.evidence.transferability import features_of, known_rows

CARD = {
    "class": "TransRate",
    "protocol": "Selector",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text"),
    "needs": (),
    "cost": "n",
    "paper": "Huang, Huang, Rong, Yang & Wei. Frustratingly Easy Transferability Estimation. ICML 2022.",
    "url": "https://arxiv.org/abs/2106.09362",
}

__all__ = ["TransRate"]


class TransRate(BaseEstimator):
    """Rate features by the bits that coding them saves once the class of each row is known.

    Parameters
    ----------
    eps : float in (0, inf), default=1e-4
        Distortion up to which rows are coded, in squared units of the features.
    normalize : bool, default=False
        Divide the centred features by their root mean square first, so that `eps` is relative and the score does not depend
        on the scale of the features. False is the paper's.

    Notes
    -----
    With centred features Z, the coding rate is ``R(Z) = logdet(I + Z' Z / (n eps)) / 2`` and the score is
    ``R(Z) - sum_c (n_c / n) R(Z_c)``. The paper's listing gives every class the weight 1 / n_classes, which is the same for
    equal classes; weights n_c / n make it a mutual information, at least 0 for any shares. The determinant is taken of the
    smaller of Z' Z and Z Z'. The source is not used.

    References
    ----------
    Huang, Huang, Rong, Yang & Wei. Frustratingly Easy Transferability Estimation. ICML 2022.
    Ma, Derksen, Hong & Wright. Segmentation of Multivariate Mixed Data via Lossy Data Coding and Compression. PAMI 29, 2007
    (the coding rate).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from transferkit import Domain, TransRate
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(90) % 3
    >>> target = Domain(rng.normal(size=(90, 6)) + 3 * np.eye(6)[y], y)
    >>> informative = FunctionTransformer(lambda X: X[:, :3]).fit(target.X)
    >>> noise = FunctionTransformer(lambda X: X[:, 3:]).fit(target.X)
    >>> TransRate().score(informative, None, target) > TransRate().score(noise, None, target)
    True
    """

    _constraints: ClassVar = {"eps": Interval(float, 0, closed="neither"), "normalize": Boolean()}

    def __init__(self, eps: float = 1e-4, normalize: bool = False) -> None:
        self.eps = eps
        self.normalize = normalize

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Coding rate of all rows minus that of the rows of each class, in nats.

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
            At least 0; higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        known = known_rows(self, source, target)
        Z = features_of(self, candidate, known.X)
        Z = Z - Z.mean(axis=0)
        if self.normalize:
            Z = Z / max(np.sqrt((Z**2).mean()), np.finfo(np.float64).tiny)
        parts = [Z[known.codes == c] for c in range(len(known.classes))]
        return self._rate(Z) - sum(len(part) / len(Z) * self._rate(part) for part in parts)

    def _rate(self, Z: Array) -> float:
        n, d = Z.shape
        gram = Z.T @ Z if d < n else Z @ Z.T
        values = np.maximum(np.linalg.eigvalsh(gram), 0)
        return float(np.log1p(values / (n * self.eps)).sum() / 2)
