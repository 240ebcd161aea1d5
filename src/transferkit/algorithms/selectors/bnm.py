"""BNM: a candidate is the better, the larger the nuclear norm of its predictions on the target."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from ...core.protocols import Domain
from ...ops.evidence.label_free import check_label_free, target_probabilities

CARD = {
    "class": "BNM",
    "protocol": "Selector",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text"),
    "needs": (),
    "cost": "n",
    "paper": "Cui, Wang, Zhuo, Li, Huang & Tian. Towards Discriminability and Diversity: Batch Nuclear-norm"
    " Maximization under Label Insufficient Situations. CVPR 2020.",
    "url": "https://arxiv.org/abs/2003.12237",
}

__all__ = ["BNM"]


class BNM(BaseEstimator):
    """Rate a classifier by the nuclear norm of its matrix of class probabilities: large where it is sure and diverse.

    Notes
    -----
    With P the n x K matrix of the target's class probabilities, ``|P|_* / n``, the sum of its singular values over the
    rows: minus the loss of the paper, on the whole target in place of a batch, as Musgrave et al. use it to choose
    models. The nuclear norm lies between the Frobenius norm F, which is the larger the surer the predictions, and
    ``sqrt(min(n, K)) F``, which it reaches where all singular values are equal. The score is therefore at most
    ``sqrt(min(n, K) / n)``. The number of rows moves it: compare it on one target only.

    What fools it: certain labels in equal shares, right or wrong; and it prefers equal shares where the true ones are
    not. The source is not used.

    References
    ----------
    Cui, Wang, Zhuo, Li, Huang & Tian. Towards Discriminability and Diversity: Batch Nuclear-norm Maximization under
    Label Insufficient Situations. CVPR 2020, section 3.
    Musgrave, Belongie & Lim. Three New Validators and a Large-Scale Benchmark Ranking for Unsupervised Domain
    Adaptation. 2022 (as a validator).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.linear_model import LogisticRegression
    >>> from transferkit import BNM, Domain
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(90) % 3
    >>> X = rng.normal(size=(90, 6)) + 3 * np.eye(6)[y]
    >>> collapsed = DummyClassifier(strategy="constant", constant=1).fit(X, y)
    >>> good = LogisticRegression().fit(X, y)
    >>> BNM().score(good, None, Domain(X)) > BNM().score(collapsed, None, Domain(X))
    True
    """

    _constraints: ClassVar = {}

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Nuclear norm of the target's predictions, by the number of rows.

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
            Above 0, at most ``sqrt(min(n, K) / n)``; higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        check_label_free(self, source, target)
        proba = target_probabilities(self, candidate, target)
        return float(np.linalg.svd(proba, compute_uv=False).sum() / len(proba))
