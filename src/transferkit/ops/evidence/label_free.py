"""What a fitted candidate shows without a label, checked: features and probabilities of rows of either domain."""

from __future__ import annotations

from inspect import signature
from typing import Any, Literal

import numpy as np
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from ...core.compose import TransferPipeline
from ...core.errors import DomainError, ParamError
from ...core.protocols import Array, Domain
from .transferability import check_score, source_labels, source_probabilities

__all__ = ["candidate_features", "check_label_free", "check_labelled", "target_labels", "target_probabilities"]


def check_label_free(selector: Any, source: Any, target: Any, *, least: int = 1) -> None:
    """Hold the parameters and domains of one score against what it needs.

    Parameters
    ----------
    selector : object
        The score; its ``_constraints`` are checked and its name is in every message.
    source : Domain or None
        Whether it has labels is not looked at; see `check_labelled`.
    target : Domain
        No label is read.
    least : int
        Fewest target rows.

    Raises
    ------
    ParamError
        A parameter is out of its range.
    DomainError
        A domain cannot be used; the message names which.
    """
    here = check_score(selector, source, target)
    if target.n_samples < least:
        raise DomainError(f"{here}: target must have {least} rows or more. Got {target.n_samples}.")


def check_labelled(selector: Any, source: Any) -> Array:
    """Labels of a source that has one in every row, of shape (n_source,).

    Raises
    ------
    DomainError
        If it is no Domain, has no row, or a row without a label.
    """
    here = f"{type(selector).__name__}.score"
    if not isinstance(source, Domain):
        raise DomainError(f"{here}: source must be a Domain. Got {type(source).__name__}.")
    if source.y is None or not source.n_samples or not source.mask.all():
        raise DomainError(
            f"{here}: source must be labelled in every row."
            f" Got labels for {int(source.mask.sum())} of {source.n_samples} rows."
        )
    return np.asarray(source.y)


def target_probabilities(selector: Any, candidate: Any, target: Domain) -> Array:
    """A candidate's class probabilities of the target's rows, of shape (n_target, n_classes).

    Raises
    ------
    ParamError
        If the candidate has no ``predict_proba``: counting it as certain would put it first.
    DomainError
        If it refuses the rows, or its rows are not probabilities.
    """
    return source_probabilities(selector, candidate, target.X)


def target_labels(selector: Any, candidate: Any, target: Domain) -> Array:
    """The classes that a candidate predicts for the target's rows, as indices, of shape (n_target,).

    Raises
    ------
    ParamError
        If the candidate is no classifier.
    DomainError
        If it refuses the rows.
    """
    return source_labels(selector, candidate, target.X)


def candidate_features(selector: Any, candidate: Any, X: Any, side: Literal["source", "target"]) -> Array:
    """Rows of one domain in the space in which a candidate works, float64 of shape (n, n_features).

    That is what its ``transform`` gives (with ``domain=side`` where it takes that), or, for a candidate without one,
    the rows themselves; in a `TransferPipeline`, behind its transformers.

    Raises
    ------
    ParamError
        If the candidate is not fitted.
    DomainError
        If it refuses the rows, or there is not one finite row of numbers for each.
    """
    here = f"{type(selector).__name__}.score"
    try:
        Z = _mapped(candidate, X, side)
    except NotFittedError as err:
        raise ParamError(f"{here}: candidate must be fitted. Got {type(candidate).__name__}, which is not.") from err
    except ValueError as err:  # scikit-learn's and our own refusals of rows
        raise DomainError(f"{here}: {side}.X must be rows that the candidate takes. Got: {err}") from err
    values = np.asarray(Z.toarray() if sparse.issparse(Z) else Z)
    if values.ndim != 2 or not values.size or values.dtype.kind not in "fiub" or not np.isfinite(values).all():
        raise DomainError(
            f"{here}: {side}.X must give one finite row of features a row."
            f" Got shape {values.shape}, dtype {values.dtype}."
        )
    return values.astype(np.float64)


def _mapped(candidate: Any, X: Any, side: str) -> Any:
    if hasattr(candidate, "fit"):
        check_is_fitted(candidate)
    if hasattr(candidate, "transform"):
        takes_side = "domain" in signature(candidate.transform).parameters
        return candidate.transform(X, domain=side) if takes_side else candidate.transform(X)
    if isinstance(candidate, TransferPipeline):
        return (candidate.source_transformer_ if side == "source" else candidate.transformer_).transform(X)
    n_expected = getattr(candidate, "n_features_in_", None)
    if n_expected is not None and np.shape(X)[1:] != (n_expected,):
        raise DomainError(f"{np.shape(X)[1:]} where {n_expected} features were fitted")
    return X
