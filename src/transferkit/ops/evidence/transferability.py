"""What the transferability scores share: the known target rows, what a candidate makes of them, features against labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import qr, svd

from ...core.constraints import check_params
from ...core.errors import DomainError, ParamError
from ...core.protocols import Array, Domain
from ...core.validation import task_of
from ..solvers.linalg import principal_axes

__all__ = [
    "KnownRows", "check_score", "expected_prediction", "features_of", "known_rows", "principal_scores", "source_labels",
    "source_probabilities", "spectrum",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class KnownRows:
    """The target rows whose label may be used.

    Attributes
    ----------
    X : as ``Domain.X``
        Those rows alone, n_known of them.
    y : array of shape (n_known,)
        Their labels as given.
    classes : array of shape (n_classes,) or None
        Sorted; None for regression.
    codes : array of shape (n_known,) or None
        Labels as indices into `classes`; None for regression.
    """

    X: Any
    y: Array
    classes: Array | None
    codes: Array | None

    @property
    def one_hot(self) -> Array:
        """Float array of shape (n_known, n_classes)."""
        assert self.codes is not None
        assert self.classes is not None
        return np.eye(len(self.classes))[self.codes]


def check_score(selector: Any, source: Any, target: Any) -> str:
    """Hold a score's parameters and the kinds of its domains against its rules; gives what its messages begin with."""
    check_params(selector, method="score")
    here = f"{type(selector).__name__}.score"
    if source is not None and not isinstance(source, Domain):
        raise DomainError(f"{here}: source must be a Domain or None. Got {type(source).__name__}.")
    if not isinstance(target, Domain):
        raise DomainError(f"{here}: target must be a Domain. Got {type(target).__name__}.")
    return here


def known_rows(selector: Any, source: Any, target: Any, *, task: str = "classification") -> KnownRows:
    """Check parameters and domains of one score and take the target rows that are labelled.

    Parameters
    ----------
    selector : object
        The score; its ``_constraints`` are checked and its name is in every message.
    source : Domain or None
        Not used; a pretrained network's source is rarely at hand.
    target : Domain
        Needs two known labels or more.
    task : {"classification", "regression", "auto"}
        What labels have to be; "auto" decides by how they look.

    Raises
    ------
    ParamError
        A parameter is out of its range.
    DomainError
        A domain cannot be used; the message names which.
    """
    here = check_score(selector, source, target)
    rows = target.known_rows
    if len(rows) < 2:
        raise DomainError(f"{here}: target must have two known labels or more. Got {len(rows)}.")
    y = target.known_y
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise DomainError(f"{here}: known labels of target must be finite. Got {np.sum(~np.isfinite(y))} that are not.")
    X = target.take(rows).X
    looks = task_of(None, y)
    if task == "classification" and looks == "regression":
        raise DomainError(f"{here}: target must be labelled with classes. Got numbers with a fraction.")
    if task == "regression" and y.dtype.kind not in "fiu":
        raise DomainError(f"{here}: known labels of target must be numbers. Got dtype {y.dtype}.")
    if task == "regression" or looks == "regression":
        return KnownRows(X, y.astype(np.float64), None, None)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise DomainError(f"{here}: known labels of target must hold two classes or more. Got {classes.tolist()}.")
    return KnownRows(X, y, classes, codes)


def _ask(selector: Any, candidate: Any, method: str, X: Any) -> Any:
    """What a fitted candidate answers on target rows."""
    here = f"{type(selector).__name__}.score"
    function = getattr(candidate, method, None)
    if not callable(function):
        raise ParamError(f"{here}: candidate must have {method}. Got {type(candidate).__name__}, which has not.")
    try:
        return function(X)
    except ValueError as err:  # scikit-learn's and our own refusals of rows
        raise DomainError(f"{here}: target.X must be rows that the candidate takes in {method}. Got: {err}") from err


def _numbers(selector: Any, found: Any, n: int, what: str) -> Array:
    values = np.asarray(found.toarray() if sparse.issparse(found) else found)
    shaped = values.ndim == 2 and len(values) == n and values.shape[1] > 0
    if not shaped or values.dtype.kind not in "fiub" or not np.isfinite(values).all():
        raise DomainError(
            f"{type(selector).__name__}.score: candidate must give {what}, one finite row for each of {n} rows of target."
            f" Got shape {values.shape}, dtype {values.dtype}."
        )
    return values.astype(np.float64)


def features_of(selector: Any, candidate: Any, X: Any) -> Array:
    """Features that a candidate's ``transform`` gives, float64 of shape (n, n_features).

    Raises
    ------
    ParamError
        If the candidate has no ``transform``: nothing else is taken for its features.
    DomainError
        If it refuses the rows, or gives anything but one finite row of numbers for each.
    """
    return _numbers(selector, _ask(selector, candidate, "transform", X), _n(X), "features")


def _n(X: Any) -> int:
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def source_probabilities(selector: Any, candidate: Any, X: Any) -> Array:
    """A candidate's probabilities of its own (source) classes, of shape (n, n_source_classes).

    Raises
    ------
    ParamError
        If the candidate has no ``predict_proba``.
    DomainError
        If it refuses the rows, or its rows are not probabilities.
    """
    proba = _numbers(selector, _ask(selector, candidate, "predict_proba", X), _n(X), "probabilities")
    total = proba.sum(axis=1)
    if proba.min(initial=0) < 0 or not np.allclose(total, 1, atol=1e-3):
        raise DomainError(
            f"{type(selector).__name__}.score: candidate must give probabilities that sum to 1."
            f" Got sums from {total.min():.3g} to {total.max():.3g}."
        )
    return proba / total[:, None]


def source_labels(selector: Any, candidate: Any, X: Any) -> Array:
    """The source class that a candidate predicts for each row, as indices of shape (n,).

    Raises
    ------
    ParamError
        If the candidate is no classifier: it has no ``classes_`` or no ``predict``.
    DomainError
        If it refuses the rows.
    """
    if not hasattr(candidate, "classes_"):
        name = type(candidate).__name__
        raise ParamError(f"{type(selector).__name__}.score: candidate must be a classifier with classes_. Got {name}.")
    return np.unique(np.asarray(_ask(selector, candidate, "predict", X)), return_inverse=True)[1]


def expected_prediction(theta: Array, codes: Array) -> float:
    """LEEP: mean log-likelihood of the labels under the expected empirical predictor (Nguyen et al. 2020, eq. 2).

    Parameters
    ----------
    theta : array of shape (n, n_source_classes)
        Rows of probabilities over some dummy labels z.
    codes : array of shape (n,)
        Labels as indices.
    """
    joint = np.zeros((codes.max() + 1, theta.shape[1]))
    np.add.at(joint, codes, theta)
    marginal = joint.sum(axis=0)
    conditional = joint / np.where(marginal > 0, marginal, 1)  # P(y | z); a z that nothing falls on has no say
    return float(np.log((conditional[codes] * theta).sum(axis=1)).mean())


def spectrum(Z: Array, Y: Array) -> tuple[Array, Array, Array]:
    """Singular values of Z = U diag(s) V', and Y in the basis U; neither U nor V is formed.

    A QR decomposition comes first: linear in the longer side, and the small factor keeps the precision that the Gram
    matrix loses. Singular values at rounding level count as absent.

    Returns
    -------
    s : array of shape (rank,)
        Falling.
    coordinates : array of shape (rank, n_outputs)
        U' Y.
    rest : array of shape (n_outputs,)
        Squared length of what of Y lies outside the span of Z's columns.
    """
    n, d = Z.shape
    if d < n:
        factor = qr(np.hstack([Z, Y]), mode="r", check_finite=False)[0]
        core, coordinates, outside = factor[:d, :d], factor[:d, d:], factor[d:, d:]
    else:
        core = qr(Z.T, mode="r", check_finite=False)[0][:n].T
        coordinates, outside = Y, np.zeros((1, Y.shape[1]))
    U, s, _ = svd(core, check_finite=False)
    coordinates = U.T @ coordinates
    rank = int((s > s[0] * max(n, d) * np.finfo(np.float64).eps).sum())
    rest = (outside**2).sum(axis=0) + (coordinates[rank:] ** 2).sum(axis=0)
    return s[:rank], coordinates[:rank], rest


def principal_scores(Z: Array, n_components: int | float | None) -> Array:
    """Rows in their leading principal components, each with the sign that makes its largest score positive.

    That sign depends on the rows' mutual position alone, not on the axes in which their features are written.

    Parameters
    ----------
    Z : array of shape (n, n_features)
    n_components : int, float in (0, 1) or None
        At most that many; or as few as hold that share of the variance; or the rows as they are.
    """
    if n_components is None:
        return Z
    mean, axes = principal_axes(Z, min(Z.shape) if isinstance(n_components, float) else n_components)
    scores = (Z - mean) @ axes
    if isinstance(n_components, float):
        held = np.cumsum(scores.var(axis=0))
        scores = scores[:, : np.searchsorted(held, n_components * held[-1]) + 1]
    largest = scores[np.abs(scores).argmax(axis=0), np.arange(scores.shape[1])]
    return scores * np.where(largest < 0, -1.0, 1.0)
