"""PARC: rank correlation between how rows differ in a candidate's features and how they differ in label."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.stats import rankdata
from sklearn.base import BaseEstimator

from ...core.constraints import Either, Interval, Nothing, RandomState
from ...core.errors import DomainError
from ...core.protocols import Array, Domain, take_rows
from ...ops.components import subsample
from ...ops.evidence.transferability import features_of, known_rows, principal_scores
from ...ops.solvers.linalg import unit_rows

CARD = {
    "class": "PARC",
    "protocol": "Selector",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text"),
    "needs": (),
    "cost": "n^2",
    "paper": "Bolya, Mittapalli & Hoffman. Scalable Diverse Model Selection for Accessible Transfer Learning. NeurIPS 2021.",
    "url": "https://arxiv.org/abs/2111.06977",
}

__all__ = ["PARC"]


class PARC(BaseEstimator):
    """Rate features by whether rows of one class are alike in them and rows of two classes are not.

    Parameters
    ----------
    n_components : int in [2, inf) or None, default=32
        Principal components that the features are reduced to first, so that candidates of any width compare; None keeps them.
    max_rows : int in [3, inf) or None, default=2000
        Size of the probe set: most rows that are compared with each other, drawn at random; None is all of them.
    random_state : int, RandomState or None, default=None
        Draws the probe set.

    Notes
    -----
    Columns are standardised. The distance of two rows is 1 minus the Pearson correlation of their features, and 1 minus that
    of their one-hot labels; the score is Spearman's correlation of the two sets of distances over all pairs (in the
    authors' code times 100). Time and memory grow with the square of the probe set, which has 500 rows in the paper.

    A row that is the mean in every column correlates with nothing; its distances are 1. Correlation centres each row, so
    that the score depends on the signs of the principal components, which the paper leaves open: here, the largest score of
    each is positive. The source is not used.

    References
    ----------
    Bolya, Mittapalli & Hoffman. Scalable Diverse Model Selection for Accessible Transfer Learning. NeurIPS 2021.
    Dwivedi & Roig. Representation Similarity Analysis for Efficient Task Taxonomy & Transfer Learning. CVPR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from transferkit import PARC, Domain
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(90) % 3
    >>> target = Domain(rng.normal(size=(90, 6)) + 3 * np.eye(6)[y], y)
    >>> informative = FunctionTransformer().fit(target.X)
    >>> noise = FunctionTransformer(lambda X: X[:, 3:]).fit(target.X)
    >>> PARC().score(informative, None, target) > PARC().score(noise, None, target)
    True
    """

    _constraints: ClassVar = {
        "n_components": Either(Nothing(), Interval(int, 2)),
        "max_rows": Either(Nothing(), Interval(int, 3)),
        "random_state": RandomState(),
    }

    def __init__(self, n_components: int | None = 32, max_rows: int | None = 2000, random_state: Any = None) -> None:
        self.n_components = n_components
        self.max_rows = max_rows
        self.random_state = random_state

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Spearman's correlation of feature distances and label distances.

        Parameters
        ----------
        candidate : fitted object with transform
            Gives two features or more.
        source : Domain or None
            Not used.
        target : Domain
            Only rows whose label is known are read.

        Returns
        -------
        float
            In [-1, 1]; higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        known = known_rows(self, source, target)
        rows = subsample(len(known.y), self.max_rows or len(known.y), self.random_state)
        codes = known.codes[rows]
        Z = features_of(self, candidate, take_rows(known.X, rows))
        if Z.shape[1] < 2:
            raise DomainError("PARC.score: candidate must give two features or more, to correlate rows. Got 1.")
        Z = principal_scores(Z, self.n_components)
        Z = Z - Z.mean(axis=0)
        spread = Z.std(axis=0)
        Z = Z / np.where(spread > 1e-12 * spread.max(), spread, np.inf)
        labels = np.eye(len(known.classes))[codes]
        return _spearman(_distances(Z), _distances(labels))


def _distances(Z: Array) -> Array:
    """1 minus the correlation of rows, for every pair of them."""
    unit = unit_rows(Z - Z.mean(axis=1, keepdims=True))
    return 1 - (unit @ unit.T)[np.triu_indices(len(Z), 1)]


def _spearman(a: Array, b: Array) -> float:
    """Spearman's correlation, with ties; 0 where one side is constant."""
    # Distances between one-hot rows are two values up to rounding, which must stay ties.
    ranks = [rankdata(np.round(v, 12)) for v in (a, b)]
    ranks = [r - r.mean() for r in ranks]
    scale = np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum())
    return float(ranks[0] @ ranks[1] / scale) if scale > 0 else 0.0
