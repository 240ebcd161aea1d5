"""RankMe: a candidate is the better, the more directions its features of the target fill."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.special import entr
from sklearn.base import BaseEstimator

from ...core.protocols import Domain
from ...ops.evidence.label_free import candidate_features, check_label_free

CARD = {
    "class": "RankMe",
    "protocol": "Selector",
    "settings": ("unsupervised",),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text"),
    "needs": (),
    "cost": "n",
    "paper": "Garrido, Balestriero, Najman & LeCun. RankMe: Assessing the Downstream Performance of Pretrained"
    " Self-Supervised Representations by Their Rank. ICML 2023.",
    "url": "https://arxiv.org/abs/2210.02885",
}

__all__ = ["RankMe"]


class RankMe(BaseEstimator):
    """Rate features by their effective rank on the target: features that have collapsed onto few directions score low.

    Notes
    -----
    With s_k the singular values of the n x d matrix of features and ``p_k = s_k / sum s``, ``exp(-sum_k p_k log p_k)``:
    the effective rank, from 1 to the rank. The paper adds 1e-7 to each p_k against the rounding of single precision; we
    compute in double precision and do not, so that the score does not depend on the scale of the features. Features are
    not centred, as in the paper, and are what the candidate's ``transform`` gives; where it has none, the rows
    themselves, and all such candidates score the same.

    It was made for features of networks of one architecture, from one kind of training. It says how much is in the
    features, not whether it bears on the labels: noise in many directions scores highest, and a method that projects
    onto fewer components can only lose. With fewer rows than features it counts rows. The source is not used.

    References
    ----------
    Garrido, Balestriero, Najman & LeCun. RankMe: Assessing the Downstream Performance of Pretrained Self-Supervised
    Representations by Their Rank. ICML 2023.
    Roy & Vetterli. The Effective Rank: A Measure of Effective Dimensionality. EUSIPCO 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from transferkit import Domain, RankMe
    >>> target = Domain(np.tile(np.eye(3), (4, 1)))
    >>> whole = FunctionTransformer().fit(target.X)
    >>> collapsed = FunctionTransformer(lambda X: X @ np.ones((3, 2))).fit(target.X)
    >>> [round(RankMe().score(model, None, target), 6) for model in (whole, collapsed)]
    [3.0, 1.0]
    """

    _constraints: ClassVar = {}
    _known_failures: ClassVar = {"check_score_order": "noise fills more directions than classes do"}

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Effective rank of the target's features.

        Parameters
        ----------
        candidate : fitted model
            Its ``transform`` gives the features.
        source : Domain or None
            Not used.
        target : Domain
            Target rows; no label is read.

        Returns
        -------
        float
            From 1 to the number of features; higher is better. 0 where all features are 0.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        check_label_free(self, source, target)
        s = np.linalg.svd(candidate_features(self, candidate, target.X, "target"), compute_uv=False)
        return float(np.exp(entr(s / s.sum()).sum())) if s.any() else 0.0
