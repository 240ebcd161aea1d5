"""Label propagation: the source's labels spread to the target over a graph of nearest neighbours."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from ...core.base import ProbabilityTransfer, fit_inner, stack
from ...core.constraints import Boolean, Either, EstimatorLike, Interval, Nothing
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.neighbours import nearest

CARD = {
    "class": "LabelPropagation",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "scaling": "domain",
    "portfolio": ({}, {"belief": 0.0, "alpha": 0.9}),
    "paper": "Zhou, Bousquet, Lal, Weston & Schölkopf. Learning with Local and Global Consistency. NIPS 2003.",
    "url": "https://papers.neurips.cc/paper_files/paper/2003/hash/87682805257e619d49b8e0dfdc14affa-Abstract.html",
}

__all__ = ["LabelPropagation"]


class LabelPropagation(ProbabilityTransfer):
    """Give near rows near labels: the source's labels flow along the edges of a graph of both domains' rows.

    Parameters
    ----------
    n_neighbors : int in [1, inf), default=10
        Nearest rows of its own domain that each row is tied to; fewer where the domain has fewer rows.
    n_bridges : int in [1, inf), default=5
        Nearest source rows that each target row is tied to. More of them trust the source's neighbourhoods, fewer the
        target's own.
    alpha : float in (0, 1), default=0.8
        How far labels spread: the part of a row's scores that comes from its neighbours. The paper takes 0.99 for a
        handful of labels; with a source full of them that washes the classes out.
    class_mass : bool, default=False
        Scale each class so that its part of the target is its part of the labelled rows (class mass normalisation). It
        keeps one class from flooding the graph where the shares of both domains are alike, and does harm where not.
    belief : float in [0, 1], default=1.0
        Weight of the inner estimator's probabilities as first scores of the target rows, against 1 for a known label. With
        0 nothing but the graph speaks, and no inner estimator is fitted.
    estimator : classifier, default=None
        Fitted on the source and the known target labels for ``belief``; must have ``predict_proba``. None is logistic
        regression.

    Attributes
    ----------
    X_source_, X_target_ : arrays of shape (n_source, n_features), (n_target, n_features)
        The rows of the graph, which new rows are compared with.
    scores_source_, scores_target_ : arrays of shape (n_source, n_classes), (n_target, n_classes)
        ``F`` divided by the square root of each row's degree: what neighbours pass on.
    class_scale_ : array of shape (n_classes,)
        What the scores of each class are multiplied with; ones without ``class_mass``.
    transduction_ : array of shape (n_target,)
        Labels of the target rows of the fit, read off ``F``.
    n_iter_ : int
        Iterations of the solver.
    estimator_ : classifier or None
        The fitted inner estimator; None with ``belief=0``.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    With ``S = D^(-1/2) W D^(-1/2)`` and first scores ``Y``, one-hot where a label is known, minimises ``sum_ij W_ij
    ||F_i / sqrt(d_i) - F_j / sqrt(d_j)||^2 / 2 + mu sum_i ||F_i - Y_i||^2``. The minimum is ``F = (1 - alpha) (I - alpha
    S)^(-1) Y`` with ``alpha = 1 / (1 + mu)`` (Zhou et al., section 3), found here by conjugate gradients on the sparse S
    in place of the iteration ``F <- alpha S F + (1 - alpha) Y``. Rows of Y without a label are 0 in the paper, as they are
    here with ``belief=0``; else they hold what a classifier says (the idea of Zhu et al., section 5).

    A new row x minimises the same sum with all others held: ``F(x) = alpha sum_j w(x, x_j) F_j / sqrt(d(x) d_j) +
    (1 - alpha) Y(x)`` over its neighbours (Delalleau et al., for this S). Rows of the fit are predicted in the same way,
    which gives `transduction_` but for rows near a tie.

    The paper ties all pairs of rows with one kernel width. Here ``w = exp(-||x - x'||^2 / s^2)`` goes to the nearest rows
    only, so that memory is O(n), s being the distance to the last of them; and the nearest source rows have an s of their
    own, so that no target row is out of reach of a label however far the domains lie apart. W is the mean of both
    directions. Beyond 10,000 by 10,000 rows the neighbours are searched by cells, and a few are missed.

    References
    ----------
    Zhou, Bousquet, Lal, Weston & Schölkopf. Learning with Local and Global Consistency. NIPS 2003, section 3.
    Zhu, Ghahramani & Lafferty. Semi-Supervised Learning Using Gaussian Fields and Harmonic Functions. ICML 2003, sections
    4 (class mass) and 5 (external classifiers).
    Delalleau, Bengio & Le Roux. Efficient Non-Parametric Function Induction in Semi-Supervised Learning. AISTATS 2005,
    section 2 (new rows).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, LabelPropagation
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(80, 2)), np.arange(80) % 2
    >>> X[:, 0] += 8 * y
    >>> model = LabelPropagation().fit(X, y, target=Domain(X + [3, 0]))
    >>> model.score(X + [3, 0], y) > 0.95
    True
    """

    _constraints: ClassVar = {
        "n_neighbors": Interval(int, 1),
        "n_bridges": Interval(int, 1),
        "alpha": Interval(float, 0, 1, closed="neither"),
        "class_mass": Boolean(),
        "belief": Interval(float, 0, 1),
        "estimator": Either(Nothing(), EstimatorLike("fit", "predict", "predict_proba")),
    }

    def __init__(
        self,
        n_neighbors: int = 10,
        n_bridges: int = 5,
        alpha: float = 0.8,
        class_mass: bool = False,
        belief: float = 1.0,
        estimator: Any = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.n_bridges = n_bridges
        self.alpha = alpha
        self.class_mass = class_mass
        self.belief = belief
        self.estimator = estimator

    def _fit(self, data: TransferData) -> None:
        self.X_source_, self.X_target_ = np.array(data.Xs), np.array(data.Xt)
        n_source, K = len(data.Xs), len(self.classes_)
        W = self._graph()
        degree = np.asarray(W.sum(axis=1)).ravel()
        root = np.sqrt(np.where(degree > 0, degree, 1.0))
        Y = np.zeros((len(root), K))
        Y[np.arange(n_source), data.codes] = 1
        self.estimator_ = None
        if self.belief:
            rows, labels = stack(data.Xs, data.Xt_known), np.concatenate([data.ys, data.yt])
            self.estimator_ = fit_inner(self, data.task, rows, labels)
            Y[n_source:] = self.belief * self.estimator_.predict_proba(data.Xt)
        Y[n_source:][data.known] = np.eye(K)[data.codes_t]
        shrink = sparse.diags_array(1 / root)
        F, self.n_iter_ = _spread(sparse.csr_array(shrink @ W @ shrink), Y, self.alpha)
        self.class_scale_ = np.ones(K)
        if self.class_mass and not data.known.all():
            shares = np.bincount(np.concatenate([data.codes, data.codes_t]), minlength=K) / (n_source + len(data.yt))
            mass = F[n_source:][~data.known].mean(axis=0)
            self.class_scale_ = np.divide(shares, mass, out=self.class_scale_, where=mass > 0)
        self.transduction_ = self.classes_[(F[n_source:] * self.class_scale_).argmax(axis=1)]
        self.scores_source_, self.scores_target_ = np.split(F / root[:, None], [n_source])

    def _graph(self) -> Any:
        """The affinities W of source rows, then target rows: symmetric, sparse, with zeros on the diagonal."""
        Xs, Xt = self.X_source_, self.X_target_
        blocks = []
        for X in (Xs, Xt):
            squared, index = nearest(X, X, min(self.n_neighbors + 1, len(X)))
            squared[index == np.arange(len(X))[:, None]] = np.inf  # a row is no neighbour of its own
            blocks.append(_affinities(squared, index, len(X)))
        bridges = _affinities(*nearest(Xs, Xt, min(self.n_bridges, len(Xs))), len(Xs))
        A = sparse.block_array([[blocks[0], None], [bridges, blocks[1]]], format="csr")
        return (A + A.T) / 2

    def _proba(self, X: Array) -> Array:
        near = nearest(self.X_target_, X, min(self.n_neighbors, len(self.X_target_)))
        target = _affinities(*near, len(self.X_target_))
        near = nearest(self.X_source_, X, min(self.n_bridges, len(self.X_source_)))
        source = _affinities(*near, len(self.X_source_)) / 2  # W is the mean of both directions, of which it has one
        degree = target.sum(axis=1) + source.sum(axis=1)
        scores = target @ self.scores_target_ + source @ self.scores_source_
        scores *= self.alpha / np.sqrt(degree)[:, None]
        if self.belief:
            scores += (1 - self.alpha) * self.belief * self.estimator_.predict_proba(X)
        scores *= self.class_scale_
        return scores / scores.sum(axis=1, keepdims=True)


def _affinities(squared: Array, index: Array, n: int) -> Any:
    """``exp(-distance^2 / s^2)`` as a sparse matrix of shape (n_queries, n), s being the largest distance of each row."""
    squared = squared.astype(np.float64)
    found = np.isfinite(squared)
    width = np.where(found, squared, 0.0).max(axis=1, keepdims=True)
    weights = np.exp(-squared / np.where(width > 0, width, 1.0))
    start = np.concatenate([[0], np.cumsum(found.sum(axis=1))])
    return sparse.csr_array((weights[found], index[found], start), shape=(len(squared), n))


def _spread(S: Any, Y: Array, alpha: float, tol: float = 1e-8) -> tuple[Array, int]:
    """``(1 - alpha) (I - alpha S)^(-1) Y`` by conjugate gradients on all columns at once, and the iterations made.

    The eigenvalues of S lie in [-1, 1], which bounds the iterations that the relative tolerance can take.
    """
    condition = (1 + alpha) / (1 - alpha)
    most = int(np.ceil(np.sqrt(condition) / 2 * np.log(2 * condition / tol))) + 1
    F, rest = np.zeros_like(Y), (1 - alpha) * Y
    step, size = rest.copy(), (rest**2).sum(axis=0)
    goal = tol**2 * size
    done = 0
    while done < most and (size > goal).any():
        image = step - alpha * (S @ step)
        curve = (step * image).sum(axis=0)
        rate = np.divide(size, curve, out=np.zeros_like(size), where=curve > 0)
        F += rate * step
        rest -= rate * image
        new = (rest**2).sum(axis=0)
        step = rest + np.divide(new, size, out=np.zeros_like(size), where=size > 0) * step
        size, done = new, done + 1
    return np.maximum(F, 0.0), done
