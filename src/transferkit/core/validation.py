"""What every fit starts with: sources and target checked, in the words of the argument that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier, is_regressor
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import validate_data

from .chunks import Chunks, as_chunks
from .constraints import check_params
from .errors import DomainError, ParamError
from .protocols import Array, Domain

__all__ = ["Task", "TransferData", "check_rows", "check_tasks", "check_transfer", "known_labels", "task_of"]

Task = Literal["classification", "regression"]
_FLOATS = (np.float64, np.float32)


@dataclass(frozen=True, eq=False)
class TransferData:
    """Checked input of one fit.

    Attributes
    ----------
    Xs : array, CSR matrix or Chunks of shape (n_source, n_features)
        Source rows, float32 or float64. Chunks only where the method says that it takes them; then `Xt` is such too.
    ys : array of shape (n_source,)
        Source labels as given.
    Xt : array or CSR matrix of shape (n_target, n_features)
        Target rows, in the dtype of `Xs`.
    known : bool array of shape (n_target,)
        Rows of the target whose label may be used.
    yt : array of shape (known.sum(),)
        Exactly those labels.
    task : {"classification", "regression"}
    classes : array of shape (n_classes,) or None
        Sorted labels of the source; None for regression.
    groups : array of shape (n_source,) or None
        The source domain of each row, where several were given.
    """

    Xs: Any
    ys: Array
    Xt: Any
    known: Array
    yt: Array
    task: Task
    classes: Array | None
    groups: Array | None

    @property
    def Xt_known(self) -> Any:
        """Target rows whose label may be used."""
        return self.Xt[self.known]

    @property
    def codes(self) -> Array:
        """Source labels as indices into `classes`, of shape (n_source,)."""
        assert self.classes is not None
        return np.searchsorted(self.classes, self.ys)

    @property
    def codes_t(self) -> Array:
        """Known target labels as indices into `classes`."""
        assert self.classes is not None
        return np.searchsorted(self.classes, self.yt)


def _where(est: Any, method: str) -> str:
    return f"{type(est).__name__}.{method}"


def task_of(estimator: Any, y: Any) -> Task:
    """Classification or regression: what the inner estimator is; without one, what the labels look like.

    Labels that are floats with a fractional part are a regression; everything else is a classification. To regress on
    whole numbers, give a regressor as `estimator`.
    """
    if estimator is not None and is_regressor(estimator):
        return "regression"
    if estimator is not None and is_classifier(estimator):
        return "classification"
    return "regression" if type_of_target(y) == "continuous" else "classification"


def check_transfer(
    est: Any,
    X: Any,
    y: Any,
    target: Any,
    *,
    groups: Any = None,
    accept_sparse: bool = False,
    accept_chunks: bool = False,
    new_classes: bool = False,
    task: Task | None = None,
) -> TransferData:
    """Check parameters, source and target of one fit.

    Sets ``n_features_in_`` (and ``feature_names_in_`` for frames) on `est`, and ``classes_`` for a classification.

    Parameters
    ----------
    est : estimator
        The method being fitted; its ``_constraints`` are checked too.
    X, y : array-like
        Source rows and labels.
    target : Domain
        The target; labels outside ``target.known`` are not looked at.
    groups : array-like of shape (n_source,), optional
        The source domain of each row.
    accept_sparse : bool
        Whether the method takes sparse rows (as CSR).
    accept_chunks : bool
        Whether the method takes rows in chunks.
    new_classes : bool
        Whether known target labels may hold classes that the source lacks.
    task : {"classification", "regression"}, optional
        What a method does that does one of them only; None is decided by `task_of`.

    Raises
    ------
    ParamError
        A parameter is out of its range.
    DomainError
        The source or the target cannot be used; the message names which.
    """
    check_params(est)
    here = _where(est, "fit")
    if not isinstance(target, Domain):
        raise DomainError(
            f"{here}: target must be a Domain, as in target=Domain(X_target). Got {type(target).__name__}."
        )
    if y is None:
        raise DomainError(
            f"{here}: y must hold the source's labels: requires y to be passed, but the target y is None."
        )
    sparse_ok: Any = "csr" if accept_sparse else False
    chunked = isinstance(X, Chunks) or isinstance(target.X, Chunks)
    if chunked and not accept_chunks:
        raise DomainError(
            f"{here}: X and target.X must be rows in memory. Got rows in chunks; `transferkit list --data chunks` names"
            " the methods that read them so."
        )
    _refuse_sparse(here, X, accept_sparse and not chunked)
    try:
        if chunked:
            Xs, ys = _chunked_source(est, X, y)
        else:
            Xs, ys = validate_data(est, X, y, accept_sparse=sparse_ok, dtype=_FLOATS, ensure_min_samples=2)
    except ValueError as err:
        raise DomainError(f"{here}: X and y must be usable source rows and labels. Got: {err}") from err
    inner = getattr(est, "estimator", None)
    if task is not None and inner is not None and (is_classifier if task == "regression" else is_regressor)(inner):
        raise ParamError(f"{here}: estimator must be one for {task}. Got {type(inner).__name__}.")
    task = task or task_of(inner, ys)
    vars(est).pop("classes_", None)  # of an earlier fit, which may have been another task
    classes = None
    if task == "classification":
        kind = type_of_target(ys)
        if kind not in ("binary", "multiclass"):
            raise DomainError(
                f"{here}: y must hold classes, or give a regressor as estimator. Unknown label type: {kind}."
            )
        classes = np.unique(ys)
        if len(classes) < 2:
            raise DomainError(f"{here}: y must hold at least two classes. Got 1 class: {classes.tolist()[0]!r}.")
        est.classes_ = classes
    else:
        try:
            ys = np.asarray(ys, dtype=np.float64)
        except ValueError as err:
            raise DomainError(f"{here}: y must hold numbers for a regression. Got dtype {ys.dtype}.") from err
    try:
        # Values and shape first, names after: each failure then says what it is about.
        if chunked:
            Xt = _chunked_target(target.X, Xs.shape[1])
        else:
            Xt = check_rows(est, target.X, method="fit", accept_sparse=accept_sparse, dtype=Xs.dtype)
    except ValueError as err:
        raise DomainError(f"{here}: target.X must be usable rows with the source's features. Got: {err}") from err
    known, yt = known_labels(here, target, task, classes, new_classes)
    return TransferData(Xs, ys, Xt, known, yt, task, classes, _check_groups(here, groups, len(ys)))


def _chunked_source(est: Any, X: Any, y: Any) -> tuple[Chunks, Array]:
    """Source rows in chunks, which hold finite numbers by themselves, and as many labels."""
    Xs, ys = as_chunks(X), column_or_1d(y)
    if ys.dtype.kind == "f" and not np.isfinite(ys).all():
        raise ValueError("Input y contains NaN or infinity.")
    if len(ys) != Xs.shape[0] or len(ys) < 2:
        raise ValueError(f"X must have 2 rows or more and y one label a row: {Xs.shape[0]} rows, {len(ys)} labels.")
    est.n_features_in_ = Xs.shape[1]
    vars(est).pop("feature_names_in_", None)  # of an earlier fit on a frame
    return Xs, ys


def _chunked_target(X: Any, n_features: int) -> Chunks:
    Xt = as_chunks(X)
    if Xt.shape[1] != n_features:
        raise ValueError(f"X has {Xt.shape[1]} features, but {n_features} are expected.")
    return Xt


def known_labels(
    here: str, target: Domain, task: Task, classes: Array | None, new_classes: bool = False
) -> tuple[Array, Array]:
    """Which labels of the target may be used, and these labels, checked against the source's; `here` starts what an error says."""
    known, yt = target.mask, target.known_y
    if not len(yt):
        return known, np.empty(0, dtype=np.float64 if classes is None else classes.dtype)
    if yt.ndim > 1:
        raise DomainError(f"{here}: target.y must hold one label a row. Got shape {yt.shape}.")
    if task == "regression":
        try:
            return known, np.asarray(check_array(yt, ensure_2d=False, dtype=np.float64))
        except ValueError as err:
            raise DomainError(f"{here}: target.y must be finite numbers where it is known. Got: {err}") from err
    assert classes is not None
    if (yt.dtype.kind in "OUS") != (classes.dtype.kind in "OUS"):
        raise DomainError(f"{here}: target.y must have labels of the source's type ({classes.dtype}). Got {yt.dtype}.")
    extra = np.setdiff1d(yt, classes)
    if len(extra) and not new_classes:
        raise DomainError(
            f"{here}: target.y must hold classes of the source only. Got new classes {extra[:5].tolist()}."
        )
    return known, yt


def _check_groups(here: str, groups: Any, n: int) -> Array | None:
    if groups is None:
        return None
    array = np.asarray(groups)
    if array.shape != (n,):
        raise DomainError(
            f"{here}: groups must name the source domain of each of the {n} rows. Got shape {array.shape}."
        )
    try:
        np.unique(array)  # methods sort them
    except TypeError as err:
        kinds = ", ".join(sorted({type(name).__name__ for name in array.tolist()}))
        raise DomainError(f"{here}: groups must be names of one type. Got {kinds}.") from err
    return array


def check_rows(est: Any, X: Any, *, method: str = "predict", accept_sparse: bool = False, dtype: Any = _FLOATS) -> Any:
    """Rows for a fitted method: finite, two-dimensional, with the features seen in fit.

    Raises
    ------
    DomainError
        Saying what about the rows cannot be used.
    """
    if isinstance(X, Chunks):
        raise DomainError(
            f"{_where(est, method)}: X must be rows in memory. Got rows in chunks; X.apply(model.{method}) answers for them."
        )
    _refuse_sparse(_where(est, method), X, accept_sparse)
    try:
        X = validate_data(est, X, reset=False, accept_sparse="csr" if accept_sparse else False, dtype=dtype)
    except ValueError as err:
        raise DomainError(f"{_where(est, method)}: X must be usable rows with the features of fit. Got: {err}") from err
    return sparse.csr_matrix(X) if sparse.issparse(X) else X


def _refuse_sparse(here: str, X: Any, accept_sparse: bool) -> None:
    """scikit-learn raises a TypeError here, which is none of our errors."""
    if sparse.issparse(X) and not accept_sparse:
        raise DomainError(f"{here}: X must be dense, as in X.toarray(). Got a sparse matrix of shape {X.shape}.")


def check_tasks(est: Any, tasks: Any, *, method: str = "fit", accept_sparse: bool = False) -> Sequence[Domain]:
    """Check the domains of a multi-task, meta or continual method: Domains, labelled, named apart, equally wide.

    Raises
    ------
    ParamError
        A parameter is out of its range.
    DomainError
        Naming the domain that cannot be used.
    """
    check_params(est, method=method)
    here = _where(est, method)
    tasks = list(tasks) if isinstance(tasks, (list, tuple)) else [tasks]
    if not tasks or not all(isinstance(t, Domain) for t in tasks):
        raise DomainError(
            f"{here}: tasks must be a non-empty sequence of Domain. Got {[type(t).__name__ for t in tasks]}."
        )
    names = [t.name for t in tasks]
    if len(set(names)) < len(names):
        raise DomainError(f"{here}: tasks must have names of their own. Got {names}.")
    checked: list[Domain] = []
    for task in tasks:
        try:
            X = check_array(task.X, accept_sparse="csr" if accept_sparse else False, dtype=_FLOATS)
        except ValueError as err:
            raise DomainError(f"{here}: task {task.name!r} must have usable rows. Got: {err}") from err
        if not task.mask.any():
            raise DomainError(f"{here}: task {task.name!r} must have known labels. Got none.")
        if checked and X.shape[1] != checked[0].X.shape[1]:
            raise DomainError(
                f"{here}: task {task.name!r} must have {checked[0].X.shape[1]} features like the first. Got {X.shape[1]}."
            )
        checked.append(Domain(X, task.y, task.known, task.edges, task.name))
    return checked
