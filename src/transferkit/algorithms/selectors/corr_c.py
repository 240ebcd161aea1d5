"""Corr-C: a candidate is the better, the less its classes are mixed up in its predictions on the target."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from ...core.protocols import Domain
from ...ops.evidence.label_free import check_label_free, target_probabilities

CARD = {
    "class": "CorrC",
    "protocol": "Selector",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text"),
    "needs": (),
    "cost": "n",
    "paper": "Tu, Deng, Gedeon & Zheng. Assessing Model Out-of-distribution Generalization with Softmax Prediction"
    " Probability Baselines and A Correlation Method. 2023.",
    "url": "https://openreview.net/forum?id=1maXoEyeqx",
}

__all__ = ["CorrC"]


class CorrC(BaseEstimator):
    """Rate a classifier by how near the correlation matrix of its class probabilities is to the identity.

    Notes
    -----
    With P the n x K matrix of the target's class probabilities and ``C = P' P / n``, the class-class correlation of the
    paper, the score is the cosine of C and the identity, ``tr(C) / (|C|_F sqrt(K))``. Off the diagonal C shows which
    classes share rows, on it how sure and how often each is predicted; the score is 1 where rows are certain and the
    classes used alike, and ``1 / sqrt(K)`` where all rows get one prediction, whichever it is.

    What fools it: certain labels in equal shares, right or wrong. A later version of the paper (TMLR 2024) replaces the
    identity by expected class shares, which needs an outside model; we do not. The source is not used.

    References
    ----------
    Tu, Deng, Gedeon & Zheng. Assessing Model Out-of-distribution Generalization with Softmax Prediction Probability
    Baselines and A Correlation Method. 2023 ("SoftmaxCorr", also called Corr-C).
    Tu, Deng, Zheng & Gedeon. What Does Softmax Probability Tell Us about Classifiers Ranking Across Diverse Test
    Conditions? TMLR 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.linear_model import LogisticRegression
    >>> from transferkit import CorrC, Domain
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(90) % 3
    >>> X = rng.normal(size=(90, 6)) + 3 * np.eye(6)[y]
    >>> collapsed = DummyClassifier(strategy="constant", constant=1).fit(X, y)
    >>> round(CorrC().score(collapsed, None, Domain(X)), 3)
    0.577
    >>> CorrC().score(LogisticRegression().fit(X, y), None, Domain(X)) > 0.9
    True
    """

    _constraints: ClassVar = {}

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Cosine of the class-class correlation matrix of the target's predictions and the identity.

        Parameters
        ----------
        candidate : fitted classifier with predict_proba
            What is rated.
        source : Domain or None
            Not used.
        target : Domain
            Target rows; no label is read.

        Returns
        -------
        float
            From ``1 / sqrt(K)`` to 1; higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        check_label_free(self, source, target)
        proba = target_probabilities(self, candidate, target)
        C = proba.T @ proba  # any scale: the cosine has none
        return float(np.trace(C) / (np.linalg.norm(C) * np.sqrt(len(C))))
