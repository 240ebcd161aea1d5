"""What a classifier says about source rows it has not seen and about the target: what label shift is estimated from."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ...core.base import fit_inner, fit_inner_on_chunks
from ...core.chunks import Chunks
from ...core.errors import DomainError, ParamError
from ...core.protocols import Array
from ...core.validation import TransferData
from ..folds import deal_folds

__all__ = ["class_probabilities", "held_out_shares"]


def held_out_shares(
    est: Any, data: TransferData, *, cv: int, hard: bool = False, random_state: Any = None
) -> tuple[Array, Array]:
    """Predictions of ``est.estimator`` as shares of the classes: of source rows by a model that has not seen them, of target
    rows by the mean of these models.

    Parameters
    ----------
    est : estimator
        The method; its inner estimator is the classifier, its name is in the errors.
    data : TransferData
        Of a classification; the rows may be in chunks.
    cv : int
        Folds of the source, at most as many as it has rows.
    hard : bool
        Predicted classes (1 for one class, 0 for all others) in place of probabilities.
    random_state : int, RandomState or None
        Deals the folds.

    Returns
    -------
    source, target : arrays of shape (n_source, n_classes), (n_target, n_classes)
        A class that a fold's model did not see has share 0.

    Raises
    ------
    DomainError
        If a class has too few rows to be held out.
    ParamError
        If the classifier has no ``predict_proba`` and `hard` is False.
    """
    assert data.classes is not None
    codes, K, n = data.codes, len(data.classes), data.Xs.shape[0]
    folds = deal_folds(codes, min(cv, n), random_state)
    source, target = np.zeros((n, K)), np.zeros((data.Xt.shape[0], K))
    for fold in range(folds.max() + 1):
        train, held_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if len(np.unique(codes[train])) < 2:
            raise DomainError(
                f"{type(est).__name__}.fit: y must hold two rows or more of each class. Got a class with 1 row."
            )
        if isinstance(data.Xs, Chunks):
            model = fit_inner_on_chunks(est, data.task, data.Xs, data.ys, rows=folds != fold)
            answer = partial(_shares, est, model, classes=data.classes, hard=hard)
            source[held_out] = data.Xs.apply(answer)[held_out]
            target += data.Xt.apply(answer) * (len(held_out) / n)
            continue
        model = fit_inner(est, data.task, data.Xs[train], data.ys[train])
        source[held_out] = _shares(est, model, data.Xs[held_out], data.classes, hard)
        target += _shares(est, model, data.Xt, data.classes, hard) * (len(held_out) / n)
    return source, target


def class_probabilities(est: Any, model: Any, X: Any, classes: Array) -> Array:
    """``predict_proba`` in the order of `classes`; a class that `model` has not seen has probability 0.

    Raises
    ------
    ParamError
        If the model has no ``predict_proba``; `est` is the method that it names.
    """
    if not hasattr(model, "predict_proba"):
        other = ", or set confusion='hard'" if "confusion" in est.get_params(deep=False) else ""
        raise ParamError(
            f"{type(est).__name__}.fit: estimator must have predict_proba{other}."
            f" Got {type(model).__name__}, which has not."
        )
    shares = np.zeros((X.shape[0], len(classes)))
    shares[:, np.searchsorted(classes, model.classes_)] = model.predict_proba(X)
    return shares


def _shares(est: Any, model: Any, X: Any, classes: Array, hard: bool) -> Array:
    if hard:
        return np.eye(len(classes))[np.searchsorted(classes, model.predict(X))]
    return class_probabilities(est, model, X, classes)
