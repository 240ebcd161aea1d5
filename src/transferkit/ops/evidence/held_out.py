"""Source predictions of a candidate that did not see the label it predicts: its inner estimator, cross-validated."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state

from ...core.compose import TransferPipeline
from ...core.errors import DomainError, ParamError
from ...core.protocols import Array, Domain, take_rows
from ...core.weighted_fit import fit_weighted, takes_weights
from ..folds import deal_folds
from .candidates import class_probabilities
from .label_free import candidate_features, check_labelled

__all__ = ["HeldOut", "held_out_predictions"]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Predictions for every source row.

    Attributes
    ----------
    y : array of shape (n_source,)
        The true labels or values.
    predicted : array of shape (n_source,)
        The candidate's.
    classes : array of shape (n_classes,) or None
        The candidate's, sorted; None for a regression.
    codes : int array of shape (n_source,) or None
        True labels as indices into `classes`.
    proba : array of shape (n_source, n_classes) or None
        Class probabilities in the order of `classes`; None where the candidate has none.
    refitted : bool
        Whether rows were held out. If not, these are the candidate's own answers on rows that it was fitted on, which
        are too good.
    """

    y: Array
    predicted: Array
    classes: Array | None
    codes: Array | None
    proba: Array | None
    refitted: bool

    def probabilities(self, selector: Any) -> tuple[Array, Array]:
        """`proba` and `codes`, for scores that cannot do without.

        Raises
        ------
        ParamError
            If there are none.
        """
        if self.proba is None or self.codes is None:
            raise ParamError(
                f"{type(selector).__name__}.score: candidate must have predict_proba in its inner estimator. Got none."
            )
        return self.proba, self.codes


def held_out_predictions(
    selector: Any, candidate: Any, source: Domain, *, n_splits: int = 3, random_state: Any = None
) -> HeldOut:
    """Predict each source row by a refit that has not seen it.

    Of a transfer method the map stays as it was fitted, and only the inner estimator (``estimator_``, with the method's
    ``sample_weight_`` where it has one and the estimator takes it) is refitted, on the mapped source rows of the other
    folds: the map has seen the held-out rows, and in some methods their labels. An ordinary scikit-learn estimator is
    refitted as a whole. What has no such part, a network for one, predicts the rows as it is; `HeldOut.refitted` says
    so. Of a method that adds something to its inner estimator when it predicts (neighbours, prototypes, a prior), these
    are the inner estimator's predictions.

    Parameters
    ----------
    selector : object
        Its name is in every message.
    candidate : fitted model
        A classifier if it has ``classes_``.
    source : Domain
        Labelled in every row; the rows that the candidate was fitted on, in the same order.
    n_splits : int
        Folds; classes are dealt evenly, and a class of one row is predicted by models that do not know it.
    random_state : int, RandomState or None
        Deals the folds, and seeds refits whose own random state is None.

    Raises
    ------
    ParamError
        If the candidate is not fitted.
    DomainError
        If the source is not labelled, has classes that the candidate lacks, or too few rows to hold some out.
    """
    y = check_labelled(selector, source)
    here = f"{type(selector).__name__}.score"
    classes = np.asarray(candidate.classes_) if hasattr(candidate, "classes_") else None
    codes = None
    if classes is not None:
        if not np.isin(y, classes).all():
            extra = np.setdiff1d(y, classes)[:5].tolist()
            raise DomainError(f"{here}: source must have classes of the candidate only. Got also {extra}.")
        codes = np.searchsorted(classes, y)
    inner, rows, weight = _refitted_part(selector, candidate, source)
    if inner is None:
        predicted, proba = _answers(selector, candidate, source.X, classes)
        return HeldOut(y, predicted, classes, codes, proba, refitted=False)
    folds = deal_folds(codes, min(n_splits, len(y)), random_state, n=len(y))
    seeds = check_random_state(random_state)
    predicted = np.empty(len(y), dtype=np.float64 if classes is None else classes.dtype)
    proba = None if classes is None or not hasattr(inner, "predict_proba") else np.empty((len(y), len(classes)))
    for fold in range(folds.max() + 1):
        out = np.flatnonzero(folds == fold)
        kept = np.flatnonzero((folds != fold) & (weight is None or weight > 0))
        if not len(kept) or (codes is not None and len(np.unique(codes[kept])) < 2):
            what = "rows" if weight is None else "rows with a weight"
            raise DomainError(
                f"{here}: source must keep two classes where a fold is held out. Got {len(kept)} {what} outside of one."
            )
        model = _seeded(clone(inner), seeds)
        known = take_rows(rows, kept), y[kept]
        try:
            model = model.fit(*known) if weight is None else fit_weighted(model, *known, weight[kept])
        except ValueError as err:
            raise DomainError(f"{here}: source must have rows enough to hold some out. Got: {err}") from err
        predicted[out], p = _answers(selector, model, take_rows(rows, out), classes)
        if proba is not None:
            proba[out] = p
    return HeldOut(y, predicted, classes, codes, proba, refitted=True)


def _refitted_part(selector: Any, candidate: Any, source: Domain) -> tuple[Any, Any, Array | None]:
    """An estimator to clone, the rows it takes, their weights; None where nothing can be refitted."""
    model = candidate.method_ if isinstance(candidate, TransferPipeline) else candidate
    if not isinstance(model, BaseEstimator) or not hasattr(model, "fit"):
        return None, None, None
    if "target" not in signature(model.fit).parameters:
        # A network that was given its source in the constructor was not fitted on these rows.
        return (None if hasattr(model, "source") else model), source.X, None
    inner = getattr(model, "estimator_", None)
    if inner is None:
        return None, None, None
    weight = getattr(model, "sample_weight_", None)
    usable = weight is not None and len(weight) == source.n_samples and takes_weights(inner)
    return inner, candidate_features(selector, candidate, source.X, "source"), weight if usable else None


def _answers(selector: Any, model: Any, X: Any, classes: Array | None) -> tuple[Array, Array | None]:
    try:
        predicted = np.asarray(model.predict(X))
        if classes is None or not hasattr(model, "predict_proba"):
            return predicted, None
        return predicted, class_probabilities(model, X, classes)
    except NotFittedError as err:
        name = type(model).__name__
        raise ParamError(
            f"{type(selector).__name__}.score: candidate must be fitted. Got {name}, which is not."
        ) from err
    except ValueError as err:
        raise DomainError(
            f"{type(selector).__name__}.score: source.X must be rows that the candidate takes. Got: {err}"
        ) from err


def _seeded(model: Any, rng: np.random.RandomState) -> Any:
    """The model with every random state that is None replaced, so that the same call gives the same answer."""
    names = sorted(k for k, v in model.get_params().items() if k.split("__")[-1] == "random_state" and v is None)
    return model.set_params(**{name: rng.randint(2**31) for name in names})
