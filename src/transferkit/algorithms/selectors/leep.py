"""LEEP: log expected empirical prediction of the target labels from a candidate's source-class probabilities."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from ...core.protocols import Domain
from ...ops.evidence.transferability import expected_prediction, known_rows, source_probabilities

CARD = {
    "class": "LEEP",
    "protocol": "Selector",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text"),
    "needs": (),
    "cost": "n",
    "paper": "Nguyen, Hassner, Seeger & Archambeau. LEEP: A New Measure to Evaluate Transferability of Learned Representations."
    " ICML 2020.",
    "url": "https://arxiv.org/abs/2002.12462",
}

__all__ = ["LEEP"]


class LEEP(BaseEstimator):
    """Rate a source classifier by how well its class probabilities, re-labelled by counting, predict the target labels.

    Notes
    -----
    With theta(x) the candidate's probabilities of its own classes z on target row x, counting gives
    ``P(y, z) = mean_i [y_i = y] theta(x_i)_z`` and the score is ``mean_i log sum_z P(y_i | z) theta(x_i)_z`` (eq. 2).
    At most 0; the number and the names of the source classes are free. The source is not used: the candidate was fitted
    on it. One pass, no training.

    References
    ----------
    Nguyen, Hassner, Seeger & Archambeau. LEEP: A New Measure to Evaluate Transferability of Learned Representations.
    ICML 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from transferkit import Domain, LEEP
    >>> rng = np.random.default_rng(0)
    >>> z = np.arange(120) % 4
    >>> X = rng.normal(size=(120, 4)) + 4 * np.eye(4)[z]
    >>> model = LogisticRegression().fit(X, z)
    >>> related, unrelated = Domain(X, z // 2), Domain(X, rng.permutation(z // 2))
    >>> LEEP().score(model, None, related) > LEEP().score(model, None, unrelated)
    True
    """

    _constraints: ClassVar = {}

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Mean log-likelihood of the known target labels.

        Parameters
        ----------
        candidate : fitted classifier with predict_proba
            Its classes are those of the source.
        source : Domain or None
            Not used.
        target : Domain
            Only rows whose label is known are read.

        Returns
        -------
        float
            At most 0; higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        known = known_rows(self, source, target)
        return expected_prediction(source_probabilities(self, candidate, known.X), known.codes)
