"""Projective model transfer SVM: a support vector machine on a few target labels whose direction stays near the source's."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.svm import SVC, LinearSVC
from sklearn.utils.metaestimators import available_if

from ...core.base import fit_inner
from ...core.constraints import Interval
from ...core.errors import ParamError
from ...core.protocols import Array
from ...core.source_model import LINEAR, SOURCE, SourceModelTransfer, linear_part, missing_classes
from ...core.validation import TransferData
from ...ops.linear.biased_ridge import about_mean

CARD = {
    "class": "PMTSVM",
    "protocol": "Transfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^2",
    "portfolio": (),
    "paper": "Aytar & Zisserman. Tabula Rasa: Model Transfer for Object Category Detection. ICCV 2011.",
    "url": "https://doi.org/10.1109/ICCV.2011.6126504",
}

__all__ = ["PMTSVM"]


class PMTSVM(SourceModelTransfer):
    """Punish the part of the weights that is orthogonal to the source's, and none of their length along it.

    Parameters
    ----------
    gamma : float in [0, inf), default=10.0
        Price of the angle to the source's weights. 0 is a support vector machine on the target's labels alone (but for
        the half-space below); large values leave the source's direction, with length and threshold from the target.
    C : float in (0, inf), default=1.0
        What a row inside the margin costs, for rows of mean squared length 1.
    estimator : classifier, default=None
        Fitted on the source; must be linear, or a pipeline of scalers with a linear model at its end. None is a linear
        support vector machine.
    source : classifier, default=None
        The source's model, fitted already; must be linear too. `fit` then reads neither X nor y, which may be None. None fits
        ``estimator``.

    Attributes
    ----------
    coef_ : array of shape (n_classes, n_features), or (1, n_features) for two classes
        Weights for the target.
    intercept_ : array of shape (n_classes,), or (1,) for two classes
        Its intercepts.
    angles_ : array of shape (n_outputs,)
        Between the weights and those of the source, in degrees.
    missing_classes_ : array
        Classes without a known target label: they keep weights and intercept of the source, as all do where there is but
        one class with labels.
    source_ : classifier
        The source's model.
    estimator_ : LinearSVC
        The target's model.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Minimises ``||w||^2 / 2 + gamma ||P w||^2 + C sum_i xi_i`` with ``y_i (w.x_i + b) >= 1 - xi_i`` and ``w.w_S >= 0``, P being
    the projection onto what is orthogonal to ``w_S``: ``||P w|| = ||w|| sin(angle)``. Other than a penalty on ``||w - w_S||``
    it does not care how long the source's weights are. Each class is taken against the rest. The authors' code has ``||w||^2 +
    G ||P w||^2 + c sum_i xi_i``, that is ``gamma = G / 2`` and ``C = c / 2``, on source weights of length 1; its G is 1 unless
    told otherwise, which is ``gamma=0.5``. The default here is ours.

    The quadratic form is ``w.(I + 2 gamma P) w / 2``, so it is a plain SVM of rows whose part orthogonal to ``w_S`` is divided
    by ``sqrt(1 + 2 gamma)``. Where its solution points away from the source, the convex problem has its optimum on the
    boundary ``w.w_S = 0``: the SVM of the orthogonal parts alone. Both are solved by libsvm. Rows are moved to their mean
    and divided by the root of their mean squared length first; the paper's form is reached on rows of which the latter
    holds (the threshold takes up the mean).

    The protocol is that of methods that are given rows of the source, so that it stands beside them; of these rows it
    needs nothing but the model, and ``source`` takes one whose rows are gone.

    References
    ----------
    Aytar & Zisserman. Tabula Rasa: Model Transfer for Object Category Detection. ICCV 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, PMTSVM
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(200, 5)), rng.normal(size=(200, 5))
    >>> target = Domain(Xt, (Xt[:, 0] > 1).astype(int), known=np.arange(200) < 20)
    >>> model = PMTSVM().fit(X, (X[:, 0] > 0).astype(int), target=target)
    >>> model.score(Xt, target.y) > 0.85
    True
    """

    _constraints: ClassVar = {
        "gamma": Interval(float, 0),
        "C": Interval(float, 0, closed="neither"),
        "estimator": LINEAR,
        "source": SOURCE,
    }
    _task: ClassVar = "classification"

    def __init__(self, gamma: float = 10.0, C: float = 1.0, estimator: Any = None, source: Any = None) -> None:
        self.gamma = gamma
        self.C = C
        self.estimator = estimator
        self.source = source

    def _fit_source(self, data: TransferData) -> Any:
        if self.estimator is not None:
            return fit_inner(self, data.task, data.Xs, data.ys)
        return LinearSVC(dual="auto", random_state=0, max_iter=10000).fit(data.Xs, data.ys)

    def _carry_over(self, data: TransferData) -> None:
        X, codes, K = np.asarray(data.Xt_known, dtype=np.float64), data.codes_t, len(self.classes_)
        self.coef_, self.intercept_ = linear_part("PMTSVM.fit", self.source_, X)
        source = self.coef_.copy()
        if len(source) != (1 if K == 2 else K):
            raise ParamError(
                f"PMTSVM.fit: the source's model must have one output a class, or one for two. Got {len(source)}."
            )
        Z, mean = about_mean(X)
        scale = float(np.sqrt((Z**2).sum(axis=1).mean())) or 1.0
        for k, direction in enumerate(source):
            positive = codes == (1 if K == 2 else k)
            if positive.any() and not positive.all():
                w, b = _fit_near(Z / scale, positive, direction, self.gamma, self.C)
                self.coef_[k] = w / scale
                self.intercept_[k] = b - self.coef_[k] @ mean
        lengths = np.linalg.norm(self.coef_, axis=1) * np.linalg.norm(source, axis=1)
        cosines = (self.coef_ * source).sum(axis=1) / np.where(lengths > 0, lengths, 1)
        self.angles_ = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
        self.missing_classes_ = missing_classes(data)
        self.estimator_ = LinearSVC()
        self.estimator_.classes_, self.estimator_.n_features_in_ = self.classes_, X.shape[1]
        self.estimator_.coef_, self.estimator_.intercept_ = self.coef_, self.intercept_

    @available_if(lambda self: False)
    def predict_proba(self, X: Any) -> Array:
        """Not there: margins are no probabilities."""
        raise NotImplementedError


def _fit_near(Z: Array, positive: Array, direction: Array, gamma: float, C: float) -> tuple[Array, float]:
    """Weights and threshold of one class against the rest."""
    length = np.linalg.norm(direction)
    unit = direction / length if length > 0 else direction
    along = np.outer(Z @ unit, unit)
    across = (Z - along) / np.sqrt(1 + 2 * gamma)
    svm = SVC(kernel="linear", C=C, tol=1e-6, random_state=0).fit(along + across, positive)
    u = svm.coef_[0]
    if u @ unit < 0:
        svm = SVC(kernel="linear", C=C, tol=1e-6, random_state=0).fit(across, positive)
        u = svm.coef_[0] - (svm.coef_[0] @ unit) * unit
    share = (u @ unit) * unit
    return share + (u - share) / np.sqrt(1 + 2 * gamma), float(svm.intercept_[0])
