"""MLLS: maximum likelihood class shares of the target from calibrated probabilities, which are then adjusted to them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core.base import ESTIMATOR, ProbabilityTransfer, fit_inner
from ...core.constraints import Interval, Options, RandomState
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.label_shift.black_box import class_probabilities, held_out_shares
from ...ops.label_shift.calibration import CALIBRATIONS, Calibration, fit_calibration
from ...ops.label_shift.shares import em_steps

CARD = {
    "class": "MLLS",
    "protocol": "Transfer",
    "settings": ("label_shift",),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "paper": "Saerens, Latinne & Decaestecker. Adjusting the Outputs of a Classifier to New a Priori Probabilities. Neural "
    "Computation 14, 2002; Alexandari, Kundaje & Shrikumar. Maximum Likelihood with Bias-Corrected Calibration is "
    "Hard-To-Beat at Label Shift Adaptation. ICML 2020.",
    "url": "https://arxiv.org/abs/1901.06852",
}

__all__ = ["MLLS"]


class MLLS(ProbabilityTransfer):
    """Calibrate a classifier, find the target's class shares of largest likelihood, and adjust its probabilities to them.

    Parameters
    ----------
    calibration : {"bcts", "vector", "temperature", "none"}, default="bcts"
        How probabilities are calibrated on held-out source rows. ``"bcts"``: one temperature and a bias a class.
        ``"vector"``: a scale and a bias a class, for many rows. ``"temperature"`` alone leaves a bias in the shares.
        ``"none"`` is the procedure of Saerens et al. as it is, for a classifier that is calibrated already.
    cv : int in [2, inf), default=5
        Folds of the source: the calibration is fitted on rows that the classifier did not see.
    max_iter : int in [1, inf), default=1000
        Most iterations of expectation maximisation. Reaching them is no error: the likelihood rises in each.
    tol : float in (0, inf), default=1e-8
        Largest change of a share at which it stops.
    random_state : int, RandomState or None, default=None
        Deals the folds.
    estimator : classifier with predict_proba, default=None
        Fitted on the source as it is. None is logistic regression.

    Attributes
    ----------
    target_prior_ : array of shape (n_classes,)
        Estimated class shares of the target.
    source_prior_ : array of shape (n_classes,)
        Class shares of the source.
    scale_, bias_ : arrays of shape (n_classes,)
        The calibration, ``softmax(scale * log p + bias)``.
    n_iter_ : int
        Iterations of expectation maximisation.
    estimator_ : classifier
        The fitted inner classifier, before calibration and adjustment.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    With ``f(x)`` the calibrated source probabilities, p and q the shares of source and target, maximises the likelihood of
    the target rows ``sum_i log sum_k f_k(x_i) q_k / p_k`` over q. It is concave, and expectation maximisation (Saerens et
    al., eq. 2.9) climbs it to the maximum: at its end the mean adjusted probability of each class is its share. A row's
    probabilities are ``f_k(x) q_k / p_k``, scaled to sum 1 (Saerens et al., eq. 2.4). The classifier is not fitted again.

    The shares are right where f is calibrated and only the shares moved. The likelihood and BBSE's moments are both
    consistent then; the likelihood varies less. With a bias in the calibration the mean probability of a class on the
    held-out rows is exactly its share p, as the likelihood asks for.

    The calibration is fitted to predictions for the folds and used with the classifier that was fitted on all source rows.
    Known target labels are not used.

    References
    ----------
    Saerens, Latinne & Decaestecker. Adjusting the Outputs of a Classifier to New a Priori Probabilities. Neural
    Computation 14, 2002. Alexandari, Kundaje & Shrikumar. Maximum Likelihood with Bias-Corrected Calibration is
    Hard-To-Beat at Label Shift Adaptation. ICML 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import MLLS, Domain
    >>> rng = np.random.default_rng(0)
    >>> y, yt = np.repeat([0, 1], [100, 100]), np.repeat([0, 1], [20, 180])
    >>> target = Domain(rng.normal(size=(200, 1)) + 2 * yt[:, None])
    >>> model = MLLS(random_state=0).fit(rng.normal(size=(200, 1)) + 2 * y[:, None], y, target=target)
    >>> bool(abs(model.target_prior_[1] - 0.9) < 0.05)
    True
    """

    _constraints: ClassVar = {
        "calibration": Options(*CALIBRATIONS),
        "cv": Interval(int, 2),
        "max_iter": Interval(int, 1),
        "tol": Interval(float, 0, closed="neither"),
        "random_state": RandomState(),
        "estimator": ESTIMATOR,
    }
    _accept_sparse: ClassVar = True

    def __init__(
        self,
        calibration: str = "bcts",
        cv: int = 5,
        max_iter: int = 1000,
        tol: float = 1e-8,
        random_state: Any = None,
        estimator: Any = None,
    ) -> None:
        self.calibration = calibration
        self.cv = cv
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.estimator = estimator

    def _fit(self, data: TransferData) -> None:
        assert data.classes is not None
        codes, K = data.codes, len(data.classes)
        self.estimator_ = fit_inner(self, data.task, data.Xs, data.ys)
        calibration = Calibration(np.ones(K), np.zeros(K))
        if self.calibration != "none":
            held_out, _ = held_out_shares(self, data, cv=self.cv, random_state=self.random_state)
            calibration = fit_calibration(held_out, codes, self.calibration)
        self.scale_, self.bias_ = calibration.scale, calibration.bias
        self.source_prior_ = np.bincount(codes, minlength=K) / len(codes)
        self.target_prior_, self.n_iter_ = em_steps(
            self._calibrated(data.Xt), self.source_prior_, max_iter=self.max_iter, tol=self.tol
        )

    def _calibrated(self, X: Any) -> Array:
        proba = class_probabilities(self, self.estimator_, X, self.classes_)
        return Calibration(self.scale_, self.bias_).apply(proba)

    def _proba(self, X: Any) -> Array:
        proba = self._calibrated(X) * (self.target_prior_ / self.source_prior_)
        return proba / proba.sum(axis=1, keepdims=True)
