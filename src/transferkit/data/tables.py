"""Tables from files: delimited text, Parquet, Arrow and Feather, Excel, JSON lines."""

from __future__ import annotations

import codecs
import csv
import io
import re
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..core.errors import DataError
from .columns import check_names, label_of, tidy
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
# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip


def table_part(frame: pl.DataFrame, origin: str, ask: Ask, raw: pl.DataFrame | None = None) -> Part:
    """Split a tidy frame into features, labels and domain names; `raw` is the same as text, where names are as typed."""
    if not frame.height:
        raise DataError(f"{origin}: the table must have rows. Got none.")
    groups, y, known, taken = None, None, None, []
    if ask.domain_column is not None:
        column = find_name(frame.columns, ask.domain_column, origin, "domain_column", required=True)
        assert column is not None
        if frame[column].null_count():
            row = frame[column].is_null().arg_max()
            raise DataError(f"{origin}: domain_column {column!r} must be filled in every row. Row {row + 1} is empty.")
        typed = frame[column].cast(pl.String) if raw is None else raw[column].str.strip_chars()
        groups = np.array(typed.to_list(), dtype=object)
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
    return table_part(tidy(raw, origin, text=True), origin, ask, raw)


def read_headerless(path: Path, ask: Ask) -> Part:
    """Delimited or blank-separated text without a header line; the columns are column_1, column_2, ..."""
    origin, data = str(path), _text(path)
    delimiter = _delimiter(_head(data))
    if delimiter is None:
        delimiter, data = "\t", re.sub(rb"(?m)^\t|\t\r?$", b"", re.sub(rb"[ \t]+", b"\t", data))
    width = len(next(csv.reader(io.StringIO(_head(data), newline=None), delimiter=delimiter)))
    names = [f"column_{i}" for i in range(1, width + 1)]
    return table_part(tidy(_columns(data, delimiter, names, origin, skip=0), origin, text=True), origin, ask)


def _text(path: Path) -> bytes:
    """The content in UTF-8, without blank lines in front, ending in a new line."""
    content = payload(path)
    with reading(str(path), "text"):
        raw = content.getvalue() if isinstance(content, io.BytesIO) else path.read_bytes()
    data = _to_utf8(raw, str(path)).lstrip(b"\r\n")
    if not data.strip():
        raise DataError(f"{path}: the file must have content. It is empty.")
    return data if data.endswith((b"\n", b"\r")) else data + b"\n"


def _to_utf8(raw: bytes, origin: str) -> bytes:
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        encoding = _guess_encoding(raw, origin)
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError as err:
            raise DataError(
                f"{origin}: the text must be in one encoding; save it as UTF-8. Got {encoding} up to byte {err.start}."
            ) from err
    if "\0" in text:
        # Plain ASCII in UTF-16 without a mark is also valid UTF-8, with a zero in every second byte.
        text = raw.decode(_guess_encoding(raw, origin), errors="replace")
    if "\0" in text:
        raise DataError(f"{origin}: the file must be text. It holds zero bytes.")
    return raw if encoding == "utf-8" and b"\0" not in raw else text.encode()


def _guess_encoding(raw: bytes, origin: str) -> str:
    from charset_normalizer import from_bytes

    # The encodings that tables come in, first: on a few bytes a free choice among all of them goes wrong.
    common = ["gb18030", "cp1252", "latin_1", "utf_16_le", "utf_16_be"]
    best = from_bytes(raw[: 1 << 18], cp_isolation=common).best() or from_bytes(raw[: 1 << 18]).best()
    if best is None:
        raise DataError(f"{origin}: the text must be in a known encoding; save it as UTF-8. No encoding fits.")
    return best.encoding


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
    return table_part(tidy(_frame(table, origin, "Parquet"), origin, text=False), origin, ask)


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
    return table_part(tidy(_frame(table, origin, "Arrow or Feather"), origin, text=False), origin, ask)


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
    return table_part(tidy(frame, origin, text=True), origin, ask)


def read_json_lines(path: Path, ask: Ask) -> Part:
    """One JSON object a line; a key that a line lacks is a missing value."""
    with reading(str(path), "JSON lines", pl.exceptions.PolarsError):
        frame = pl.read_ndjson(payload(path), infer_schema_length=None)
    return table_part(tidy(frame, str(path), text=True), str(path), ask)
