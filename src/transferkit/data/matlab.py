"""MATLAB and HDF5 files as named variables, in MATLAB's own orientation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy import io, sparse

from ..core.protocols import Array
from .rows import payload, reading

__all__ = ["hdf5_variables", "mat_variables"]


def mat_variables(path: Path) -> dict[str, Any]:
    """Variables of a .mat file: numeric arrays, sparse matrices, and text cells as arrays of str.

    Fields of a struct are called ``struct/field``.
    """
    with reading(str(path), "MATLAB", io.matlab.MatReadError):
        try:
            found = io.loadmat(payload(path))
        except NotImplementedError:  # scipy's way to say that it is version 7.3, which is HDF5
            return hdf5_variables(path, matlab=True)
        return {n: v for key, value in found.items() if not key.startswith("__") for n, v in _unfold(key, value)}


def _unfold(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, np.ndarray) and value.dtype.names and value.size == 1:
        for field in value.dtype.names:
            yield from _unfold(f"{name}/{field}", value[field].item())
    elif isinstance(value, np.ndarray) and value.dtype == object and value.size:
        yield name, _cell(value)
    else:
        yield name, value


def _cell(value: Array) -> Array:
    """A cell array: of text as an array of str, of single numbers as numbers, any other as it is."""
    items = [np.asarray(v) for v in value.ravel()]
    if all(v.dtype.kind == "U" and v.size <= 1 for v in items):
        return np.array([str(v.item()) if v.size else "" for v in items], dtype=object).reshape(value.shape)
    if all(v.dtype.kind in "buif" and v.size == 1 for v in items):
        return np.array([v.item() for v in items]).reshape(value.shape)
    return value


def hdf5_variables(path: Path, *, matlab: bool = False) -> dict[str, Any]:
    """Datasets of an HDF5 file by path; with `matlab`, turned round, and with sparse matrices and text decoded."""
    import h5py

    found: dict[str, Any] = {}

    def walk(group: Any, prefix: str) -> None:
        for key, item in group.items():
            name = prefix + key
            if key.startswith("#"):  # where MATLAB keeps what cells point at
                continue
            if isinstance(item, h5py.Dataset):
                found[name] = _matlab_value(item) if matlab else _value(item)
            elif "MATLAB_sparse" in item.attrs:
                found[name] = _sparse(item)
            else:
                walk(item, name + "/")

    with h5py.File(payload(path), "r") as file:
        walk(file, "")
    return found


def _value(item: Any) -> Array:
    import h5py

    return item.asstr()[()] if h5py.check_string_dtype(item.dtype) else item[()]


def _matlab_value(item: Any) -> Array:
    import h5py

    kind = item.attrs.get("MATLAB_class", b"").decode()
    if "MATLAB_empty" in item.attrs:
        return np.empty((0, 0))
    if kind == "cell" and h5py.check_ref_dtype(item.dtype):
        shape, file = item.shape[::-1], item.file
        cells = np.empty(item.size, dtype=object)
        cells[:] = [_matlab_value(file[ref]) for ref in np.asarray(item[()]).T.ravel()]
        return _cell(cells.reshape(shape))
    values = np.asarray(item[()]).T
    if kind == "char":  # one row of character codes a text
        return np.array(["".join(map(chr, row)) for row in np.atleast_2d(values)])
    return values.astype(bool) if kind == "logical" else values


def _sparse(group: Any) -> Any:
    n_rows, n_columns = int(group.attrs["MATLAB_sparse"]), len(group["jc"]) - 1
    if "data" not in group:  # no entry at all
        return sparse.csc_matrix((n_rows, n_columns))
    return sparse.csc_matrix(
        (np.asarray(group["data"]), np.asarray(group["ir"]), np.asarray(group["jc"])), shape=(n_rows, n_columns)
    )
