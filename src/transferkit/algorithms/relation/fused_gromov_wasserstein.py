"""Fused Gromov-Wasserstein: rows coupled by distances within each domain and by the columns that both have, at once."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core.base import ESTIMATOR
from ...core.constraints import Either, Interval, Nothing, Options, RandomState
from ...core.heterogeneous import COLUMN_PAIRS, HeterogeneousData, shared_columns
from ...core.plan_transfer import PlanTransfer, label_mismatch
from ...core.protocols import Array
from ...ops.kernels.gaussian import squared_distances
from ...ops.transport.gromov import couple_by_distances

CARD = {
    "class": "FusedGromovWasserstein",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label", "heterogeneous"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^3",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Vayer, Chapel, Flamary, Tavenard & Courty. Fused Gromov-Wasserstein Distance for Structured Objects."
    " Algorithms 2020.",
    "url": "https://arxiv.org/abs/1811.02834",
}

__all__ = ["FusedGromovWasserstein"]


class FusedGromovWasserstein(PlanTransfer):
    """Couple the rows of two domains by all columns within each, and by the shared ones between them.

    Parameters
    ----------
    shared : array-like of shape (n_shared, 2), default=None
        Column of the source and column of the target that mean the same. None is the columns of one name, of data frames; of
        arrays that are equally wide, all of them.
    alpha : float in [0, 1], default=0.5
        Share of the distances that do not match; the rest is that of shared columns and known labels. 1 is
        Gromov-Wasserstein, 0 is optimal transport of the shared columns.
    label_weight : float in [0, inf), default=1.0
        Cost of coupling rows that are known to differ, in units of the mean squared distance in the shared columns.
    distance : {"euclidean", "sqeuclidean", "neighbours"}, default="euclidean"
        Between rows of one domain, by all its columns. ``"neighbours"`` counts steps along the graph of the ten nearest.
    max_iter : int in [1, inf), default=200
        Steps at most; a `TransferWarning` says so where they were not enough.
    approx : {None, "entropic", "anchors"}, default=None
        As of `GromovWasserstein`: entropy, or anchors for more than some 3,000 rows.
    n_anchors : int in [2, inf), default=500
        Rows of a domain that are anchors.
    reg : float in (0, inf), default=0.01
        Strength of the entropy.
    random_state : int, RandomState or None, default=None
        Draws the anchors.
    estimator : estimator, default=None
        Fitted among the target's rows, on the images of the source's and on the known ones. None is logistic regression, or
        ridge regression for numbers.

    Attributes
    ----------
    shared_ : int array of shape (n_shared, 2)
        The shared columns, of the source and of the target.
    plan_ : array or csr_matrix of shape (n_source, n_target)
        Mass that each source row sends to each target row; it sums to 1. Sparse with anchors.
    distortion_ : float
        The Gromov-Wasserstein part at the end: mean squared difference of two distances that are coupled.
    n_iter_ : int
        Steps made.
    rows_, images_ : arrays of shape (n_source, n_features_source) and (n_source, n_features)
        The source rows of the fit, and where they go.
    n_features_source_ : int
        Columns of the source.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    Minimises ``alpha * sum_ijkl (C_ik - D_jl)^2 P_ij P_kl + (1 - alpha) * <M, P>`` over couplings P of equal masses, with the
    distances C and D of the domains, each divided by its mean. M is the squared distance in the shared columns, standardised
    over both domains, divided by its mean, and `label_weight` more where rows are known to differ: the paper has no labels.
    The shared columns count in C and D, too. Standardising over both domains leaves a shift of the shared columns in M; it
    moves the plan only as far as the distances do not speak against it. See `GromovWasserstein` for the solvers. With anchors
    the shared columns decide between these, and not within their cells.

    References
    ----------
    Vayer, Chapel, Flamary, Tavenard & Courty. Fused Gromov-Wasserstein Distance for Structured Objects. Algorithms 13(9),
    2020.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, FusedGromovWasserstein
    >>> rng = np.random.default_rng(0)
    >>> X = np.vstack([rng.normal(size=(30, 3)), rng.normal(size=(30, 3)) + [9, 0, 0]])
    >>> y, Xt = np.repeat([0, 1], 30), X @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    >>> level = 0.3 * y[:, None] + 0.1 * rng.normal(size=(60, 1))  # tells the two groups apart, a little
    >>> model = FusedGromovWasserstein(shared=[[3, 0]]).fit(np.hstack([X, level]), y, target=Domain(np.hstack([level, Xt])))
    >>> model.score(np.hstack([level, Xt]), y)
    1.0
    """

    _constraints: ClassVar = {
        "shared": Either(Nothing(), COLUMN_PAIRS),
        "alpha": Interval(float, 0, 1),
        "label_weight": Interval(float, 0),
        "distance": Options("euclidean", "sqeuclidean", "neighbours"),
        "max_iter": Interval(int, 1),
        "approx": Either(Nothing(), Options("entropic", "anchors")),
        "n_anchors": Interval(int, 2),
        "reg": Interval(float, 0, closed="neither"),
        "random_state": RandomState(),
        "estimator": ESTIMATOR,
    }
    _ties: ClassVar = "none"
    _large: ClassVar = {"approx": "anchors"}
    _known_failures: ClassVar = dict.fromkeys(
        ("check_other_columns", "check_pairs_tie", "check_spaces_kept_apart"),
        "which columns of arrays of other widths are shared has to be told",
    )

    def __init__(
        self,
        shared: Any = None,
        alpha: float = 0.5,
        label_weight: float = 1.0,
        distance: str = "euclidean",
        max_iter: int = 200,
        approx: str | None = None,
        n_anchors: int = 500,
        reg: float = 0.01,
        random_state: Any = None,
        estimator: Any = None,
    ) -> None:
        self.shared = shared
        self.alpha = alpha
        self.label_weight = label_weight
        self.distance = distance
        self.max_iter = max_iter
        self.approx = approx
        self.n_anchors = n_anchors
        self.reg = reg
        self.random_state = random_state
        self.estimator = estimator

    def _fit_plan(self, data: HeterogeneousData) -> Any:
        self.shared_ = shared_columns(self, data.Xs.shape[1], data.Xt.shape[1])
        return couple_by_distances(self, data, self.alpha, self._cost)

    def _cost(self, data: HeterogeneousData) -> Array:
        """Of coupling a source row with a target row, by shared columns and labels."""
        A, B = (np.asarray(X[:, c], dtype=np.float64) for X, c in zip((data.Xs, data.Xt), self.shared_.T))
        both = np.vstack([A, B])
        scale = both.std(axis=0)
        scale = np.where(scale > 0, scale, 1)
        M = squared_distances((A - both.mean(axis=0)) / scale, (B - both.mean(axis=0)) / scale)
        return np.asarray(M / (M.mean() or 1.0) + self.label_weight * label_mismatch(data))
