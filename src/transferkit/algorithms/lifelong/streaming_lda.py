"""Streaming LDA: class means and one covariance, updated with each row; equal to the fit on all rows at once."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy import linalg

from ...core.constraints import Interval, Options
from ...core.continual import ContinualStatistics
from ...core.protocols import Array

CARD = {
    "class": "StreamingLDA",
    "protocol": "Continual",
    "settings": ("supervised",),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "paper": "Hayes & Kanan. Lifelong Machine Learning with Deep Streaming Linear Discriminant Analysis. CVPR-W 2020.",
    "url": "https://arxiv.org/abs/1909.01520",
}

__all__ = ["StreamingLDA"]


class StreamingLDA(ContinualStatistics):
    """Linear discriminant analysis of frozen features from sums that every new row is added to.

    Parameters
    ----------
    reg : float in (0, 1], default=1e-4
        Share of the identity in the covariance that is inverted; 1 classifies by the nearest mean.
    priors : {"equal", "empirical"}, default="equal"
        Whether all classes are equally likely, as in the paper, or as often as they came.

    Attributes
    ----------
    counts_ : array of shape (n_outputs,)
        Rows of each class, in the order of arrival.
    means_ : array of shape (n_outputs, n_features)
        Their means.
    scatter_ : array of shape (n_features, n_features)
        Sum over all rows of the outer product of what is left after the class mean.
    coef_ : array of shape (n_outputs, n_features)
        Weights of the scores.
    intercept_ : array of shape (n_outputs,)
        And what is added to them.
    outputs_ : Outputs
        Which class each output stands for, and the classes of each task.
    classes_ : array of shape (n_classes,)
        All classes that have come, sorted.

    Notes
    -----
    With ``S = scatter / n`` over all ``n`` rows, the score of class k is ``w_k x - w_k m_k / 2 (+ log n_k / n)``, where
    ``w_k = [(1 - reg) S + reg I]^-1 m_k`` (eq. 4 to 6). The paper's running covariance (eq. 3) weighs a row by the number of all
    rows before it, and so depends on their order; here means and scatter are merged exactly (Chan, Golub & LeVeque), so that
    any order and any pieces give the same up to rounding. Memory is one mean a class and one matrix; there is nothing to
    forget. It stands or falls with the features: take them from a frozen backbone.

    References
    ----------
    Hayes & Kanan. Lifelong Machine Learning with Deep Streaming Linear Discriminant Analysis. CVPR Workshops 2020.
    Chan, Golub & LeVeque. Updating Formulae and a Pairwise Algorithm for Computing Sample Variances. COMPSTAT 1982.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, StreamingLDA
    >>> X = np.random.default_rng(0).normal(size=(90, 3)) + 4 * np.repeat(np.eye(3), 30, axis=0)
    >>> y = np.repeat(["ash", "birch", "cedar"], 30)
    >>> model = StreamingLDA().partial_fit(Domain(X[:60], y[:60], name="first"))
    >>> model = model.partial_fit(Domain(X[60:], y[60:], name="late"))
    >>> model.score(X, y) > 0.9
    True
    >>> model.predict(X[:1], task="late").tolist()
    ['cedar']
    """

    _constraints: ClassVar = {"reg": Interval(float, 0, 1, closed="right"), "priors": Options("equal", "empirical")}

    def __init__(self, reg: float = 1e-4, priors: str = "equal") -> None:
        self.reg = reg
        self.priors = priors

    def _add(self, X: Array, y: Any, n_outputs: int, numbers: bool) -> None:
        d = X.shape[1]
        begun = hasattr(self, "counts_")
        counts, means = np.zeros(n_outputs), np.zeros((n_outputs, d))
        scatter = self.scatter_.copy() if begun else np.zeros((d, d))
        if begun:
            counts[: len(self.counts_)], means[: len(self.counts_)] = self.counts_, self.means_
        for k in np.unique(y):
            rows = X[y == k]
            middle, n, m = rows.mean(axis=0), len(rows), counts[k]
            left, apart = rows - middle, middle - means[k]
            scatter += left.T @ left + np.outer(apart, apart) * (n * m / (n + m))
            means[k] += apart * (n / (n + m))
            counts[k] += n
        self.counts_, self.means_, self.scatter_ = counts, means, scatter
        total = counts.sum()
        matrix = (1 - self.reg) * scatter / total
        matrix[np.diag_indices(d)] += self.reg
        self.coef_ = linalg.solve(matrix, means.T, assume_a="pos").T
        self.intercept_ = -0.5 * (self.coef_ * means).sum(axis=1)
        if self.priors == "empirical":
            self.intercept_ += np.log(counts / total)

    def _outputs(self, X: Array) -> Array:
        return X @ self.coef_.T + self.intercept_

    def predict_proba(self, X: Any, *, task: str | None = None) -> Array:
        """Probabilities of shape (n_samples, n_classes) in the order of ``classes_``; 0 outside the task."""
        scores = self.decision_function(X, task=task)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)
