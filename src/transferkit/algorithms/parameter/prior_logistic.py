"""Prior logistic: logistic regression on a few target labels that is drawn to the source's weights instead of to zero."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.linear_model import LogisticRegression

from ...core.constraints import Either, Interval, Options
from ...core.errors import ParamError
from ...core.protocols import Array
from ...core.source_model import LINEAR, SOURCE, SourceModelTransfer, linear_part, missing_classes
from ...core.validation import TransferData
from ...ops.folds import deal_folds
from ...ops.linear.biased_logistic import fit_biased, log_loss_left_out
from ...ops.linear.biased_ridge import REGS, PriorRows, last_best

CARD = {
    "class": "PriorLogistic",
    "protocol": "Transfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "paper": "Chelba & Acero. Adaptation of Maximum Entropy Capitalizer: Little Data Can Help a Lot. EMNLP 2004.",
    "url": "https://aclanthology.org/W04-3237/",
}

__all__ = ["PriorLogistic"]


class PriorLogistic(SourceModelTransfer):
    """The log-likelihood of the known target labels plus a penalty on the distance to the source's weights.

    Parameters
    ----------
    reg : float in (0, inf) or "cv", default="cv"
        Strength of the penalty, for rows of mean square 1. Large values end at the source's model, small ones at logistic
        regression on the target's labels alone. ``"cv"`` takes the best of 17 strengths between 1e-4 and 1e4 and of the
        source itself by the log-likelihood of held-out target labels.
    intercept : {"prior", "free"}, default="prior"
        Whether the logits at the mean row are drawn to those of the source, as the weights are, or are free. Free ones
        follow the class shares of the known labels.
    n_folds : int in [2, inf), default=10
        Folds of the cross-validation; with as many known labels or fewer each is left out once.
    tol : float in (0, inf), default=1e-7
        A fit ends where no entry of the gradient is larger, or after 1000 iterations.
    estimator : classifier, default=None
        Fitted on the source; must be linear, or a pipeline of scalers with a linear model at its end. None is logistic regression.
    source : classifier, default=None
        The source's model, fitted already; must be linear too. `fit` then reads neither X nor y, which may be None. None fits
        ``estimator``.

    Attributes
    ----------
    coef_ : array of shape (n_classes, n_features), or (1, n_features) for two classes
        Weights for the target.
    intercept_ : array of shape (n_classes,), or (1,) for two classes
        Its intercepts.
    reg_ : float
        Strength that was used; infinity is the source's model.
    cv_losses_ : array of shape (18,) or None
        Mean held-out log-loss of the strengths that ``"cv"`` compares, the last one that of the source.
    missing_classes_ : array
        Classes without a known target label.
    source_ : classifier
        The source's model.
    estimator_ : LogisticRegression
        The target's model.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Minimises ``-(1/n) sum_i log p(y_i | x_i) + (reg / 2) (s^2 ||W - W_S||^2 + ||c - c_S||^2)`` over the n known target rows,
    with ``c = W m + b`` the logits at their mean m and ``s^2`` their mean square about it: neither a moved zero nor another
    unit of the columns changes what a strength means. Two classes have one logit. It is MAP estimation under a Gaussian prior
    at the source's weights, as in Chelba & Acero, whose one variance is ``1 / (n reg)`` for rows of mean 0 and mean square 1.
    The optimum moves the source's weights by combinations of the rows, so the search (L-BFGS) has ``min(n, d + 1)`` unknowns a
    class. Known rows are dealt to folds class by class, in an order drawn once; equal losses go to the stronger penalty.

    A class without a known label keeps its weights but for what the others' labels say against it: with a free intercept
    its share is taken to be 0 so far as the penalty lets, so ``"prior"`` is the choice where labels are not a fair sample.

    The protocol is that of methods that are given rows of the source, so that it stands beside them; of these rows it
    needs nothing but the model, and ``source`` takes one whose rows are gone.

    References
    ----------
    Chelba & Acero. Adaptation of Maximum Entropy Capitalizer: Little Data Can Help a Lot. EMNLP 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, PriorLogistic
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(200, 2)), rng.normal(size=(200, 2))
    >>> target = Domain(Xt, (Xt[:, 0] > 1).astype(int), known=np.arange(200) < 20)
    >>> model = PriorLogistic().fit(X, (X[:, 0] > 0).astype(int), target=target)
    >>> model.score(Xt, target.y) > 0.85
    True
    """

    _constraints: ClassVar = {
        "reg": Either(Interval(float, 0, closed="neither"), Options("cv")),
        "intercept": Options("prior", "free"),
        "n_folds": Interval(int, 2),
        "tol": Interval(float, 0, closed="neither"),
        "estimator": LINEAR,
        "source": SOURCE,
    }
    _task: ClassVar = "classification"
    _test_params: ClassVar = {"n_folds": 4, "tol": 1e-5}

    def __init__(
        self,
        reg: float | str = "cv",
        intercept: str = "prior",
        n_folds: int = 10,
        tol: float = 1e-7,
        estimator: Any = None,
        source: Any = None,
    ) -> None:
        self.reg = reg
        self.intercept = intercept
        self.n_folds = n_folds
        self.tol = tol
        self.estimator = estimator
        self.source = source

    def _carry_over(self, data: TransferData) -> None:
        X, codes, K = data.Xt_known, data.codes_t, len(self.classes_)
        weights, intercepts = linear_part("PriorLogistic.fit", self.source_, X)
        if len(weights) != (1 if K == 2 else K):
            raise ParamError(
                f"PriorLogistic.fit: the source's model must have one output a class, or one for two. Got {len(weights)}."
            )
        logits = X @ weights.T + intercepts
        rows = PriorRows.of(X, self.intercept == "prior")
        self.cv_losses_: Array | None = None
        if isinstance(self.reg, str):
            n = len(codes)
            folds = deal_folds(codes, min(self.n_folds, n), 0) if n > 1 else np.zeros(1, dtype=int)
            losses = log_loss_left_out(rows, logits, codes, REGS, folds, self.tol)
            self.reg_, self.cv_losses_ = float(REGS[last_best(losses)]), losses
        else:
            self.reg_ = float(self.reg)
        theta, shift = fit_biased(rows.rows, logits, codes, self.reg_, free=not rows.intercept, tol=self.tol)
        more, at_zero = rows.moves(theta, shift)
        self.coef_, self.intercept_ = weights + more, intercepts + at_zero
        self.missing_classes_ = missing_classes(data)
        self.estimator_ = LogisticRegression()
        self.estimator_.classes_, self.estimator_.n_features_in_ = self.classes_, X.shape[1]
        self.estimator_.coef_, self.estimator_.intercept_ = self.coef_, self.intercept_
