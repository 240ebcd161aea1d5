"""A candidate fitted anew on parts of the data: for selectors that judge the recipe, not only the fitted model."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone, is_regressor
from sklearn.utils.validation import has_fit_parameter

from ...core.errors import DomainError, ParamError
from ...core.protocols import Array, Domain, take_rows
from ...core.validation import Task, task_of

__all__ = ["check_recipe", "classes_of", "refit", "task_of_candidate"]


def check_recipe(selector: Any, candidate: Any) -> None:
    """Whether a candidate can be cloned, fitted and asked.

    Raises
    ------
    ParamError
        If it has no ``get_params``, ``fit`` or ``predict``, or was never fitted.
    """
    here, name = f"{type(selector).__name__}.score", type(candidate).__name__
    if not all(callable(getattr(candidate, m, None)) for m in ("get_params", "fit", "predict")):
        raise ParamError(f"{here}: candidate must be an estimator that can be cloned and fitted. Got {name}.")
    if not any(k.endswith("_") and not k.startswith("__") for k in vars(candidate)):
        raise ParamError(f"{here}: candidate must be fitted. Got {name}, which is not.")


def task_of_candidate(candidate: Any, y: Array) -> Task:
    """What a fitted candidate does: one with ``classes_`` classifies; else it is a regressor, or the labels decide."""
    if hasattr(candidate, "classes_"):
        return "classification"
    return "regression" if is_regressor(candidate) else task_of(None, y)


def classes_of(selector: Any, y: Array) -> tuple[Array, Array]:
    """The source's classes, sorted, and its labels as indices into them.

    Raises
    ------
    DomainError
        If there is one class only, or if labels are numbers with a fraction.
    """
    here = f"{type(selector).__name__}.score"
    if task_of(None, y) == "regression":
        raise DomainError(f"{here}: source must be labelled with classes. Got numbers with a fraction.")
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise DomainError(f"{here}: source must hold two classes or more. Got {classes.tolist()}.")
    return classes, codes


def refit(selector: Any, candidate: Any, source: Domain, rows: Array, target: Any, rng: np.random.RandomState) -> Any:
    """A fresh copy of a candidate, fitted on some rows of the source and on another target, without a target label.

    Parameters
    ----------
    selector : object
        Its name is in the message.
    candidate : estimator
        Gives the parameters. Every random state among them is drawn anew. A plain model, which takes no target, is fitted
        on the source's rows alone.
    source : Domain
        Labelled.
    rows : int array
        Rows of the source.
    target : array-like
        Rows of the target.
    rng : RandomState
        For the random states.

    Raises
    ------
    DomainError
        If the copy refuses the data.
    """
    copy = clone(candidate)
    names = sorted(k for k in copy.get_params() if k.split("__")[-1] == "random_state")
    copy.set_params(**{name: rng.randint(2**31 - 1) for name in names})
    given = {"target": Domain(target)} if has_fit_parameter(copy, "target") else {}
    try:
        return copy.fit(take_rows(source.X, rows), np.asarray(source.y)[rows], **given)
    except ValueError as err:
        raise DomainError(
            f"{type(selector).__name__}.score: candidate must fit again on other rows of source and target. Got: {err}"
        ) from err
