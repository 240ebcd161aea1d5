"""Parquet files that are larger than the memory: their rows as chunks, and predictions written in chunks."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..core.chunks import Chunks
from ..core.errors import DataError, DomainError
from ..core.files import atomic_file
from ..core.protocols import Array, Domain
from .columns import are_dates, kind_of, label_of, tidy
from .rows import find_name, reading

__all__ = ["ParquetChunks", "parquet_frames", "write_parquet_chunks"]

_BUFFER = 1 << 18  # bytes read ahead of each column


class ParquetChunks(Chunks):
    """The rows of Parquet files, read a record batch at a time; a part is one row group.

    Parameters
    ----------
    source : path, or sequence of paths
        A file; a folder, of which all ``*.parquet`` files below count, in the order of their names; or a list of files.
    label : str, optional
        The column of labels, which is no feature.
    columns : sequence of str, optional
        The features, numbers or booleans; None is every column but `label`.
    chunk_rows : int in [1, inf), default=65536
        Most rows in memory at a time. A row group is read and decoded batch by batch, so it may be larger.

    Attributes
    ----------
    files : list of Path
    columns : list of str
        Names of the features, in the order of the arrays.
    names : list of str
        All columns of the first file.
    label : str or None
    shape, dtype, starts
        See `Chunks`; float32 where all features are such, else float64.

    Raises
    ------
    DataError
        Naming the file or column that cannot be used; of a missing or infinite value, when it is read.

    Examples
    --------
    >>> import tempfile
    >>> import polars as pl
    >>> from transferkit.data.chunks import ParquetChunks
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for k in range(2):
    ...         pl.DataFrame({"a": [1.0, 2.0], "b": [k, k], "y": ["no", "yes"]}).write_parquet(f"{folder}/{k}.parquet")
    ...     chunks = ParquetChunks(folder, label="y")
    ...     domain = chunks.domain()
    ...     rows = list(chunks)
    >>> chunks.shape, chunks.columns, domain.y.tolist()
    ((4, 2), ['a', 'b'], ['no', 'yes', 'no', 'yes'])
    >>> rows[1].tolist()
    [[1.0, 1.0], [2.0, 1.0]]
    """

    def __init__(
        self,
        source: Any,
        *,
        label: str | None = None,
        columns: Sequence[str] | None = None,
        chunk_rows: int = 65_536,
    ) -> None:
        if isinstance(chunk_rows, bool) or not isinstance(chunk_rows, int) or chunk_rows < 1:
            raise DataError(f"ParquetChunks: chunk_rows must be a whole number of at least 1. Got {chunk_rows!r}.")
        self.files, self.chunk_rows = _files(source), chunk_rows
        origin = str(self.files[0])
        first = _schema(self.files[0])
        self.names: list[str] = list(first.names)
        self.label = None if label is None else find_name(first.names, label, origin, "label", required=True)
        if columns is None:
            self.columns = [name for name in first.names if name != self.label]
        else:
            found = (find_name(first.names, name, origin, "columns", required=True) for name in columns)
            self.columns = [name for name in found if name is not None]
        if not self.columns:
            raise DataError(f"{origin}: the table must have a feature column. Got only {first.names}.")
        if self.label in self.columns or len(set(self.columns)) < len(self.columns):
            raise DataError(f"{origin}: columns must name features, each once, and not the label. Got {self.columns}.")
        sizes, self._places, single = [], [], True
        for path in self.files:
            single &= self._check_columns(path)
            for group, n in enumerate(_group_sizes(path)):
                if n:
                    sizes.append(n)
                    self._places.append((path, group))
        if not sizes:
            raise DataError(f"{origin}: the table must have rows. Got none.")
        super().__init__(sizes, len(self.columns), np.float32 if single else np.float64)

    def _check_columns(self, path: Path) -> bool:
        """Whether all features of a file are float32; an error where one is missing or is no number."""
        from pyarrow import types

        schema = _schema(path)
        for name in [*self.columns, *([] if self.label is None else [self.label])]:
            find_name(schema.names, name, str(path), "columns", required=True)
        kinds = [schema.field(name).type for name in self.columns]
        for name, kind in zip(self.columns, kinds):
            if not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)):
                raise DataError(
                    f"{path}: column {name!r} must hold numbers to be read in chunks. Got {kind}; choose columns."
                )
        return all(types.is_float32(kind) for kind in kinds)

    def read(self, part: int) -> Iterator[Array]:
        import pyarrow as pa

        path, group = self._places[part]
        at = int(self.starts[part])
        with reading(str(path), "Parquet", pa.ArrowException), _opened(path) as file:
            batches = file.iter_batches(self.chunk_rows, row_groups=[group], columns=self.columns, use_threads=False)
            for batch in batches:
                yield self._numbers(batch, path, at)
                at += batch.num_rows

    def only(self, part: int) -> tuple[Chunks, int]:
        alone = copy(self)
        alone._places, alone.starts = [self._places[part]], self.starts[part : part + 2]
        return alone, 0

    def _numbers(self, batch: Any, path: Path, at: int) -> Array:
        X = np.empty((batch.num_rows, len(self.columns)), dtype=self.dtype)
        for j, name in enumerate(self.columns):
            column = batch.column(name)
            # Missing truth values have no number in numpy; those of numbers become NaN.
            column = column.cast("uint8") if str(column.type) == "bool" else column
            X[:, j] = column.to_numpy(zero_copy_only=False)
        if not np.isfinite(X).all():
            row, j = np.argwhere(~np.isfinite(X))[0]
            raise DataError(
                f"{path}: column {self.columns[j]!r} must be filled with finite numbers to be read in chunks."
                f" Row {at + row + 1} of all is not."
            )
        return X

    def domain(self, name: str | None = None) -> Domain:
        """These rows with their labels, which are read into memory; a row without a label is not `known`.

        Raises
        ------
        DomainError
            If no label column was named.
        """
        if self.label is None:
            raise DomainError("ParquetChunks.domain: label must name the column of labels. Got None.")
        import pyarrow as pa

        parts = []
        for path in self.files:
            with reading(str(path), "Parquet", pa.ArrowException), _opened(path) as file:
                frame = pl.DataFrame(pl.from_arrow(file.read(columns=[self.label])))
            texts = [name for name, dtype in frame.schema.items() if kind_of(dtype) == "text"]
            parts.append(frame.cast(dict.fromkeys(texts, pl.String)))
        with reading(str(self.files[0].parent), "labels of one type", pl.exceptions.PolarsError):
            labels = pl.concat(parts, how="vertical_relaxed")
        y, known = label_of(tidy(labels, str(self.files[0]), text=False)[self.label], str(self.files[0]))
        if y is not None and y.dtype == object:
            y = y.astype(str)  # a third of the memory
        return Domain(self, y, known, name=name or self.files[0].parent.name)


def parquet_frames(
    source: Any, chunk_rows: int = 65_536, columns: Mapping[str, str] | None = None
) -> Iterator[pl.DataFrame]:
    """Tidy frames of at most so many rows, of all columns of a Parquet file, folder of such or list of files.

    `columns` are those of a model, as for `read`. Without them, whether texts are dates is found out in a pass over all
    rows first, so that every frame tells them the same.

    Raises
    ------
    DataError
        Naming the file that cannot be read.
    """
    kinds = _kinds_of_texts(source, chunk_rows) if columns is None else columns
    for path, at, frame in _batches(source, chunk_rows, columns):
        origin = f"{path}, the rows after {at}" if at else str(path)
        yield tidy(frame, origin, text=False, kinds=kinds)


def _batches(source: Any, chunk_rows: int, wanted: Container[str] | None) -> Iterator[tuple[Path, int, pl.DataFrame]]:
    """File, rows before, and frame as it is stored; of all columns where none of the wanted ones is there."""
    import pyarrow as pa

    for path in _files(source):
        with reading(str(path), "Parquet", pa.ArrowException), _opened(path) as file:
            names, at = [n for n in file.schema_arrow.names if wanted is None or n in wanted], 0
            for batch in file.iter_batches(chunk_rows, columns=names or None, use_threads=False):
                yield path, at, pl.DataFrame(pl.from_arrow(batch))
                at += batch.num_rows


def _kinds_of_texts(source: Any, chunk_rows: int) -> dict[str, str]:
    """Columns of texts, "date" where all of them in all files are dates."""
    empty = [pl.DataFrame(pl.from_arrow(_schema(path).empty_table())) for path in _files(source)]
    texts = {name for frame in empty for name, dtype in frame.schema.items() if kind_of(dtype) == "text"}
    kinds: dict[str, str] = {}
    for _, _, frame in _batches(source, chunk_rows, texts) if texts else ():
        for column in frame:
            if kind_of(column.dtype) == "text" and column.null_count() < len(column):
                here = "date" if are_dates(column.cast(pl.String)) else "text"
                kinds[column.name] = here if kinds.get(column.name, here) == here else "text"
    return kinds


def _opened(path: Path) -> Any:
    """A file whose batches are read as they are asked for; pyarrow's defaults hold a whole row group from the start."""
    from pyarrow import parquet

    return parquet.ParquetFile(path, page_checksum_verification=True, pre_buffer=False, buffer_size=_BUFFER)


def _files(source: Any) -> list[Path]:
    paths = [Path(source)] if isinstance(source, (str, os.PathLike)) else [Path(p) for p in source]
    found = [p for path in paths for p in (sorted(path.rglob("*.parquet")) if path.is_dir() else [path])]
    # Absolute: a worker elsewhere may stand in another folder.
    found = [p.absolute() for p in found if not p.name.startswith(".")]
    if not found:
        raise DataError(f"{source}: must hold Parquet files (*.parquet). Got none.")
    for path in found:
        if not path.is_file():
            raise DataError(f"{path}: must be a Parquet file or a folder of such. Got no such file.")
    return found


def _schema(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    with reading(str(path), "Parquet", pa.ArrowException):
        return parquet.read_schema(path)


def _group_sizes(path: Path) -> list[int]:
    import pyarrow as pa
    from pyarrow import parquet

    with reading(str(path), "Parquet", pa.ArrowException):
        about = parquet.read_metadata(path)
        return [about.row_group(k).num_rows for k in range(about.num_row_groups)]


def write_parquet_chunks(path: Path | str, pieces: Iterable[Mapping[str, Array]]) -> int:
    """Write one Parquet file from pieces with the same columns, each a row group; the number of rows.

    The file is there once it is whole.

    Raises
    ------
    DataError
        If it cannot be written, or there is no piece.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import polars as pl
    >>> from transferkit.data.chunks import write_parquet_chunks
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     n = write_parquet_chunks(f"{folder}/out.parquet", ({"a": np.arange(3) + k} for k in (0, 3)))
    ...     (n, pl.read_parquet(f"{folder}/out.parquet")["a"].to_list())
    (6, [0, 1, 2, 3, 4, 5])
    """
    import pyarrow as pa
    from pyarrow import parquet

    writer, n = None, 0
    with atomic_file(path) as file:
        try:
            for piece in pieces:
                table = pa.table({name: pa.array(values) for name, values in piece.items()})
                if writer is None:
                    # A dictionary of numbers that hardly repeat costs time and saves nothing.
                    texts = [f.name for f in table.schema if not pa.types.is_floating(f.type)]
                    writer = parquet.ParquetWriter(file, table.schema, use_dictionary=texts)
                writer.write_table(table.cast(writer.schema))
                n += table.num_rows
        finally:
            if writer is not None:
                writer.close()
        if writer is None:
            raise DataError(f"{path}: there must be rows to write. Got none.")
    return n
