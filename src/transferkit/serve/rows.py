"""What a client sends, as rows that a model takes; every refusal says which row and column."""

from __future__ import annotations

import csv
import datetime
import io
import json
import math
import re
import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..core.errors import DataError, TransferError
from ..core.protocols import Array
from ..data.columns import kind_of
from ..data.kinds import KINDS
from ..data.readers import READERS, read
from ..data.rows import Ask
from .served import Served, length

__all__ = ["Refused", "edges_of", "rows_from_files", "rows_from_json", "sent_json"]

# Text only: what is packed may unpack to any size, and a damaged binary file may end the process.
TABLES = (".csv", ".tsv")
_MOST_PIXELS, _MOST_FRAMES = 50_000_000, 100_000_000  # of one image or sound, however small its file
_FURTHER_COLUMNS = 1000  # beside the model's own
_HINT = {
    "table": 'send {"rows": [{"column": value, ...}, ...]} or a CSV file',
    "numbers": 'send {"rows": [[number, ...], ...]} or a CSV file',
    "text": 'send {"rows": ["a text", ...]}',
    "images": "send image files",
    "audio": "send audio files",
    "series": 'send {"rows": [[[channel 1], [channel 2], ...], ...]}',
}

_EDGES = 'send {"rows": [node, ...], "edges": [[from, to], ...]}, with rows counted from 0'


class Refused(TransferError):
    """A request that cannot be answered.

    Parameters
    ----------
    message : str
        For the client.
    status : int
        HTTP's number for it.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def sent_json(body: bytes) -> Any:
    """What a body of JSON holds.

    Raises
    ------
    Refused
        If it is none.
    """
    try:
        sent = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as err:
        raise Refused(f"body: must be JSON. Got: {err}.") from err
    _check_characters(body, sent)
    return sent


def edges_of(sent: Any, n: int) -> Array:
    """Edges of ``{"rows": [...], "edges": [[from, to], ...]}``, of shape (2, n_edges), by number of row from 0.

    Raises
    ------
    Refused
        Naming the edge that cannot be used.
    """
    edges = sent.get("edges") if isinstance(sent, dict) else None
    if not isinstance(edges, list):
        raise Refused(f"edges: must be given beside the rows, which are nodes of a graph; {_EDGES}.")
    for k, edge in enumerate(edges, 1):
        if not (isinstance(edge, list) and len(edge) == 2 and all(type(end) is int and 0 <= end < n for end in edge)):
            raise Refused(f"edge {k}: must be two numbers of rows, from 0 to {n - 1}.")
    return np.asarray(edges, dtype=np.int64).reshape(-1, 2).T


def rows_from_json(sent: Any, served: Served, max_rows: int) -> Any:
    """Rows of ``{"rows": [...]}``, or of a list by itself.

    Raises
    ------
    Refused
        Naming the row and column that cannot be used.
    """
    rows = sent.get("rows") if isinstance(sent, dict) else sent
    if not isinstance(rows, list) or not rows:
        raise Refused(f"rows: must be a list of at least one row; {_EDGES if served.of_graph else _HINT[served.kind]}.")
    _check_number(len(rows), max_rows)
    if served.kind in ("images", "audio"):
        raise Refused(f"body: must be files for this model; {_HINT[served.kind]}.", 415)
    if served.kind == "text":
        for k, row in enumerate(rows, 1):
            if not isinstance(row, str):
                raise Refused(f"row {k}: must be a text. Got {_said(row)}.")
        return rows
    if served.kind == "series":
        try:
            series = np.asarray(rows, dtype=np.float32)
        except (TypeError, ValueError, OverflowError) as err:
            raise Refused(f"rows: must be series of one shape; {_HINT['series']}.") from err
        if not np.isfinite(series).all():
            raise Refused("rows: must be finite numbers of single precision.")
        return series
    columns = served.columns
    table = {name: [_cell(row, k, place, name, kind, columns) for k, row in enumerate(rows, 1)]
             for place, (name, kind) in enumerate(columns.items())}  # fmt: skip
    types: dict[str, Any] = {"number": pl.Float64, "bool": pl.Boolean, "text": pl.String, "date": pl.Datetime("us")}
    frame = pl.DataFrame([pl.Series(name, values, types[columns[name]]) for name, values in table.items()])
    return frame if served.kind == "table" else _complete(frame.to_numpy(), list(columns))


def _cell(row: Any, k: int, place: int, name: str, kind: str, columns: Sequence[str] | dict[str, str]) -> Any:
    """One value of a row that is an object by column, or a list in the columns' order."""
    if isinstance(row, dict):
        if name not in row:
            lacking = [c for c in columns if c not in row]
            raise Refused(
                f"row {k}: must have the columns of the model. Missing: {', '.join(map(repr, lacking[:10]))}."
            )
        value = row[name]
    elif isinstance(row, list):
        if len(row) != len(columns):
            raise Refused(f"row {k}: must have {len(columns)} values, in the columns' order. Got {len(row)}.")
        value = row[place]
    else:
        raise Refused(f"row {k}: must be an object by column, or a list of values. Got {_said(row)}.")
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if kind == "number" and isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            raise Refused(f"row {k}, column {name!r}: must be a number of double precision.") from None
    if kind == "bool" and (isinstance(value, bool) or value in (0, 1)):
        return bool(value)
    if kind == "text" and isinstance(value, str):
        return value
    if kind == "date" and isinstance(value, str):
        try:
            found = datetime.datetime.fromisoformat(value)
            return found if found.tzinfo is None else found.astimezone(datetime.UTC).replace(tzinfo=None)
        except (ValueError, OverflowError):  # the second: of the year 1 or 9999, beyond them in UTC
            raise Refused(
                f"row {k}, column {name!r}: must be a date such as 2024-05-31T12:00. Got {_said(value)}."
            ) from None
    noun = {"number": "a number", "bool": "true or false", "text": "a text", "date": "a date"}[kind]
    raise Refused(f"row {k}, column {name!r}: must be {noun}. Got {_said(value)}.")


@contextmanager
def rows_from_files(files: Sequence[tuple[str, bytes]], served: Served, max_rows: int) -> Iterator[Any]:
    """Rows of one table, or of files of the model's kind, while the files are there.

    Parameters
    ----------
    files : sequence of (name, content)
        Of the name only its last part is used, and only in messages and for its ending. A table is one file.
    served : Served
    max_rows : int

    Raises
    ------
    Refused
        If they cannot be read.
    """
    if served.of_graph:
        raise Refused(f"body: must be JSON for the nodes of a graph; {_EDGES}.", 415)
    if not files:
        raise Refused(f"files: must be at least one; {_HINT[served.kind]}.")
    is_table = served.kind in ("table", "numbers", "text")
    if is_table and len(files) > 1:
        raise Refused(f"files: must be one table in a request. Got {len(files)}.")
    with tempfile.TemporaryDirectory(prefix="transferkit-", ignore_cleanup_errors=True) as home:
        names = {}
        for k, (name, content) in enumerate(files):
            plain = re.sub(r"[^\w.-]+", "_", name.replace("\\", "/").rpartition("/")[2])[-80:] or "file"
            ending = re.search(r"\.[a-z]{1,9}$", plain.lower())  # nothing else of a name: a system may not take it
            path = Path(home) / f"{k:06d}{ending[0] if ending else ''}"
            path.write_bytes(content)
            names[str(path)] = plain
        try:
            rows = _read_table(next(iter(names)), served) if is_table else _read_samples(home, list(names), served)
            _check_number(length(rows), max_rows)
            yield rows
        except DataError as err:
            said = str(err)
            for file, plain in names.items():
                said = said.replace(file, plain)
            raise Refused(said.replace(home, "files")) from err


def _read_table(path: str, served: Served) -> Any:
    if not path.lower().endswith(TABLES):
        raise DataError(f"{path}: must be a table ({', '.join(TABLES)}); {_HINT[served.kind]}.")
    _check_width(path, len(served.columns))
    # The bare reader: a client's table may not name files of this machine, which `read` would open.
    reader = READERS[Path(path).suffix]
    if served.kind == "table":
        return reader(Path(path), Ask(columns=served.columns)).X
    if served.kind == "text":  # as typed: a text may look like a number
        first, last = (reader(Path(path), Ask(text=k)).X.to_series() for k in (0, -1))
        if first.name != last.name:
            raise DataError(f"{path}: must have one column, of texts. Got {first.name!r} to {last.name!r}.")
        return first.fill_null("").to_list()
    found, names = reader(Path(path), Ask()).X, list(served.columns)
    lacking = [c for c in names if c not in found.columns]
    if not lacking:
        found = found.select(names)
    elif found.width != len(names):
        raise DataError(f"{path}: must have {len(names)} columns. Got {found.width}.")
    elif len(lacking) < len(names):  # in the model's order only where all names are other ones
        raise DataError(f"{path}: must have the columns of the model. Missing: {', '.join(map(repr, lacking[:10]))}.")
    bad = [c for c in found.columns if kind_of(found[c].dtype) not in ("number", "bool", "empty")]
    if bad:
        raise DataError(f"{path}: column {bad[0]!r} must hold numbers. Got {found[bad[0]].dtype}.")
    return _complete(found.cast(pl.Float64).to_numpy(), found.columns)


def _complete(rows: Array, columns: Sequence[str]) -> Array:
    """Rows without a missing value, which an array's model cannot fill."""
    places = np.argwhere(np.isnan(rows))
    if len(places):
        k, place = places[0]
        raise Refused(f"row {k + 1}, column {columns[place]!r}: must be a number. Got a missing value.")
    return rows


def _read_samples(home: str, paths: list[str], served: Served) -> Any:
    kind = KINDS[served.kind]
    for path in paths:
        if not kind.has(path):
            raise DataError(f"{path}: must be one of the {kind.noun} ({', '.join(kind.suffixes)}).")
        _check_size(path, served.kind)
    return read(home, kind=served.kind, strict=True).X


def _check_width(path: str, wanted: int) -> None:
    """Refuse a header of very many columns, for which a reader takes minutes."""
    head, most = Path(path).read_bytes()[: 2**20].decode(errors="ignore").lstrip(), wanted + _FURTHER_COLUMNS
    for mark in ",;\t|":
        with suppress(csv.Error):  # which the reader tells
            if len(next(csv.reader(io.StringIO(head, newline=None), delimiter=mark), ())) > most:
                raise DataError(f"{path}: must have at most {most} columns. Got more.")


def _check_size(path: str, kind: str) -> None:
    """Refuse a small file that becomes a huge image or sound; what cannot be opened is for the reader to say."""
    if kind == "images":
        from PIL import Image

        try:
            with Image.open(path) as image:
                size, most, noun = image.width * image.height, _MOST_PIXELS, "pixels"
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise DataError(f"{path}: must have at most {_MOST_PIXELS} pixels.") from None
        except (OSError, ValueError, SyntaxError, LookupError, TypeError, RuntimeError, struct.error):
            return
    elif kind == "audio":
        try:
            import soundfile

            with soundfile.SoundFile(path) as sound:
                size, most, noun = sound.frames * sound.channels, _MOST_FRAMES, "frames of all channels"
        except (ImportError, OSError, ValueError, RuntimeError):
            return
    else:
        return
    if size > most:
        raise DataError(f"{path}: must have at most {most} {noun}. Got {size}.")


def _check_characters(body: bytes, sent: Any) -> None:
    """Refuse halves of surrogate pairs, which JSON can spell and no text can hold."""
    if b"\\u" in body:
        try:
            json.dumps(sent, ensure_ascii=False).encode()
        except UnicodeEncodeError as err:
            raise Refused(f"body: must be text of whole characters. Got {err.object[err.start]!a}.") from err
        except RecursionError as err:
            raise Refused("body: must be JSON that is less deep.") from err


def _check_number(n: int, most: int) -> None:
    if n > most:
        raise Refused(f"rows: must be at most {most} in one request. Got {n}.", 413)


def _said(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
