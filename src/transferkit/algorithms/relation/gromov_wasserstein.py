"""Gromov-Wasserstein: rows coupled so that distances within one domain match those within the other; no column is compared."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core.base import ESTIMATOR
from ...core.constraints import Either, Interval, Nothing, Options, RandomState
from ...core.heterogeneous import HeterogeneousData
from ...core.plan_transfer import PlanTransfer, label_mismatch
from ...ops.transport.gromov import couple_by_distances

CARD = {
    "class": "GromovWasserstein",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label", "heterogeneous"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^3",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Memoli. Gromov-Wasserstein Distances and the Metric Approach to Object Matching. FoCM 2011; Vayer, Chapel,"
    " Flamary, Tavenard & Courty. Optimal Transport for structured data with application on graphs. ICML 2019.",
    "url": "https://arxiv.org/abs/1805.09114",
}

__all__ = ["GromovWasserstein"]


class GromovWasserstein(PlanTransfer):
    """Couple the rows of two domains by their inner distances alone; known labels and pairs enter as a second cost.

    Parameters
    ----------
    label_weight : float in [0, 1), default=0.5
        Share of the cost of coupling rows that are known to differ; the rest is that of distances that do not match. 0
        looks at distances alone, and so does any value where nothing is known.
    distance : {"euclidean", "sqeuclidean", "neighbours"}, default="euclidean"
        Between rows of one domain. ``"neighbours"`` counts steps along the graph of the ten nearest neighbours, which a
        bent space leaves as they are.
    max_iter : int in [1, inf), default=200
        Steps at most; a `TransferWarning` says so where they were not enough.
    approx : {None, "entropic", "anchors"}, default=None
        ``"entropic"`` gives the plan an entropy: steps are cheaper and the end depends less on chance, but each row is
        spread over several. ``"anchors"`` couples a few rows of each domain, and the others with their nearest anchor: for
        more than some 3,000 rows, in time and memory that grow with the rows and not with their square.
    n_anchors : int in [2, inf), default=500
        Rows of a domain that are anchors: paired and labelled ones up to half of them, the rest drawn at random. Domains with
        no more rows are coupled as without `approx`.
    reg : float in (0, inf), default=0.01
        Strength of the entropy, in units of the squared mean distance.
    random_state : int, RandomState or None, default=None
        Draws the anchors.
    estimator : estimator, default=None
        Fitted among the target's rows, on the images of the source's and on the known ones. None is logistic regression, or
        ridge regression for numbers.

    Attributes
    ----------
    plan_ : array or csr_matrix of shape (n_source, n_target)
        Mass that each source row sends to each target row; it sums to 1. Sparse with anchors.
    distortion_ : float
        The Gromov-Wasserstein part at the end: mean squared difference of two distances that are coupled, after each
        domain's were divided by their mean. 0 where the domains are isometric and the coupling shows it. With anchors,
        that of theirs.
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
    Minimises ``(1 - w) * sum_ijkl (C_ik - D_jl)^2 P_ij P_kl + w * <M, P>`` with POT's conditional gradient, whose steps are
    exact transport problems: O(n^3) each, memory O(n^2). M is 1 where rows are known to differ. It is not convex: steps begin
    twice, from a plan that leans on M alone and from one that leans on how alike the distributions of rows' distances are
    (Memoli's lower bound), and the lower end is kept; it need not be the lowest. Mirror images of a domain cost the same, and
    only labels or pairs tell them apart. A source row goes to the mean of the target
    rows that it is coupled with; a new one goes where the nearest row of the fit goes.

    The entropic plan is found by projected gradient steps (Peyre, Cuturi & Solomon), of O(n^3) too but of products of matrices
    alone. Anchors are quantized Gromov-Wasserstein (Chowdhury, Miller & Needham): the plan of k anchors, which weigh what the
    rows nearest to them do, is exact, and the mass between two anchors goes to their rows in the order of the distance to the
    anchor. That costs O(k^3 + k n), and no two rows are compared of which none is an anchor. It is a coupling of the domains
    like any other, of more distortion than the best.

    References
    ----------
    Memoli. Gromov-Wasserstein Distances and the Metric Approach to Object Matching. Foundations of Computational
    Mathematics 11, 2011.
    Vayer, Chapel, Flamary, Tavenard & Courty. Optimal Transport for structured data with application on graphs. ICML 2019.
    Peyre, Cuturi & Solomon. Gromov-Wasserstein Averaging of Kernel and Distance Matrices. ICML 2016.
    Chowdhury, Miller & Needham. Quantized Gromov-Wasserstein. ECML-PKDD 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, GromovWasserstein
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1, 2], [10, 20, 30])
    >>> X = rng.normal(size=(60, 2)) + np.array([[0, 0], [9, 0], [0, 30]])[y]
    >>> Xt = X @ np.linalg.qr(rng.normal(size=(5, 2)))[0].T + 7
    >>> GromovWasserstein().fit(X, y, target=Domain(Xt)).score(Xt, y) > 0.95
    True
    """

    _constraints: ClassVar = {
        "label_weight": Interval(float, 0, 1, closed="left"),
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

    def __init__(
        self,
        label_weight: float = 0.5,
        distance: str = "euclidean",
        max_iter: int = 200,
        approx: str | None = None,
        n_anchors: int = 500,
        reg: float = 0.01,
        random_state: Any = None,
        estimator: Any = None,
    ) -> None:
        self.label_weight = label_weight
        self.distance = distance
        self.max_iter = max_iter
        self.approx = approx
        self.n_anchors = n_anchors
        self.reg = reg
        self.random_state = random_state
        self.estimator = estimator

    def _fit_plan(self, data: HeterogeneousData) -> Any:
        tied = len(data.yt) > 0 or len(data.pairs) > 0
        return couple_by_distances(self, data, 1 - self.label_weight if tied else 1.0, label_mismatch)
