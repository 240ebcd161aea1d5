"""Linear interpolation: the source's model and one of the target's labels answer together, in shares that held-out labels set."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.utils.validation import check_is_fitted

from ...core.base import ESTIMATOR, fit_inner, inner_has
from ...core.constraints import Either, Interval, Options
from ...core.errors import DomainError, ParamError
from ...core.protocols import Array
from ...core.source_model import SOURCE, SourceModelTransfer, as_the_source_asks, missing_classes
from ...core.validation import TransferData
from ...ops.folds import deal_folds

CARD = {
    "class": "LinearInterpolation",
    "protocol": "Transfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "paper": "Daumé III. Frustratingly Easy Domain Adaptation. ACL 2007, baseline LININT.",
    "url": "https://arxiv.org/abs/0907.1815",
}

__all__ = ["LinearInterpolation"]

_LEAST = 1e-12  # probability that is taken for 0


class LinearInterpolation(SourceModelTransfer):
    """``weight * target model + (1 - weight) * source model``, of probabilities or of numbers.

    Parameters
    ----------
    weight : float in [0, 1] or "cv", default="cv"
        Share of the target's model. 0 is the source's alone, 1 the target's alone. ``"cv"`` takes the share under which
        held-out known target labels are the most probable, or have the least squared error.
    n_folds : int in [2, inf), default=10
        Folds of the cross-validation; with as many known labels or fewer each is left out once.
    estimator : estimator, default=None
        Fitted on the source, and anew on the known target rows; a classifier must have ``predict_proba``. None is logistic
        regression for classes and ridge regression for numbers.
    source : estimator, default=None
        The source's model, fitted already, of any kind; a classifier must have ``predict_proba``. `fit` then reads neither X
        nor y, which may be None. None fits ``estimator``.

    Attributes
    ----------
    weight_ : float
        Share of the target's model.
    losses_ : array of shape (3,) or None
        Held-out loss (log-loss or mean squared error) of the source's model, of the target's and of both with ``weight_``.
    missing_classes_ : array or None
        Classes without a known target label, to which the target's model gives probability 0; None to regress.
    source_ : estimator
        The source's model.
    estimator_ : estimator
        The target's model.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    With probabilities p_S and p_T of the held-out labels, the share w maximises ``sum_i log(w p_T(i) + (1 - w) p_S(i))``, a
    concave function; to regress it is ``<t - s, y - s> / ||t - s||^2``, cut off at 0 and 1. Equal losses go to the source. In
    a fold whose other rows are of one class, the target's model says that class. Daumé III chooses the share on development
    data; with few labels there are none to spare. Cost: n_folds + 1 fits on the known target rows.

    The protocol is that of methods that are given rows of the source, so that it stands beside them; of these rows it
    needs nothing but the model, and ``source`` takes one whose rows are gone.

    References
    ----------
    Daumé III. Frustratingly Easy Domain Adaptation. ACL 2007, section 2.1.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, LinearInterpolation
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(100, 8)), rng.normal(size=(12, 8))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> same = LinearInterpolation().fit(X, y, target=Domain(Xt, (Xt[:, 0] > 0).astype(int)))
    >>> other = LinearInterpolation().fit(X, y, target=Domain(Xt, (Xt[:, 0] < 0).astype(int)))
    >>> same.weight_ < 0.5 < other.weight_
    True
    """

    _constraints: ClassVar = {
        "weight": Either(Interval(float, 0, 1), Options("cv")),
        "n_folds": Interval(int, 2),
        "estimator": ESTIMATOR,
        "source": SOURCE,
    }
    _accept_sparse: ClassVar = True
    _test_params: ClassVar = {"n_folds": 3}

    def __init__(
        self, weight: float | str = "cv", n_folds: int = 10, estimator: Any = None, source: Any = None
    ) -> None:
        self.weight = weight
        self.n_folds = n_folds
        self.estimator = estimator
        self.source = source

    def _carry_over(self, data: TransferData) -> None:
        X, y = data.Xt_known, data.yt
        n_least = 2 if data.classes is None else len(np.unique(y))
        if len(y) < 2 or n_least < 2:
            what = "two known labels" if data.classes is None else "known labels of two classes"
            raise DomainError(f"LinearInterpolation.fit: target must have {what} at least. Got {len(y)} known labels.")
        self.estimator_ = fit_inner(self, data.task, X, y)
        self.missing_classes_ = None if data.classes is None else missing_classes(data)
        for model in (self.source_, self.estimator_):
            if data.classes is not None and not hasattr(model, "predict_proba"):
                raise ParamError(
                    f"LinearInterpolation.fit: estimator and source must have predict_proba. Got {type(model).__name__}."
                )
        if not isinstance(self.weight, str):
            self.weight_, self.losses_ = float(self.weight), None
            return
        codes = None if data.classes is None else data.codes_t
        said, own = self._ask(self.source_, X), np.empty((len(y), 1 if codes is None else len(self.classes_)))
        folds = deal_folds(codes, min(self.n_folds, len(y)), 0, n=len(y))
        for fold in np.unique(folds):
            out = folds == fold
            if codes is not None and len(np.unique(y[~out])) == 1:
                own[out] = self.classes_ == y[~out][0]
            else:
                own[out] = self._ask(fit_inner(self, data.task, X[~out], y[~out]), X[out])
        if codes is None:
            self.weight_, loss = _best_share(said[:, 0], own[:, 0], y)
        else:
            rows = np.arange(len(y))
            self.weight_, loss = _likeliest_share(said[rows, codes], own[rows, codes])
        self.losses_ = np.array([loss(0.0), loss(1.0), loss(self.weight_)])

    def _ask(self, model: Any, X: Any) -> Array:
        """Probabilities in the order of the classes, or numbers as one column."""
        with as_the_source_asks():
            if not hasattr(self, "classes_"):
                return np.asarray(model.predict(X), dtype=np.float64).reshape(-1, 1)
            proba = np.zeros((X.shape[0], len(self.classes_)))
            proba[:, np.searchsorted(self.classes_, model.classes_)] = model.predict_proba(X)
            return proba

    def _both(self, X: Any, method: str) -> Array:
        check_is_fitted(self)
        rows = self._target_rows(X, method)
        return self.weight_ * self._ask(self.estimator_, rows) + (1 - self.weight_) * self._ask(self.source_, rows)

    def predict(self, X: Any) -> Array:
        """The most probable class, or the number, for each row of the target, of shape (n_samples,)."""
        both = self._both(X, "predict")
        return self.classes_[both.argmax(axis=1)] if hasattr(self, "classes_") else both[:, 0]

    @inner_has("predict_proba")
    def predict_proba(self, X: Any) -> Array:
        """Class probabilities for rows of the target, of shape (n_samples, n_classes), in the order of ``classes_``."""
        return self._both(X, "predict_proba")

    @inner_has("_no_such_scores")
    def decision_function(self, X: Any) -> Array:
        """Not there: what is interpolated are probabilities."""
        raise NotImplementedError


def _best_share(said: Array, own: Array, y: Array) -> tuple[float, Any]:
    apart = own - said
    length = apart @ apart
    share = float(np.clip(apart @ (y - said) / length, 0, 1)) if length > 0 else 0.0
    return share, lambda w: float(np.mean((y - said - w * apart) ** 2))


def _likeliest_share(said: Array, own: Array) -> tuple[float, Any]:
    def loss(w: float) -> float:
        return float(-np.log(np.maximum(w * own + (1 - w) * said, _LEAST)).mean())

    inside = float(minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 1e-4}).x)
    return min((0.0, 1.0, inside), key=loss), loss
