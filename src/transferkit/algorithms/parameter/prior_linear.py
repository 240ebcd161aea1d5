"""Prior linear: ridge regression on a few target labels that is drawn to the source's weights instead of to zero."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.linear_model import LinearRegression

from ...core.constraints import Either, Interval, Options
from ...core.errors import ParamError
from ...core.source_model import LINEAR, SOURCE, SourceModelTransfer, linear_part
from ...core.validation import TransferData
from ...ops.linear.biased_ridge import REGS, PriorRows, last_best, ridge_path

CARD = {
    "class": "PriorLinear",
    "protocol": "Transfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("regression",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "paper": "Chelba & Acero. Adaptation of Maximum Entropy Capitalizer: Little Data Can Help a Lot. EMNLP 2004.",
    "url": "https://aclanthology.org/W04-3237/",
}

__all__ = ["PriorLinear"]


class PriorLinear(SourceModelTransfer):
    """Least squares on the known target labels plus a penalty on the distance to the source's weights.

    Parameters
    ----------
    reg : float in [0, inf) or "loo", default="loo"
        Strength of the penalty, for rows of mean square 1. Large values end at the source's model; 0 is least squares on
        the target's labels alone and, of all that fit them equally well, the nearest to the source. ``"loo"`` takes the
        best of 17 strengths between 1e-4 and 1e4 and of the source itself by the leave-one-out error.
    intercept : {"prior", "free"}, default="prior"
        Whether the value at the mean row is drawn to what the source says there, as the weights are, or is free.
    estimator : regressor, default=None
        Fitted on the source; must be linear, or a pipeline of scalers with a linear model at its end. None is ridge regression.
    source : regressor, default=None
        The source's model, fitted already; must be linear too. `fit` then reads neither X nor y, which may be None. None fits
        ``estimator``.

    Attributes
    ----------
    coef_ : array of shape (n_features,)
        Weights for the target.
    intercept_ : float
        Its intercept.
    reg_ : float
        Strength that was used; infinity is the source's model (but for a free intercept).
    loo_errors_ : array of shape (18,) or None
        Leave-one-out errors of the strengths that ``"loo"`` compares, the last one that of the source; infinite where a
        row is fitted whatever its value.
    source_ : regressor
        The source's model.
    estimator_ : LinearRegression
        The target's model.

    Notes
    -----
    Minimises ``sum_i (y_i - w.x_i - b)^2 / n + reg (s^2 ||w - w_S||^2 + (c - c_S)^2)`` over the n known target rows, in
    closed form, ``c = w.m + b`` being the value at their mean m and ``s^2`` their mean square about it: neither a moved zero
    nor another unit of the columns changes what a strength means. It is the MAP estimate under a Gaussian prior at the
    source's weights, as Chelba & Acero adapt a maximum-entropy model. Their form (and that of biased regularisation) has
    ``lambda (||w - w_S||^2 + (b - b_S)^2)`` beside the sum: for rows of mean 0 and mean square 1 it is this one with
    ``reg = lambda / n``. The leave-one-out errors are exact for given m and s: ``r_i / (1 - h_ii)``, with h the influence of a
    row on its own prediction. Equal errors go to the stronger penalty. Cost: one singular value decomposition of the known
    target rows.

    The protocol is that of methods that are given rows of the source, so that it stands beside them; of these rows it
    needs nothing but the model, and ``source`` takes one whose rows are gone.

    References
    ----------
    Chelba & Acero. Adaptation of Maximum Entropy Capitalizer: Little Data Can Help a Lot. EMNLP 2004.
    Kuzborskij & Orabona. Stability and Hypothesis Transfer Learning. ICML 2013 (what the penalty is good for).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, PriorLinear
    >>> X, Xt = np.eye(3), np.array([[1.0, 1.0, 0.0], [1.0, -1.0, 0.0]])
    >>> model = PriorLinear(reg=0.0).fit(X, X @ [1.5, 2.5, 3.5], target=Domain(Xt, Xt @ [2.0, 1.0, 0.0]))
    >>> model.predict(Xt).round(6)
    array([3., 1.])
    """

    _constraints: ClassVar = {
        "reg": Either(Interval(float, 0), Options("loo")),
        "intercept": Options("prior", "free"),
        "estimator": LINEAR,
        "source": SOURCE,
    }
    _task: ClassVar = "regression"

    def __init__(
        self, reg: float | str = "loo", intercept: str = "prior", estimator: Any = None, source: Any = None
    ) -> None:
        self.reg = reg
        self.intercept = intercept
        self.estimator = estimator
        self.source = source

    def _carry_over(self, data: TransferData) -> None:
        X, y = data.Xt_known, data.yt
        weights, intercepts = linear_part("PriorLinear.fit", self.source_, X)
        if len(weights) > 1:
            raise ParamError(f"PriorLinear.fit: the source's model must have one output. Got {len(weights)}.")
        rows = PriorRows.of(X, self.intercept == "prior")
        choose = isinstance(self.reg, str)
        regs = REGS if choose else np.array([self.reg])
        theta, shift, errors = ridge_path(rows, y - X @ weights[0] - intercepts[0], regs)
        best = last_best(errors)
        more, at_zero = rows.moves(theta[best], shift)
        self.reg_, self.loo_errors_ = float(regs[best]), errors if choose else None
        self.coef_, self.intercept_ = weights[0] + more, float(intercepts[0] + at_zero)
        self.estimator_ = LinearRegression()
        self.estimator_.coef_, self.estimator_.intercept_ = self.coef_, self.intercept_
        self.estimator_.n_features_in_ = X.shape[1]
