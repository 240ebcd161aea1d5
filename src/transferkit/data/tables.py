"""Tables from files: delimited text, Parquet, Arrow and Feather, Excel, JSON lines."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..core.errors import DataError
from .columns import as_typed, check_names, kind_of, label_of, tidy
from .encodings import to_utf8
from .rows import Ask, Part, find_name, first_line, payload, reading

__all__ = [
    "read_arrow",
    "read_delimited",
    "read_excel",
    "read_headerless",
    "read_json_lines",
    "read_parquet",
    "table_part",
]

_DELIMITERS = (",", ";", "\t", "|")
_HEAD = 1 << 22  # bytes that hold the header and tell the delimiter


def table_part(raw: pl.DataFrame, origin: str, ask: Ask, *, text: bool) -> Part:
    """Split a frame into features, labels and domain names; `text` is as for `tidy`.

    Where a column of texts or of paths is asked for, X is that column as it is typed (and the column "split", where
    there is one), and what the other columns hold does not matter.
    """
    if not raw.height and not ask.empty:
        raise DataError(f"{origin}: the table must have rows. Got none.")
    column = ask.text if ask.text is not None else ask.path
    if column is None:
        wanted = [c for c in raw.columns if c in (ask.columns or {})]
        raw = raw.select(wanted) if wanted else raw  # a model says itself that it lacks all
        part = _split_columns(tidy(raw, origin, text=text, kinds=ask.columns), raw, origin, ask, text=text)
        found = [
            s.name for s in part.X if kind_of(s.dtype) in ("bool", "date") and kind_of(raw[s.name].dtype) == "text"
        ]
        typed = tidy(raw.select(found), origin, text=text, kinds=dict.fromkeys(found, "text"))
        return replace(part, typed={s.name: s for s in typed})
    name = find_name(raw.columns, column, origin, "path" if ask.text is None else "text", required=True)
    assert name is not None
    if kind_of(raw[name].dtype) not in ("text", "number", "empty"):
        raise DataError(f"{origin}: column {name!r} must hold texts. Got {raw[name].dtype}.")
    label = (
        None if ask.label is None else find_name(raw.columns, ask.label, origin, "label", required=ask.require_label)
    )
    domain = ask.domain_column and find_name(raw.columns, ask.domain_column, origin, "domain_column", required=True)
    if name in (label, domain):
        raise DataError(
            f"{origin}: the column of {'paths' if ask.text is None else 'texts'} must be no label. Got {name!r}."
        )
    beside = [c for c in dict.fromkeys((label, domain, "split")) if c in raw.columns and c != name]
    texts = raw[name].cast(pl.String)
    frame = pl.DataFrame([as_typed(texts) if text else texts, *tidy(raw.select(beside), origin, text=text)])
    return _split_columns(frame, raw, origin, replace(ask, label=label, domain_column=domain), text=text)


def _split_columns(frame: pl.DataFrame, raw: pl.DataFrame, origin: str, ask: Ask, *, text: bool) -> Part:
    groups, y, known, taken = None, None, None, []
    if ask.domain_column is not None:
        column = find_name(frame.columns, ask.domain_column, origin, "domain_column", required=True)
        assert column is not None
        if frame[column].null_count():
            row = frame[column].is_null().arg_max()
            raise DataError(f"{origin}: domain_column {column!r} must be filled in every row. Row {row + 1} is empty.")
        typed = raw[column].cast(pl.String).str.strip_chars()  # where names are as typed
        groups = np.array((as_typed(typed) if text else typed).to_list(), dtype=object)
        taken.append(column)
    if ask.label is not None:
        column = find_name(frame.columns, ask.label, origin, "label", required=ask.require_label)
        if column is not None:
            y, known = label_of(frame[column], origin)
            taken.append(column)
    X = frame.drop(taken)
    if not X.width:
        raise DataError(f"{origin}: the table must have a feature column. Got only {', '.join(map(repr, taken))}.")
    return Part(X, y, known, groups, origin)


def read_delimited(path: Path, ask: Ask) -> Part:
    """CSV or TSV with a header line; delimiter and encoding are told from the content."""
    origin, data = str(path), _text(path)
    head = _head(data)
    delimiter = "\t" if ".tsv" in path.name.lower() else _delimiter(head) or ","
    with reading(origin, "a delimited table", csv.Error):
        header = next(csv.reader(io.StringIO(head, newline=None), delimiter=delimiter))
    names = [name.strip() or f"column_{i}" for i, name in enumerate(header, start=1)]
    check_names(names, origin)
    raw = _columns(data, delimiter, names, origin, skip=1)
    return table_part(raw, origin, ask, text=True)


def read_headerless(path: Path, ask: Ask) -> Part:
    """Delimited or blank-separated text without a header line; the columns are column_1, column_2, ..."""
    origin, data = str(path), _text(path)
    delimiter = _delimiter(_head(data))
    if delimiter is None:
        delimiter, data = "\t", re.sub(rb"(?m)^\t|\t\r?$", b"", re.sub(rb"[ \t]+", b"\t", data))
    width = len(next(csv.reader(io.StringIO(_head(data), newline=None), delimiter=delimiter)))
    names = [f"column_{i}" for i in range(1, width + 1)]
    return table_part(_columns(data, delimiter, names, origin, skip=0), origin, ask, text=True)


def _text(path: Path) -> bytes:
    """The content in UTF-8, without blank lines in front, ending in a new line."""
    content = payload(path)
    with reading(str(path), "text"):
        raw = content.getvalue() if isinstance(content, io.BytesIO) else path.read_bytes()
    data = to_utf8(raw, str(path)).lstrip(b"\r\n")
    if not data.strip():
        raise DataError(f"{path}: the file must have content. It is empty.")
    return data if data.endswith((b"\n", b"\r")) else data + b"\n"


def _head(data: bytes) -> str:
    return data[:_HEAD].decode(errors="ignore")


def _delimiter(head: str) -> str | None:
    """The delimiter that splits the first lines into equally many fields; else the commonest of the first line."""
    best, most = None, (False, 1)
    for delimiter in _DELIMITERS:
        try:
            widths = [len(r) for r in islice(csv.reader(io.StringIO(head, newline=None), delimiter=delimiter), 20) if r]
        except csv.Error:
            continue
        even = len(set(widths[:-1] if len(widths) > 1 else widths)) == 1
        if widths[0] > 1 and (even, widths[0]) > most:
            best, most = delimiter, (even, widths[0])
    return best


def _columns(data: bytes, delimiter: str, names: list[str], origin: str, skip: int) -> pl.DataFrame:
    """Every column as strings."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    ragged: list[str] = []

    def note(row: arrow_csv.InvalidRow) -> str:
        ragged.append(f"{row.actual_columns} instead of {row.expected_columns} fields in the row {row.text[:80]!r}")
        return "error"

    short = [f"{i}" for i in range(len(names))]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(data),
            read_options=arrow_csv.ReadOptions(column_names=short, skip_rows_after_names=skip, block_size=1 << 24),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=b'"' in data, invalid_row_handler=note
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(short, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowException as err:
        raise DataError(
            f"{origin}: every row must have {len(names)} fields like the first. Got {ragged[0] if ragged else first_line(err)}."
        ) from err
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame.rename(dict(zip(short, names)))


def read_parquet(path: Path, ask: Ask) -> Part:
    """Parquet."""
    import pyarrow as pa
    from pyarrow import parquet

    origin = str(path)
    # Arrow's reader: a damaged page makes that of polars end the whole process.
    with (
        reading(origin, "Parquet", pa.ArrowException),
        parquet.ParquetFile(payload(path), page_checksum_verification=True) as file,
    ):
        table = file.read()
    return table_part(_frame(table, origin, "Parquet"), origin, ask, text=False)


def read_arrow(path: Path, ask: Ask) -> Part:
    """Arrow IPC (file or stream) and Feather version 2."""
    import pyarrow as pa

    origin, content = str(path), payload(path)
    with reading(origin, "Arrow or Feather", pa.ArrowException):
        buffer = pa.py_buffer(content.getvalue() if isinstance(content, io.BytesIO) else path.read_bytes())
        mark = bytes(buffer[:6])
        if mark.startswith(b"FEA1"):
            raise DataError(f"{origin}: the file must be Feather version 2. Got version 1, which Arrow has given up.")
        table = (pa.ipc.open_file if mark == b"ARROW1" else pa.ipc.open_stream)(buffer).read_all()
    return table_part(_frame(table, origin, "Arrow or Feather"), origin, ask, text=False)


def _frame(table: Any, origin: str, kind: str) -> pl.DataFrame:
    """The polars frame of an Arrow table, once its buffers are known to be sound: a bad offset would crash the process."""
    import pyarrow as pa

    with reading(origin, kind, pa.ArrowException, pl.exceptions.PolarsError):
        table.validate(full=True)
        names = [name.encode().decode() for name in table.column_names]
        check_names(names, origin)
        # Column by column: polars panics over metadata that are not UTF-8.
        return pl.DataFrame([pl.Series(name, pl.from_arrow(column)) for name, column in zip(names, table.columns)])


def read_excel(path: Path, ask: Ask) -> Part:
    """The first sheet of an Excel or OpenDocument workbook, with a header line."""
    import fastexcel

    origin = str(path)
    with reading(origin, "Excel", fastexcel.FastExcelError, pl.exceptions.PolarsError):
        book = fastexcel.read_excel(str(path))
        header = book.load_sheet(0, header_row=None, n_rows=1, dtypes="string").to_polars()
        if not header.height:
            raise DataError(f"{origin}: the first sheet must have content. It is empty.")
        names = [str(n or "").strip() or f"column_{i}" for i, n in enumerate(header.row(0), start=1)]
        check_names(names, origin)
        frame = book.load_sheet(0, header_row=0, schema_sample_rows=None).to_polars()
        frame.columns = names
    # Excel knows no whole numbers: a column that holds only such was meant so.
    whole = [c.name for c in frame if c.dtype == pl.Float64 and (c == c.round()).all()]
    frame = frame.with_columns(pl.col(whole).cast(pl.Int64, strict=False))
    return table_part(frame, origin, ask, text=True)


def read_json_lines(path: Path, ask: Ask) -> Part:
    """One JSON object a line; a key that a line lacks is a missing value."""
    with reading(str(path), "JSON lines", pl.exceptions.PolarsError):
        frame = pl.read_ndjson(payload(path), infer_schema_length=None)
    return table_part(frame, str(path), ask, text=True)
