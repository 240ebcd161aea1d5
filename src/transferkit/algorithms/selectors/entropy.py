"""Entropy: a candidate is the better, the surer it is of its predictions on the target."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from ...core.protocols import Domain
from ...ops.evidence.confidence import negative_entropy
from ...ops.evidence.label_free import check_label_free, target_probabilities

CARD = {
    "class": "Entropy",
    "protocol": "Selector",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text"),
    "needs": (),
    "cost": "n",
    "paper": "Morerio, Cavazza & Murino. Minimal-Entropy Correlation Alignment for Unsupervised Deep Domain Adaptation."
    " ICLR 2018.",
    "url": "https://arxiv.org/abs/1711.10288",
}

__all__ = ["Entropy"]


class Entropy(BaseEstimator):
    """Rate a classifier by minus the mean entropy of its class probabilities on the target.

    Notes
    -----
    ``mean_i sum_k p_ik log p_ik``, in nats: 0 where every row is certain, -log K where none is. The paper chooses the
    weight of its alignment by the least entropy; we negate, so that higher is better.

    What fools it: a candidate that puts all rows in one class with certainty scores 0, the best there is, and so does
    any other that is sure of wrong labels. `InfoMax` asks for all classes too. The source is not used.

    References
    ----------
    Morerio, Cavazza & Murino. Minimal-Entropy Correlation Alignment for Unsupervised Deep Domain Adaptation. ICLR 2018
    (the entropy-based choice of the regularisation weight).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from transferkit import Domain, Entropy
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(90) % 3
    >>> X = rng.normal(size=(90, 6)) + 3 * np.eye(6)[y]
    >>> sure = LogisticRegression().fit(X, y)
    >>> unsure = LogisticRegression().fit(X, rng.permutation(y))
    >>> Entropy().score(sure, None, Domain(X)) > Entropy().score(unsure, None, Domain(X))
    True
    """

    _constraints: ClassVar = {}

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Minus the mean entropy of the target's predictions.

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
            From -log K to 0; higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        check_label_free(self, source, target)
        return float(negative_entropy(target_probabilities(self, candidate, target)).mean())
