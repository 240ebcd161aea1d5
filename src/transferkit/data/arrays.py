"""Arrays from files: .npy, .npz, HDF5, MATLAB and svmlight; which variable is X, which is y, and which way X lies."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from ..core.errors import DataError
from ..core.protocols import Array
from .images import ImageSamples
from .matlab import hdf5_variables, mat_variables
from .rows import Ask, Part, find_name, no_such_name, opened, payload, reading
from .series import SeriesSamples

__all__ = [
    "array_part",
    "array_samples",
    "float_rows",
    "read_hdf5",
    "read_mat",
    "read_npy",
    "read_npz",
    "read_svmlight",
    "split_labels",
    "wants_samples",
]

_X_NAMES = ("x", "fts", "features", "feature", "feat", "feats", "fea", "data", "attrb")
_Y_NAMES = ("y", "labels", "label", "gnd", "target", "targets", "class", "classes")


def array_part(variables: Mapping[str, Any], origin: str, ask: Ask) -> Part:
    """Choose rows, labels and domain names among named variables.

    Labels are the variable that `label` names, else the one with a usual name. Rows are the matrix with a usual name or
    the only one, among those that are as long as the labels; samples are along the first axis where it fits the number
    of labels, else along the last. Further axes are flattened. Doubt is an error that lists the variables.
    """
    y_name = _label_name(variables, origin, ask)
    y, known = (None, None) if y_name is None else split_labels(_vector(variables, y_name, origin, "label"))
    n = None if y_name is None else np.size(_plain(variables[y_name]))
    groups = None
    taken = {y_name}
    if ask.domain_column is not None:
        column = find_name(list(variables), ask.domain_column, origin, "domain_column", required=True)
        assert column is not None
        groups = _vector(variables, column, origin, "domain_column").astype(str).astype(object)
        n, taken = len(groups), taken | {column}
    if ask.require_label and y is None:
        raise DataError(f"{origin}: the labels must be known somewhere. Got {y_name!r}, which holds none.")
    X = _rows(variables, _row_name(variables, taken, y_name, n, origin), n, whole=wants_samples(ask))
    if not X.shape[0] or not X.shape[1]:
        raise DataError(f"{origin}: the array must have rows and columns. Got shape {X.shape}.")
    if groups is not None and y is not None and len(y) != len(groups):
        raise DataError(f"{origin}: labels and domain_column must be equally long. Got {len(y)} and {len(groups)}.")
    if wants_samples(ask):
        return array_samples(Part(X, y, known, groups, origin), ask)
    return Part(float_rows(X, origin), y, known, groups, origin)


def _label_name(variables: Mapping[str, Any], origin: str, ask: Ask) -> str | None:
    usual = [name for name in variables if _leaf(name) in _Y_NAMES]
    if ask.label is not None:
        if ask.label in variables:
            return str(ask.label)
        if ask.require_label or usual:
            raise no_such_name(origin, "label", ask.label, list(variables), noun="variable")
        return None
    if len(usual) > 1:
        raise DataError(f"{origin}: label must name one of {usual}. The variables are {_listed(variables)}.")
    if not usual and ask.require_label:
        raise DataError(f"{origin}: label must name a variable. The variables are {_listed(variables)}.")
    return usual[0] if usual else None


def _row_name(
    variables: Mapping[str, Any], taken: set[str | None], y_name: str | None, n: int | None, origin: str
) -> str:
    fitting = [
        name
        for name, value in variables.items()
        if name not in taken
        and (
            sparse.issparse(value) or (isinstance(value, np.ndarray) and value.ndim > 1 and value.dtype.kind in "buif")
        )
        and value.size != 1
        and (n is None or n in (value.shape[0], value.shape[-1]))
    ]
    if y_name is not None and "/" in y_name:  # an HDF5 group that holds both
        beside = [name for name in fitting if name.rpartition("/")[0] == y_name.rpartition("/")[0]]
        fitting = beside or fitting
    usual = [name for name in fitting if _leaf(name) in _X_NAMES]
    for names in (usual, fitting):
        if len(names) == 1:
            return names[0]
    length = "" if n is None else f" with {n} rows or columns"
    raise DataError(
        f"{origin}: the file must hold exactly one matrix of features{length}. Got {', '.join(fitting) or 'none'}; the variables "
        f"are {_listed(variables)}. Name the labels with label=, or load it and give (X, y)."
    )


def wants_samples(ask: Ask) -> bool:
    """Whether the rows of an array are images or series, and no vectors."""
    return ask.samples is not None or ask.window is not None


def array_samples(part: Part, ask: Ask) -> Part:
    """The rows of an array as images or series; windows of a row have its label.

    Raises
    ------
    DataError
        Naming the origin, where the array has no such shape or the kind has no arrays.
    """
    kind = ask.samples or "series"
    if kind not in ("images", "series") or sparse.issparse(part.X):
        raise DataError(f"{part.origin}: kind must be images or series for a dense array. Got {kind!r}.")
    try:
        if kind == "images":
            return replace(part, X=ImageSamples.from_array(part.X))
        X = SeriesSamples.from_array(part.X, window=ask.window, hop=ask.hop)
    except DataError as err:
        raise DataError(f"{part.origin}: {err}") from err
    rows = np.repeat(np.arange(part.n_rows), len(X) // part.n_rows)
    y, known, groups = (None if v is None else v[rows] for v in (part.y, part.known, part.groups))
    return Part(X, y, known, groups, part.origin)


def _rows(variables: Mapping[str, Any], name: str, n: int | None, *, whole: bool) -> Any:
    X = variables[name]
    if sparse.issparse(X):
        return X if n is None or X.shape[0] == n else X.T
    if n is not None and X.shape[0] != n:
        X = np.moveaxis(X, -1, 0)
    return X if whole else X.reshape(len(X), -1)


def _leaf(name: str) -> str:
    return name.rpartition("/")[2].casefold()


def _listed(variables: Mapping[str, Any]) -> str:
    return (
        ", ".join(f"{name} {getattr(value, 'shape', type(value).__name__)}" for name, value in variables.items())
        or "none"
    )


def _plain(value: Any) -> Any:
    return value.toarray() if sparse.issparse(value) else value


def _vector(variables: Mapping[str, Any], name: str, origin: str, argument: str) -> Array:
    """One value a row: row and column vectors are flattened."""
    values = np.asarray(_plain(variables[name]))
    if values.size == 0 or values.size != max(values.shape, default=0):
        raise DataError(f"{origin}: {argument} must name a vector. Got {name!r} of shape {values.shape}.")
    values = values.ravel()
    return np.array([str(v).strip() for v in values], dtype=object) if values.dtype.kind in "US" else values


def split_labels(y: Any, origin: str = "y") -> tuple[Array | None, Array | None]:
    """Labels and where they are known (None: everywhere); NaN and None are unknown; (None, None) if all are.

    Where a label is missing, the array holds a copy of some known one, which nobody reads.
    """
    y = np.asarray(y)
    if y.ndim == 2 and 1 in y.shape:
        y = y.ravel()
    if y.ndim != 1 or y.dtype.kind not in "OUSbiuf":
        raise DataError(f"{origin}: labels must be one number or text a row. Got dtype {y.dtype}, shape {y.shape}.")
    if y.dtype.kind == "O":
        known = np.array([v is not None and v == v for v in y], dtype=bool)
        types = {isinstance(v, str) for v in y[known]}
        if len(types) > 1:
            raise DataError(f"{origin}: labels must hold either numbers or text. Got both.")
        if types == {False}:
            y = np.array([v if k else 0 for v, k in zip(y, known)])
    else:
        known = ~np.isnan(y) if y.dtype.kind == "f" else np.ones(len(y), dtype=bool)
        y = y.astype({"U": object, "S": str, "i": np.int64, "u": np.int64}.get(y.dtype.kind, y.dtype))
    if known.all():
        return y, None
    if not known.any():
        return None, None
    y[~known] = y[known][0]
    return y, known


def float_rows(X: Any, origin: str) -> Any:
    """Float rows of a numeric matrix: float32 stays, all else is float64; sparse ones as CSR with int32 indices."""
    if X.dtype.kind not in "buif":
        raise DataError(
            f"{origin}: an array must hold numbers. Got dtype {X.dtype}. Give text columns as a data frame."
        )
    dtype = np.float32 if X.dtype == np.float32 else np.float64
    if not sparse.issparse(X):
        return np.ascontiguousarray(X, dtype=dtype)
    X = sparse.csr_matrix(X, dtype=dtype)
    if X.nnz < 2**31:
        X.indices, X.indptr = X.indices.astype(np.int32, copy=False), X.indptr.astype(np.int32, copy=False)
    return X


def read_npy(path: Path, ask: Ask) -> Part:
    """One numpy array: rows without labels."""
    with reading(str(path), "a numpy array"), opened(path) as file:
        X = np.load(file, allow_pickle=False)
    return array_part({"X": X}, str(path), ask)


def read_npz(path: Path, ask: Ask) -> Part:
    """Several numpy arrays, or a matrix that scipy saved."""
    with reading(str(path), "numpy arrays", zipfile.BadZipFile), opened(path) as file:
        with np.load(file, allow_pickle=False) as saved:
            variables: dict[str, Any] = {name: saved[name] for name in saved.files}
        if {"format", "shape", "data"} <= variables.keys():
            file.seek(0)
            variables = {"X": sparse.load_npz(file)}
    return array_part(variables, str(path), ask)


def read_mat(path: Path, ask: Ask) -> Part:
    """MATLAB, version 5 to 7.3."""
    return array_part(mat_variables(path), str(path), ask)


def read_hdf5(path: Path, ask: Ask) -> Part:
    """HDF5; variables are called by their path, as in ``train/data``."""
    with reading(str(path), "HDF5"):
        variables = hdf5_variables(path)
    return array_part(variables, str(path), ask)


def read_svmlight(path: Path, ask: Ask) -> Part:
    """Sparse text, ``label index:value ...``.

    Column k is index k in every file, whether indices begin at 0 or 1: two files of one kind so always agree. The width
    is the highest index, or `n_features`.
    """
    from sklearn.datasets import load_svmlight_file

    origin = str(path)
    with reading(origin, "svmlight"):
        X, y = load_svmlight_file(payload(path), zero_based=True, n_features=ask.n_features)
    if not X.shape[0]:
        raise DataError(f"{origin}: the file must have rows. Got none.")
    if np.isfinite(y).all() and (y == np.round(y)).all():
        y = y.astype(np.int64)
    y, known = split_labels(y, origin)
    return Part(float_rows(X, origin), y, known, None, origin)
