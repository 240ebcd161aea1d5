"""DSFT: tables that share some columns; what only one of them has is written into the other from the shared ones."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core.base import ESTIMATOR
from ...core.constraints import Either, Interval, Nothing
from ...core.heterogeneous import COLUMN_PAIRS, HeterogeneousData, HeterogeneousTransfer, shared_columns
from ...core.protocols import Array

CARD = {
    "class": "DSFT",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label", "heterogeneous"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "paper": "Wei, Ke & Goh. A General Domain Specific Feature Transfer Framework for Hybrid Domain Adaptation. TKDE 2019.",
    "url": "https://doi.org/10.1109/TKDE.2018.2864732",
}

__all__ = ["DSFT"]


class DSFT(HeterogeneousTransfer):
    """Fill in the columns that a domain lacks by regressions on the shared ones, and learn from both tables as one.

    Parameters
    ----------
    shared : array-like of shape (n_shared, 2), default=None
        Column of the source and column of the target that mean the same. None is the columns of one name, of data frames; of
        arrays that are equally wide, all of them.
    mean_weight : float in [0, inf), default=1.0
        How much the filled-in columns shall have the mean that they have where they were seen; the paper's alpha. Right where
        the domains differ in the shared columns only by how they were measured; 0 lets these shift the others.
    reg : float in (0, inf), default=0.01
        Ridge of the regressions, for standardised columns; the paper's beta.
    estimator : estimator, default=None
        Fitted on the source and the known rows of the target, with all columns. None is logistic regression, or ridge
        regression for numbers.

    Attributes
    ----------
    shared_ : int array of shape (n_shared, 2)
        The shared columns, of the source and of the target.
    mapping_ : dict of str to array
        ``"source"``: what the standardised shared columns, and a 1 after them, are multiplied with for the columns that only the
        source has, of shape (n_shared + 1, n_own); ``"target"``: the same for those that only the target has.
    own_ : dict of str to int array
        Columns that only the source, and only the target has.
    shared_scale_ : tuple of two arrays of shape (n_shared,)
        Mean and standard deviation of the shared columns.
    own_scale_ : dict of str to tuple of two arrays
        The same of those that only the source, and only the target has.
    n_features_source_ : int
        Columns of the source.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    For the shared columns C and those D that only one domain has, minimises over W ``mean |D - C W|^2 + mean_weight |m_D - m_C'
    W|^2 + reg |W|^2``, with the mean m_D of the columns where they were seen and the mean m_C' of the shared columns where they
    were not: a ridge regression with one row more, the linear kernel's MMD between what was seen and what is filled in. C has a
    column of ones, which the ridge does not weigh and the paper does not have. Both domains then have all columns, first the
    shared ones, then the source's, then the target's. The paper sums over rows where we average: a weight for n rows there is
    that weight over n here. Shared columns are standardised over both domains, the others where they were seen. What is filled in
    is a linear function of the shared columns: it says nothing new of a row, but lets one model use a column in the domain that
    has it.

    Written from the published description; the authors' code was not compared. A later program has the same solution and says
    that the paper's weights are 1e5 and 1, which is 1e5 / n and 1 / n here; the defaults here are ours. The paper's form with
    kernels is not here.

    References
    ----------
    Wei, Ke & Goh. A General Domain Specific Feature Transfer Framework for Hybrid Domain Adaptation. IEEE Transactions on
    Knowledge and Data Engineering 31(8), 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import DSFT, Domain
    >>> rng = np.random.default_rng(0)
    >>> both = rng.normal(size=(200, 2))
    >>> old, new = both @ [1.0, 2.0] + 0.1 * rng.normal(size=200), both @ [2.0, -1.0]
    >>> X, Xt, y = np.column_stack([both, old]), np.column_stack([new, both]), old > 0
    >>> model = DSFT(shared=[[0, 1], [1, 2]]).fit(X, y, target=Domain(Xt))
    >>> model.score(Xt, y) > 0.95, model.transform(Xt).shape
    (True, (200, 4))
    """

    _constraints: ClassVar = {
        "shared": Either(Nothing(), COLUMN_PAIRS),
        "mean_weight": Interval(float, 0),
        "reg": Interval(float, 0, closed="neither"),
        "estimator": ESTIMATOR,
    }
    _ties: ClassVar = "none"
    _known_failures: ClassVar = dict.fromkeys(
        ("check_other_columns", "check_pairs_tie", "check_spaces_kept_apart"),
        "which columns of arrays of other widths are shared has to be told",
    )

    def __init__(self, shared: Any = None, mean_weight: float = 1.0, reg: float = 0.01, estimator: Any = None) -> None:
        self.shared = shared
        self.mean_weight = mean_weight
        self.reg = reg
        self.estimator = estimator

    def _fit_map(self, data: HeterogeneousData) -> Array:  # type: ignore[override]
        Xs, Xt = (np.asarray(X, dtype=np.float64) for X in (data.Xs, data.Xt))
        self.shared_ = shared_columns(self, Xs.shape[1], Xt.shape[1])
        self.own_ = {
            "source": np.setdiff1d(np.arange(Xs.shape[1]), self.shared_[:, 0]),
            "target": np.setdiff1d(np.arange(Xt.shape[1]), self.shared_[:, 1]),
        }
        self.shared_scale_ = _scale(np.vstack([Xs[:, self.shared_[:, 0]], Xt[:, self.shared_[:, 1]]]))
        self.own_scale_ = {"source": _scale(Xs[:, self.own_["source"]]), "target": _scale(Xt[:, self.own_["target"]])}
        C = {"source": self._shared_part(Xs, "source"), "target": self._shared_part(Xt, "target")}
        self.mapping_ = {
            side: self._regression(C[side], self._own_part(X, side), C[other])
            for side, other, X in (("source", "target", Xs), ("target", "source", Xt))
        }
        return self._map(Xs, "source")

    def _shared_part(self, X: Array, domain: str) -> Array:
        mean, scale = self.shared_scale_
        return np.asarray((X[:, self.shared_[:, 0 if domain == "source" else 1]] - mean) / scale)

    def _own_part(self, X: Array, domain: str) -> Array:
        mean, scale = self.own_scale_[domain]
        return np.asarray((X[:, self.own_[domain]] - mean) / scale)

    def _regression(self, C: Array, D: Array, elsewhere: Array) -> Array:
        C, there = _with_ones(C), _with_ones(elsewhere).mean(axis=0, keepdims=True)
        left = C.T @ C / len(C) + self.mean_weight * there.T @ there
        left[np.diag_indices(C.shape[1] - 1)] += self.reg
        right = C.T @ D / len(C) + self.mean_weight * there.T @ D.mean(axis=0, keepdims=True)
        return np.linalg.solve(left, right)

    def _map(self, X: Array, domain: str) -> Array:
        shared = self._shared_part(np.asarray(X, dtype=np.float64), domain)
        other = "target" if domain == "source" else "source"
        parts = {domain: self._own_part(X, domain), other: _with_ones(shared) @ self.mapping_[other]}
        return np.hstack([shared, parts["source"], parts["target"]])


def _with_ones(C: Array) -> Array:
    return np.column_stack([C, np.ones(len(C))])


def _scale(X: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of each column; 1 where it is constant."""
    spread = X.std(axis=0)
    return X.mean(axis=0), np.where(spread > 1e-12 * np.abs(X).max(axis=0, initial=1e-300), spread, 1.0)
