"""NCE: negative conditional entropy of the target labels given the source classes that a candidate predicts."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.special import xlogy
from sklearn.base import BaseEstimator

from ...core.protocols import Domain
from ...ops.evidence.transferability import known_rows, source_labels

CARD = {
    "class": "NCE",
    "protocol": "Selector",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text"),
    "needs": (),
    "cost": "n",
    "paper": "Tran, Nguyen & Hassner. Transferability and Hardness of Supervised Classification Tasks. ICCV 2019.",
    "url": "https://arxiv.org/abs/1908.08142",
}

__all__ = ["NCE"]


class NCE(BaseEstimator):
    """Rate a source classifier by how much of the target labels' entropy is left once its predicted class is known.

    Notes
    -----
    With z_i the candidate's predicted source class of target row i, the score is
    ``-H(Y | Z) = sum_{y, z} P(y, z) log P(y | z)`` with shares counted on the known rows. At most 0, and 0 exactly
    where the source class determines the label.

    The paper defines it for one set of rows that carries the labels of both tasks. Target rows have no source labels, so
    the candidate's predictions stand for them, as in the comparison by Nguyen et al. (2020). The source is not used.
    A source with very many classes looks good on few rows, for each row may get a class of its own.

    References
    ----------
    Tran, Nguyen & Hassner. Transferability and Hardness of Supervised Classification Tasks. ICCV 2019.
    Nguyen, Hassner, Seeger & Archambeau. LEEP: A New Measure to Evaluate Transferability of Learned Representations.
    ICML 2020 (predicted source labels).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from transferkit import Domain, NCE
    >>> rng = np.random.default_rng(0)
    >>> z = np.arange(120) % 4
    >>> X = rng.normal(size=(120, 4)) + 4 * np.eye(4)[z]
    >>> model = LogisticRegression().fit(X, z)
    >>> related, unrelated = Domain(X, z // 2), Domain(X, rng.permutation(z // 2))
    >>> NCE().score(model, None, related) > NCE().score(model, None, unrelated)
    True
    """

    _constraints: ClassVar = {}

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Negative conditional entropy, in nats.

        Parameters
        ----------
        candidate : fitted classifier
            It predicts classes of the source.
        source : Domain or None
            Not used.
        target : Domain
            Only rows whose label is known are read.

        Returns
        -------
        float
            In [-log n_classes, 0]; higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        known = known_rows(self, source, target)
        z = source_labels(self, candidate, known.X)
        joint = np.zeros((len(known.classes), z.max() + 1))
        np.add.at(joint, (known.codes, z), 1 / len(z))
        return float(min(xlogy(joint, joint / joint.sum(axis=0)).sum(), 0.0))
