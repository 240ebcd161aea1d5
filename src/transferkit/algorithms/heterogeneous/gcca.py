"""GCCA: several sets of columns of the source and those of the target, projected so that what belongs together agrees in all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import eigh

from ...core.base import ESTIMATOR
from ...core.constraints import Either, Fulfils, Interval, Nothing
from ...core.errors import DomainError
from ...core.heterogeneous import HeterogeneousData, HeterogeneousTransfer
from ...core.protocols import Array
from ...ops.canonical import class_ties, pair_ties, whiten

CARD = {
    "class": "GeneralizedCCA",
    "protocol": "Transfer",
    "settings": ("few_label", "multi_source", "heterogeneous"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "paper": "Carroll. Generalization of canonical correlation analysis to three or more sets of variables. APA 1968; Kettenring."
    " Canonical analysis of several sets of variables. Biometrika 1971 (MAXVAR).",
    "url": "https://doi.org/10.1093/biomet/58.3.433",
}

__all__ = ["GeneralizedCCA"]
_WIDTHS = Fulfils(
    "be a list of whole numbers from 1 on",
    lambda v: isinstance(v, Sequence) and len(v) > 0 and all(Interval(int, 1).holds(w) for w in v),
)


class GeneralizedCCA(HeterogeneousTransfer):
    """Learn one space for several sources with columns of their own and the target, and classify there.

    Parameters
    ----------
    blocks : list of int in [1, inf), default=None
        Widths of the sources' own sets of columns, which stand side by side in the source's rows. A row that a source has not
        seen holds zeros there. None is one set, which is CCA.
    n_components : int in [1, inf), default=30
        Directions to keep; fewer where fewer agree by more than chance of the sample has it.
    reg : float in [0, inf), default=1.0
        Added to the variance of each direction of a set of columns, in units of their mean.
    estimator : estimator, default=None
        Fitted in the common space on the source and the known rows of the target. None is logistic regression, or ridge
        regression for numbers, which need pairs.

    Attributes
    ----------
    source_maps_ : list of arrays of shape (width of the block, n_components_)
        What centred rows of each block are multiplied with.
    source_means_ : list of arrays of shape (width of the block,)
        Means of the rows that each block has.
    block_ends_ : int array of shape (n_blocks,)
        Column after the last of each block.
    target_map_, target_mean_ : arrays of shape (n_features, n_components_) and (n_features,)
        The same of the target.
    agreements_ : array of shape (n_components_,)
        Mean correlation of one set with the others, weighted as the direction weighs them; falling, at most 1.
    n_components_ : int
        Directions kept.
    n_features_source_ : int
        Columns of the source, all blocks together.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Of the K sets' projections, one each, the correlation matrix shall have the largest possible greatest eigenvalue (Kettenring's
    MAXVAR; the same as Carroll's: a variable that is nearest to what the sets explain of it). In coordinates in which every set is
    uncorrelated, ridge included, these are the eigenvectors of the matrix of all cross-covariances with the identity on its
    diagonal; directions of one set alone have eigenvalue 1, and `agreements_` is ``(eigenvalue - 1) / (K - 1)``. With two sets it
    is CCA. A cross-covariance of two sets is taken over rows that have both; else over `pairs`, of a source's row and the target's
    or of two sources' rows with one target row; else, without pairs, over all rows of one class, which needs the classes' sums
    alone. A source row goes to the mean of the places that its blocks give it.

    MAXVAR has complete rows. That each covariance is taken over what there is can make the matrix indefinite; no harm to its
    leading directions. The whitening is over all rows of a set, paired or not.

    References
    ----------
    Carroll. Generalization of canonical correlation analysis to three or more sets of variables. Proceedings of the 76th
    Convention of the American Psychological Association, 1968.
    Kettenring. Canonical analysis of several sets of variables. Biometrika 58(3), 1971.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, GeneralizedCCA
    >>> rng = np.random.default_rng(0)
    >>> hidden = rng.normal(size=(100, 2))
    >>> first, second, Xt = (hidden @ rng.normal(size=(2, d)) for d in (5, 4, 3))
    >>> first[50:], second[:50], y = 0, 0, hidden[:, 0] > 0
    >>> pairs = [[i, i] for i in (*range(20), *range(50, 70))]
    >>> model = GeneralizedCCA([5, 4], reg=0.0).fit(np.hstack([first, second]), y, target=Domain(Xt), pairs=pairs)
    >>> model.score(Xt, y) > 0.95
    True
    """

    _constraints: ClassVar = {
        "blocks": Either(Nothing(), _WIDTHS),
        "n_components": Interval(int, 1),
        "reg": Interval(float, 0),
        "estimator": ESTIMATOR,
    }

    def __init__(self, blocks: Any = None, n_components: int = 30, reg: float = 1.0, estimator: Any = None) -> None:
        self.blocks = blocks
        self.n_components = n_components
        self.reg = reg
        self.estimator = estimator

    def _fit_map(self, data: HeterogeneousData) -> Array:  # type: ignore[override]
        if data.classes is None and not len(data.pairs):
            raise DomainError(
                "GeneralizedCCA.fit: y must hold classes where no pairs are given. Unknown label type: continuous."
            )
        X, Xt = np.asarray(data.Xs, dtype=np.float64), np.asarray(data.Xt, dtype=np.float64)
        widths = [X.shape[1]] if self.blocks is None else list(self.blocks)
        if sum(widths) != X.shape[1]:
            raise DomainError(
                f"GeneralizedCCA.fit: X must have as many columns as all blocks together ({sum(widths)}). Got {X.shape[1]}."
            )
        self.block_ends_ = np.cumsum(widths)
        parts, has = self._parts(X)
        if not has.any(axis=0).all():
            empty = int(np.argmin(has.any(axis=0)))
            raise DomainError(f"GeneralizedCCA.fit: X must have a row of each block. Got only zeros in block {empty}.")
        maps = [whiten(part[own], self.reg) for part, own in zip(parts, has.T)] + [whiten(Xt, self.reg)]
        Z = [m(part) for m, part in zip(maps, [*parts, Xt])]
        ends = np.cumsum([0, *(z.shape[1] for z in Z)])
        R = np.eye(ends[-1])
        for u in range(len(Z)):
            for v in range(u + 1, len(Z)):
                tie = _target_ties(data, Z, has, u) if v == len(Z) - 1 else _source_ties(data, Z, has, u, v)
                R[ends[u] : ends[u + 1], ends[v] : ends[v + 1]] = tie
                R[ends[v] : ends[v + 1], ends[u] : ends[u + 1]] = tie.T
        k = min(self.n_components, len(R))
        values, vectors = eigh(R, subset_by_index=(len(R) - k, len(R) - 1))
        # What does not exceed 1 is a direction of one set alone, or of rounding.
        k = max(1, int((values > 1 + 1e-9).sum()))
        vectors = vectors[:, ::-1][:, :k] * np.sqrt(len(Z))
        *self.source_maps_, self.target_map_ = [m.map @ vectors[a:b] for m, a, b in zip(maps, ends, ends[1:])]
        *self.source_means_, self.target_mean_ = [m.mean for m in maps]
        self.agreements_, self.n_components_ = np.minimum((values[::-1][:k] - 1) / (len(Z) - 1), 1.0), k
        return self._map(X, "source")

    def _parts(self, X: Array) -> tuple[list[Array], Array]:
        """The blocks, and which of them each row has; one of zeros alone is taken to have all."""
        parts = np.split(X, self.block_ends_[:-1], axis=1)
        has = np.column_stack([(part != 0).any(axis=1) for part in parts])
        has[~has.any(axis=1)] = True
        return parts, has

    def _map(self, X: Array, domain: str) -> Array:
        if domain == "target":
            return np.asarray((X - self.target_mean_) @ self.target_map_)
        parts, has = self._parts(X)
        places = [(part - m) @ w for part, m, w in zip(parts, self.source_means_, self.source_maps_)]
        total = sum(place * own[:, None] for place, own in zip(places, has.T))
        return np.asarray(total / has.sum(axis=1)[:, None])


def _target_ties(data: HeterogeneousData, Z: list[Array], has: Array, u: int) -> Array:
    """Cross-covariance of a block and the target."""
    if len(data.pairs):
        own = data.pairs[has[data.pairs[:, 0], u]]
        return pair_ties(Z[u], Z[-1], own) if len(own) else np.zeros((Z[u].shape[1], Z[-1].shape[1]))
    rows = has[:, u]
    return class_ties(Z[u][rows], data.codes[rows], Z[-1][data.known], data.codes_t)


def _source_ties(data: HeterogeneousData, Z: list[Array], has: Array, u: int, v: int) -> Array:
    """Cross-covariance of two blocks: over rows that have both, else over rows paired with one target row, else by class."""
    both = np.flatnonzero(has[:, u] & has[:, v])
    if len(both):
        return pair_ties(Z[u], Z[v], np.column_stack([both, both]))
    if len(data.pairs):
        i, j = np.nonzero(data.pairs[:, 1, None] == data.pairs[:, 1])
        meet = np.column_stack([data.pairs[i, 0], data.pairs[j, 0]])
        meet = meet[has[meet[:, 0], u] & has[meet[:, 1], v]]
        return pair_ties(Z[u], Z[v], meet) if len(meet) else np.zeros((Z[u].shape[1], Z[v].shape[1]))
    rows, others = has[:, u], has[:, v]
    return class_ties(Z[u][rows], data.codes[rows], Z[v][others], data.codes[others])
