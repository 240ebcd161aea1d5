"""SND: a candidate is the better, the more target rows look alike to it in dense neighbourhoods."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.special import xlogy
from sklearn.base import BaseEstimator

from ...core.constraints import Interval, Options, RandomState
from ...core.protocols import Array, Domain
from ...ops.components import subsample
from ...ops.evidence.label_free import candidate_features, check_label_free, target_probabilities
from ...ops.solvers.linalg import unit_rows

CARD = {
    "class": "SND",
    "protocol": "Selector",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text"),
    "needs": (),
    "cost": "n^2",
    "paper": "Saito, Kim, Teterwak, Sclaroff, Darrell & Saenko. Tune it the Right Way: Unsupervised Validation of"
    " Domain Adaptation via Soft Neighborhood Density. ICCV 2021.",
    "url": "https://arxiv.org/abs/2108.10860",
}

__all__ = ["SND"]

_BLOCK = 1000  # rows whose similarities to all others are held at a time


class SND(BaseEstimator):
    """Rate a classifier by the entropy of each target row's similarities to the others: its soft neighbourhood density.

    Parameters
    ----------
    space : {"probabilities", "features"}, default="probabilities"
        What is compared: class probabilities, as in the paper, or the candidate's features (what its ``transform``
        gives; the rows themselves where it has none).
    temperature : float in (0, inf), default=0.05
        The smaller, the fewer neighbours count.
    max_rows : int in [3, inf), default=5000
        Target rows that are drawn where there are more.
    random_state : int, RandomState or None, default=None
        Draws them.

    Notes
    -----
    With f_i the class probabilities of row i scaled to unit length and T the temperature, row i sees row j with
    ``P_ij = exp(f_i . f_j / T) / sum_{j' != i} exp(f_i . f_j' / T)``; the score is the mean over rows of the entropy
    ``-sum_j P_ij log P_ij``, in nats. A row that lies among many like it has a high one, at most log(n - 1). The number
    of rows moves the score: compare it on one target only.

    What fools it: a candidate that gives all rows the same prediction, sure of it or not, reaches log(n - 1), the best
    there is. The paper assumes models that discriminate. The source is not used.

    References
    ----------
    Saito, Kim, Teterwak, Sclaroff, Darrell & Saenko. Tune it the Right Way: Unsupervised Validation of Domain
    Adaptation via Soft Neighborhood Density. ICCV 2021, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyClassifier
    >>> from transferkit import Domain, SND
    >>> X, y = np.zeros((9, 1)), np.arange(9) % 3
    >>> constant = DummyClassifier().fit(X, y)
    >>> bool(np.isclose(SND().score(constant, None, Domain(X)), np.log(8)))
    True
    """

    _constraints: ClassVar = {
        "space": Options("probabilities", "features"),
        "temperature": Interval(float, 0, closed="neither"),
        "max_rows": Interval(int, 3),
        "random_state": RandomState(),
    }
    _known_failures: ClassVar = {
        "check_score_order": "predictions from noise are all alike, which is the densest neighbourhood"
    }

    def __init__(
        self,
        space: str = "probabilities",
        temperature: float = 0.05,
        max_rows: int = 5000,
        random_state: Any = None,
    ) -> None:
        self.space = space
        self.temperature = temperature
        self.max_rows = max_rows
        self.random_state = random_state

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Mean entropy of the similarities of a target row to the others.

        Parameters
        ----------
        candidate : fitted classifier
            With ``predict_proba``, unless features are compared.
        source : Domain or None
            Not used.
        target : Domain
            Three rows or more; no label is read.

        Returns
        -------
        float
            From 0 to log(n - 1); higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        check_label_free(self, source, target, least=3)
        if self.space == "probabilities":
            Z = target_probabilities(self, candidate, target)
        else:
            Z = candidate_features(self, candidate, target.X, "target")
        F = unit_rows(Z[subsample(len(Z), self.max_rows, self.random_state)])
        return float(np.concatenate([self._entropies(F, start) for start in range(0, len(F), _BLOCK)]).mean())

    def _entropies(self, F: Array, start: int) -> Array:
        block = F[start : start + _BLOCK]
        S = block @ F.T / self.temperature
        S[np.arange(len(block)), np.arange(start, start + len(block))] = -np.inf  # a row is no neighbour of itself
        P = np.exp(S - S.max(axis=1, keepdims=True))
        P /= P.sum(axis=1, keepdims=True)
        entropies: Array = -xlogy(P, P).sum(axis=1)
        return entropies
