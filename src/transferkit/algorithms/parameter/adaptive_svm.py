"""Adaptive SVM: what the source's scores lack on a few target labels is added by a support vector machine of its own."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ...core.base import fit_inner
from ...core.constraints import Boolean, Either, EstimatorLike, Interval, Nothing, Options
from ...core.protocols import Array
from ...core.source_model import SOURCE, SourceModelTransfer, missing_classes, one_versus_rest_scores
from ...core.validation import TransferData
from ...ops.kernels.gaussian import rbf
from ...ops.linear.biased_ridge import about_mean
from ...ops.solvers.box_qp import solve_box_qp

CARD = {
    "class": "AdaptiveSVM",
    "protocol": "Transfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^2",
    "portfolio": (),
    "paper": "Yang, Yan & Hauptmann. Cross-Domain Video Concept Detection Using Adaptive SVMs. ACM Multimedia 2007.",
    "url": "https://doi.org/10.1145/1291233.1291276",
}

__all__ = ["AdaptiveSVM"]


class AdaptiveSVM(SourceModelTransfer):
    """Score = the source's score + a function of small norm that mends the margins of the known target rows.

    Parameters
    ----------
    C : float in (0, inf), default=1.0
        What a row inside the margin costs, for rows of mean squared length 1. Towards 0 the source's scores stay.
    kernel : {"linear", "rbf"}, default="linear"
        Of the function that is added, and of the source's SVM.
    gamma : float in (0, inf) or None, default=None
        Width of the "rbf" kernel; None is ``1 / (n_features * variance)`` of the known target rows.
    intercept : bool, default=True
        Whether the function may add a constant too, at the price of its square. The paper's has none.
    tol : float in (0, inf), default=1e-8
        The search ends where no entry of the projected gradient is larger, or after 5000 iterations.
    estimator : classifier, default=None
        Fitted on the source; must have ``decision_function`` or ``predict_proba``. None is a support vector machine a class
        with the same ``kernel`` and cost 1.
    source : classifier, default=None
        The source's model, fitted already, of any kind with ``decision_function`` or ``predict_proba``. `fit` then reads
        neither X nor y, which may be None. None fits ``estimator``.

    Attributes
    ----------
    dual_coef_ : array of shape (n_outputs, n_known)
        ``alpha_i y_i`` of the known target rows, for each class against the rest (one output for two classes).
    rows_ : array of shape (n_known, n_features)
        Those rows, as the kernel sees them.
    mean_ : array of shape (n_features,)
        Their mean, from where the "linear" kernel looks; zeros for "rbf".
    scale_ : float
        What divides them.
    gamma_ : float
        Width that was used.
    missing_classes_ : array
        Classes without a known target label: their rows can only be told what they are not.
    source_ : classifier
        The source's model.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Minimises ``||w||^2 / 2 + C sum_i xi_i`` with ``y_i (f_S(x_i) + w . phi(x_i)) >= 1 - xi_i``, for each class against the
    rest. The dual is a quadratic programme in a box: maximise ``sum_i (1 - y_i f_S(x_i)) alpha_i - sum_ij alpha_i alpha_j y_i
    y_j K_ij / 2`` with ``0 <= alpha <= C``. A target row that the source has right by a margin gets ``alpha = 0``: where all
    are, the source stays as it is. All classes are solved at once by a projected quasi-Newton method (L-BFGS-B); the
    "linear" kernel never forms a matrix of rows by rows. Scores that are probabilities p count as ``2 p - 1``.

    The "linear" kernel is that of rows moved to their mean and divided by the root of their mean squared length; the
    paper's is reached with ``intercept=False`` on rows of which both hold. The paper has two classes.

    The protocol is that of methods that are given rows of the source, so that it stands beside them; of these rows it
    needs nothing but the model, and ``source`` takes one whose rows are gone.

    References
    ----------
    Yang, Yan & Hauptmann. Cross-Domain Video Concept Detection Using Adaptive SVMs. ACM Multimedia 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import AdaptiveSVM, Domain
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(200, 2)), rng.normal(size=(200, 2))
    >>> target = Domain(Xt, (Xt[:, 0] > 1).astype(int), known=np.arange(200) < 20)
    >>> model = AdaptiveSVM(C=10.0).fit(X, (X[:, 0] > 0).astype(int), target=target)
    >>> model.score(Xt, target.y) > 0.85
    True
    """

    _constraints: ClassVar = {
        "C": Interval(float, 0, closed="neither"),
        "kernel": Options("linear", "rbf"),
        "gamma": Either(Nothing(), Interval(float, 0, closed="neither")),
        "intercept": Boolean(),
        "tol": Interval(float, 0, closed="neither"),
        "estimator": Either(
            Nothing(), EstimatorLike("fit", "decision_function"), EstimatorLike("fit", "predict_proba")
        ),
        "source": SOURCE,
    }
    _task: ClassVar = "classification"

    def __init__(
        self,
        C: float = 1.0,
        kernel: str = "linear",
        gamma: float | None = None,
        intercept: bool = True,
        tol: float = 1e-8,
        estimator: Any = None,
        source: Any = None,
    ) -> None:
        self.C = C
        self.kernel = kernel
        self.gamma = gamma
        self.intercept = intercept
        self.tol = tol
        self.estimator = estimator
        self.source = source

    def _fit_source(self, data: TransferData) -> Any:
        if self.estimator is not None:
            return fit_inner(self, data.task, data.Xs, data.ys)
        gamma = "scale" if self.gamma is None else self.gamma
        return OneVsRestClassifier(SVC(kernel=self.kernel, gamma=gamma, random_state=0)).fit(data.Xs, data.ys)

    def _carry_over(self, data: TransferData) -> None:
        X = np.asarray(data.Xt_known, dtype=np.float64)
        linear = self.kernel == "linear"
        Z, self.mean_ = about_mean(X) if linear else (X, np.zeros(X.shape[1]))
        self.scale_ = (float(np.sqrt((Z**2).sum(axis=1).mean())) or 1.0) if linear else 1.0
        self.rows_ = Z / self.scale_
        self.gamma_ = self.gamma or 1 / ((X.var() or 1.0) * X.shape[1])
        scores = one_versus_rest_scores("AdaptiveSVM.fit", self.source_, data.Xt_known)
        signs = np.where(
            data.codes_t == (1 if scores.shape[1] == 1 else np.arange(scores.shape[1])[:, None]), 1.0, -1.0
        )
        signs = signs.reshape(scores.shape[1], -1)
        constant = float(self.intercept)
        if linear:

            def product(V: Array) -> Array:
                return (V @ self.rows_) @ self.rows_.T + constant * V.sum(axis=1, keepdims=True)
        else:
            K = rbf(self.rows_, self.rows_, self.gamma_) + constant

            def product(V: Array) -> Array:
                return V @ K

        alpha = solve_box_qp(lambda a: signs * product(signs * a), 1 - signs * scores.T, self.C, self.tol)
        self.dual_coef_ = signs * alpha
        self.missing_classes_ = missing_classes(data)

    def _scores(self, X: Any, method: str) -> Array:
        check_is_fitted(self)
        rows = self._target_rows(X, method)
        Z = (rows - self.mean_) / self.scale_
        if self.kernel == "linear":
            added = Z @ (self.dual_coef_ @ self.rows_).T
        else:
            added = rbf(Z, self.rows_, self.gamma_) @ self.dual_coef_.T
        scores = one_versus_rest_scores(f"AdaptiveSVM.{method}", self.source_, rows)
        return scores + added + float(self.intercept) * self.dual_coef_.sum(axis=1)

    def predict(self, X: Any) -> Array:
        """Classes for rows of the target, of shape (n_samples,)."""
        scores = self._scores(X, "predict")
        return self.classes_[(scores[:, 0] > 0).astype(int) if scores.shape[1] == 1 else scores.argmax(axis=1)]

    def decision_function(self, X: Any) -> Array:
        """Adapted scores for rows of the target, of shape (n_samples, n_classes), or (n_samples,) for two classes."""
        scores = self._scores(X, "decision_function")
        return scores[:, 0] if scores.shape[1] == 1 else scores

    @available_if(lambda self: False)
    def predict_proba(self, X: Any) -> Array:
        """Not there: margins are no probabilities."""
        raise NotImplementedError
