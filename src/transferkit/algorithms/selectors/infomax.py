"""InfoMax: a candidate is the better, the surer it is of each target row while all classes are used."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from ...core.constraints import Interval
from ...core.protocols import Domain
from ...ops.evidence.confidence import negative_entropy
from ...ops.evidence.label_free import check_label_free, target_probabilities

CARD = {
    "class": "InfoMax",
    "protocol": "Selector",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text"),
    "needs": (),
    "cost": "n",
    "paper": "Musgrave, Belongie & Lim. Benchmarking Validation Methods for Unsupervised Domain Adaptation. 2022.",
    "url": "https://arxiv.org/abs/2208.07360",
}

__all__ = ["InfoMax"]


class InfoMax(BaseEstimator):
    """Rate a classifier by the mutual information of target rows and the labels that it gives them.

    Parameters
    ----------
    diversity : float in [0, inf), default=1.0
        Weight of the entropy of the mean prediction. 1 is the mutual information; 0 is `Entropy`.

    Notes
    -----
    With p_i the prediction for row i and H the entropy, ``H(mean_i p_i) - mean_i H(p_i)``, in nats: the class diversity
    less the entropy. It is the mutual information I(x; y) that Krause et al. maximise, and minus the information
    maximisation loss of SHOT, L_ent + L_div. It is 0 where all rows get the same prediction and log K where rows are
    certain and the classes used alike.

    What fools it: certain labels in equal shares score log K whether they are right or not, and where the target's true
    class shares are unequal, a candidate that makes them equal is preferred. The source is not used.

    References
    ----------
    Krause, Perona & Gomes. Discriminative Clustering by Regularized Information Maximization. NIPS 2010.
    Liang, Hu & Feng. Do We Really Need to Access the Source Data? Source Hypothesis Transfer for Unsupervised Domain
    Adaptation. ICML 2020 (the loss).
    Musgrave, Belongie & Lim. Three New Validators and a Large-Scale Benchmark Ranking for Unsupervised Domain
    Adaptation. 2022 (as a validator, "IM").

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.linear_model import LogisticRegression
    >>> from transferkit import Domain, InfoMax
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(90) % 3
    >>> X = rng.normal(size=(90, 6)) + 3 * np.eye(6)[y]
    >>> collapsed = DummyClassifier(strategy="constant", constant=1).fit(X, y)
    >>> InfoMax().score(collapsed, None, Domain(X))
    0.0
    >>> InfoMax().score(LogisticRegression().fit(X, y), None, Domain(X)) > 0.5
    True
    """

    _constraints: ClassVar = {"diversity": Interval(float, 0)}

    def __init__(self, diversity: float = 1.0) -> None:
        self.diversity = diversity

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Diversity of the target's predictions less their mean entropy.

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
            From 0 to log K with ``diversity=1``; higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        check_label_free(self, source, target)
        proba = target_probabilities(self, candidate, target)
        spread = -negative_entropy(proba.mean(axis=0, keepdims=True))[0]
        return float(self.diversity * spread + negative_entropy(proba).mean())
