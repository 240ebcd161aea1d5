"""Series of sensors as samples: windows of fixed length, with one or more channels."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import tempfile
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import Self

import numpy as np

from ..core.errors import DataError
from ..core.protocols import Array
from .encodings import to_utf8
from .places import Place, name_of, read_bytes
from .rows import Ask, reading
from .samples import Samples
from .tables import read_delimited, read_headerless

__all__ = ["RECORDING_SUFFIXES", "SeriesSamples", "check_window", "read_recording", "windows"]

RECORDING_SUFFIXES = (".npy", ".csv", ".tsv", ".csv.gz", ".tsv.gz")


class SeriesSamples(Samples):
    """Series of fixed length, in memory as float32.

    A sample is an array of shape (n_channels, length); what is given out is a copy.

    Parameters
    ----------
    items : sequence of float array of shape (n_channels, length)
        Equal in shape. Windows of one recording are views of it and take no memory of their own.
    splits, groups : sequence of str, optional
        As for `Samples`; windows of one recording are one group.

    Raises
    ------
    DataError
        If the shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit.data.series import SeriesSamples
    >>> X = np.arange(24.0).reshape(2, 12)
    >>> SeriesSamples.from_array(X)[0].shape
    (1, 12)
    >>> cut = SeriesSamples.from_array(X, window=6, hop=3)
    >>> len(cut), cut[1], cut.groups.tolist()
    (6, array([[3., 4., 5., 6., 7., 8.]], dtype=float32), ['row 0', 'row 0', 'row 0', 'row 1', 'row 1', 'row 1'])
    """

    kind = "series"

    def __init__(
        self, items: Sequence[Array], *, splits: Sequence[str] | None = None, groups: Sequence[str] | None = None
    ) -> None:
        super().__init__(items, splits=splits, groups=groups)
        shapes = list(dict.fromkeys(np.shape(item) for item in self.items))
        if len(shapes) > 1 or any(len(shape) != 2 for shape in shapes):
            raise DataError(
                f"SeriesSamples: items must have one shape (n_channels, length). Got {', '.join(map(str, shapes[:3]))}. "
                "Recordings of different length are cut with window=."
            )

    @classmethod
    def from_array(cls, X: Array, *, window: int | None = None, hop: int | None = None) -> Self:
        """Series in memory.

        Parameters
        ----------
        X : array of numbers of shape (n, length) or (n, n_channels, length)
            The series; float32 ones are not copied.
        window, hop : int, optional
            As for `windows`: every row is cut, and its windows are one group.

        Raises
        ------
        DataError
            For another shape or dtype, or values that are missing or infinite.
        """
        X = np.asarray(X)
        if X.ndim not in (2, 3) or 0 in X.shape or X.dtype.kind not in "buif":
            raise DataError(
                "SeriesSamples.from_array: X must be an array of numbers of shape (n, length) or (n, n_channels, length). "
                f"Got {X.dtype}, shape {X.shape}."
            )
        rows = [_finite(row, f"row {i}") for i, row in enumerate(X)]
        if window is None and hop is None:
            return cls(rows)
        parts = [windows(row, window, hop, f"row {i}") for i, row in enumerate(rows)]
        return cls(
            [w for part in parts for w in part], groups=[f"row {i}" for i, part in enumerate(parts) for _ in part]
        )

    def digest(self, index: int) -> str:
        """SHA-256 of shape and values."""
        item = self._decode(self.items[index])
        return hashlib.sha256(str(item.shape).encode() + item.tobytes()).hexdigest()

    def _decode(self, item: Array) -> Array:
        return np.array(item, dtype=np.float32)


def windows(recording: Array, window: int | None, hop: int | None, origin: str = "recording") -> list[Array]:
    """Cut a recording into windows; what is left at its end is not used.

    Parameters
    ----------
    recording : array of shape (n_channels, length)
    window : int, optional
        Length of a window; None is one window of the whole recording.
    hop : int, optional
        From the start of one window to that of the next; None is `window`: they do not overlap.
    origin : str
        What messages call the recording.

    Returns
    -------
    cut : list of array of shape (n_channels, window)
        Views of `recording`.

    Raises
    ------
    DataError
        If window or hop is no positive number, or the recording is shorter than a window.
    """
    check_window(window, hop, "windows")
    if window is None:
        return [recording]
    hop = window if hop is None else hop
    if recording.shape[1] < window:
        raise DataError(f"{origin}: the recording must be as long as a window ({window}). Got shape {recording.shape}.")
    return [recording[:, start : start + window] for start in range(0, recording.shape[1] - window + 1, hop)]


def check_window(window: int | None, hop: int | None, where: str) -> None:
    """Refuse a window or hop that is no length."""
    if window is None and hop is not None:
        raise DataError(f"{where}: window must be given with hop. Got hop={hop}.")
    for name, value in (("window", window), ("hop", hop)):
        if value is not None and not (isinstance(value, Integral) and value >= 1):
            raise DataError(f"{where}: {name} must be a whole number of at least 1. Got {value!r}.")


def read_recording(place: Place) -> Array:
    """One recording of shape (n_channels, length), float32.

    A table has one column a channel and one row a moment, with a header line or without; columns of dates are left out.
    A numpy file holds an array of shape (length,) or (n_channels, length).

    Raises
    ------
    DataError
        Naming the file: if it cannot be read, holds text, or values that are missing or infinite.
    """
    name = name_of(place)
    if name.lower().endswith(".npy"):
        with reading(name, "a numpy array"):
            values = np.load(io.BytesIO(read_bytes(place)), allow_pickle=False)
    else:
        values = _table(place, name)
    if values.ndim not in (1, 2) or not values.size or values.dtype.kind not in "buif":
        raise DataError(
            f"{name}: a recording must be numbers, (n_channels, length). Got {values.dtype}, {values.shape}."
        )
    return _finite(values, name)


def _finite(values: Array, origin: str) -> Array:
    values = np.atleast_2d(np.asarray(values, dtype=np.float32))
    if not np.isfinite(values).all():
        raise DataError(
            f"{origin}: values must be finite and none may be missing. Got {int((~np.isfinite(values)).sum())} others."
        )
    return values


def _table(place: Place, name: str) -> Array:
    """Columns as rows of an array."""
    import polars as pl

    if isinstance(place, tuple):  # the readers of tables take files
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / os.path.basename(place[1])
            copy.write_bytes(read_bytes(place))
            try:
                return _table(str(copy), name)
            except DataError as err:
                raise DataError(str(err).replace(str(copy), name)) from err
    path = Path(place)
    raw = read_bytes(place)
    with reading(name, "gzip"):
        content = gzip.decompress(raw) if name.lower().endswith(".gz") else raw
    first = to_utf8(content, name).strip().partition(b"\n")[0].decode()
    headed = not all(map(_is_number, re.split(r"[,;\t]", first)))
    frame = (read_delimited if headed else read_headerless)(path, Ask()).X
    text = [c.name for c in frame if c.dtype == pl.String]
    if text:
        raise DataError(
            f"{name}: the columns of a recording must hold numbers. Got text in {', '.join(map(repr, text[:5]))}."
        )
    frame = frame.drop([c.name for c in frame if c.dtype in (pl.Date, pl.Datetime)])
    return np.ascontiguousarray(frame.cast(pl.Float32).to_numpy().T)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
