"""Landmarks: the source rows that together look like the target, at several scales, with the classes kept in balance."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core.base import ESTIMATOR, InstanceTransfer
from ...core.constraints import Either, Interval, Nothing
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.kernels.gaussian import median_gamma, squared_distances
from ...ops.kernels.geodesic_flow import flow_factor
from ...ops.solvers.linalg import principal_axes
from ...ops.solvers.share_program import minimise_on_simplices

CARD = {
    "class": "LandmarkSelection",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^2",
    "portfolio": (),
    "paper": "Gong, Grauman & Sha. Connecting the Dots with Landmarks: Discriminatively Learning Domain-Invariant Features "
    "for Unsupervised Domain Adaptation. ICML 2013.",
    "url": "https://proceedings.mlr.press/v28/gong13.html",
}

__all__ = ["LandmarkSelection"]

_TOL = 1e-3
_NOTHING = 1e-6  # of the mean weight: a row below it is no landmark


class LandmarkSelection(InstanceTransfer):
    """Choose source rows whose mean in a Gaussian kernel space is the target's, class by class in the source's proportions.

    Parameters
    ----------
    n_scales : int in [1, inf), default=7
        Widths of the kernel, in powers of 2 around the median distance: 1 is that alone, 7 are 1/8 to 8 times it, 13 the
        paper's. The weights are means over the widths.
    n_components : int in [1, inf) or None, default=None
        Measure distances by the geodesic flow kernel between principal subspaces of this dimension, as in the paper. None
        takes Euclidean distances. Features are taken as they are.
    max_iter : int in [1, inf), default=500
        Steps of the solver at most, for each width.
    estimator : estimator, default=None
        Fitted on the weighted source; must take ``sample_weight``. None is logistic regression for classes and ridge
        regression for numbers.

    Attributes
    ----------
    sample_weight_ : array of shape (n_source,)
        Weights of the source rows, with mean 1.
    landmarks_ : bool array of shape (n_scales, n_source)
        The rows that are chosen at each width, from the narrowest.
    weights_ : array of shape (n_scales, n_source)
        Their weights, which sum to 1 at each width.
    gammas_ : array of shape (n_scales,)
        Kernel parameters of ``exp(-gamma d^2)``, falling.
    mmd_ : array of shape (n_scales,)
        Squared distance of the means that is left.
    gaps_ : array of shape (n_scales,)
        How far `mmd_` is from the least one at most.
    n_iter_ : int
        Most steps of the solver at a width; 1 where none was needed.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    For each width, minimises the squared distance of the means ``||sum_i b_i phi(x_i) - mean_j phi(z_j)||^2`` over ``b >= 0``
    in which every class has the share of all weight that it has in the source: the paper's relaxed program. Most entries
    of the solution are exactly 0, the others are the landmarks. The balance keeps a class from being dropped because the
    rows of another are nearer to the target; what it costs is that a change of the class shares cannot be followed. For a
    regression there are no classes to balance.

    The authors' code departs from this: its 13 powers of 2 are of gamma, not of the width, so that they span what 7 do here;
    a class need only have half its share; rows above 1e-8 are landmarks, a scale at which more than two thirds of the rows
    are is passed over, and classes that then have less than a third of theirs are filled up. We follow the paper.

    The paper goes on to build, at each width, a geodesic flow kernel between the source without its landmarks and the
    target with them, and learns a combination of these kernels on the landmarks' labels. Here the landmarks are used as
    weights of the source, which any estimator can take; the flow kernel is in the distances (``n_components``) only.

    The program is solved by accelerated projected gradient steps on one simplex a class, O(n^2) a step, until at most 1/1000
    of what equal weights may be off is left, or for `max_iter` steps. Before, the directions that the sums of the classes
    fix are taken out of the kernel: a wide one is all but constant, and would need thousands of steps.

    References
    ----------
    Gong, Grauman & Sha. Connecting the Dots with Landmarks: Discriminatively Learning Domain-Invariant Features for
    Unsupervised Domain Adaptation. ICML 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, LandmarkSelection
    >>> X = np.linspace(-2, 2, 41)[:, None]
    >>> model = LandmarkSelection().fit(X, np.arange(41) % 2, target=Domain(X[25:35]))
    >>> bool(model.sample_weight_[25:35].mean() > 2)
    True
    """

    _constraints: ClassVar = {
        "n_scales": Interval(int, 1),
        "n_components": Either(Nothing(), Interval(int, 1)),
        "max_iter": Interval(int, 1),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self, n_scales: int = 7, n_components: int | None = None, max_iter: int = 500, estimator: Any = None
    ) -> None:
        self.n_scales = n_scales
        self.n_components = n_components
        self.max_iter = max_iter
        self.estimator = estimator

    def _weights(self, data: TransferData) -> Array:
        n = len(data.ys)
        groups = np.zeros(n, dtype=int) if data.classes is None else data.codes
        totals = np.bincount(groups) / n
        Xs, Xt = (np.asarray(X, dtype=np.float64) for X in (data.Xs, data.Xt))
        if self.n_components is not None:
            axes_s, axes_t = (principal_axes(X, self.n_components)[1] for X in (Xs, Xt))
            k = min(axes_s.shape[1], axes_t.shape[1])
            factor = flow_factor(axes_s[:, :k], axes_t[:, :k])[0]
            Xs, Xt = Xs @ factor, Xt @ factor
        # The paper's kernel is exp(-d^2 / s^2), with s the median distance for the middle width.
        middle = 2 * median_gamma(np.vstack([Xs, Xt]))
        self.gammas_ = middle * 4.0 ** -(np.arange(self.n_scales) - self.n_scales // 2)
        Dss, Dst, Dtt = squared_distances(Xs, Xs), squared_distances(Xs, Xt), squared_distances(Xt, Xt)
        self.weights_, self.n_iter_ = np.empty((self.n_scales, n)), 1
        self.mmd_, self.gaps_ = np.empty(self.n_scales), np.empty(self.n_scales)
        for q, gamma in enumerate(self.gammas_):
            A, b = np.exp(-gamma * Dss), np.exp(-gamma * Dst).mean(axis=1)
            x, gap, n_done = minimise_on_simplices(A, b, groups, totals, tol=_TOL, max_iter=self.max_iter)
            self.weights_[q], self.gaps_[q] = x, 2 * gap
            self.n_iter_ = max(self.n_iter_, n_done)
            self.mmd_[q] = max(x @ A @ x - 2 * b @ x + np.exp(-gamma * Dtt).mean(), 0.0)
        self.landmarks_ = self.weights_ > _NOTHING / n
        return self.weights_.mean(axis=0)
