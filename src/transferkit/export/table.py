"""The table encoder as nodes: missing values, scaling, levels and parts of dates, inside the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from ..core.errors import DataError
from ..core.protocols import Array
from ..data.columns import kind_of, tidy, to_frame
from ..data.encode import TableEncoder
from .graph import Graph

__all__ = ["columns_of_inputs", "encode_table", "feeds_of_table", "inputs_of_table", "made_up_table"]

_DAY = 86_400.0
_HUGE = 1e100


def inputs_of_table(encoder: TableEncoder) -> dict[str, dict[str, Any]]:
    """What a graph takes of a table: one matrix of numbers, one of texts, with the columns of each.

    Columns of numbers, booleans (0 and 1) and dates (seconds since 1970) are one input, ``numbers``, with NaN for what is
    missing; columns of text are another, ``texts``, with an empty text for it. ``usual`` holds mean and deviation of each
    number in the source, ``levels`` the texts that were met, ``order`` where a column stood in the table, ``width`` of how many.
    """
    kinds = ["number"] * encoder.n_features_in_ if encoder.sparse_ else encoder.kinds_
    columns = [(c, k) for c, k in zip(encoder.columns_, kinds) if k != "drop"]
    numbers, texts = [(c, k) for c, k in columns if k != "text"], [c for c, k in columns if k == "text"]
    found: dict[str, dict[str, Any]] = {}
    if numbers:
        names = [c for c, _ in numbers]
        found["numbers"] = {"fill": "numbers", "columns": names, "kinds": [k for _, k in numbers]}
        if not encoder.sparse_:
            found["numbers"]["usual"] = {
                column: [mean, 1 / scale]
                for column, part, what in _plan(encoder)
                for mean, scale in ([what[-2:]] if part == "number" else [])
                if scale
            }
    if texts:
        found["texts"] = {"fill": "texts", "columns": texts, "levels": {c: encoder.levels_[c] for c in texts}}
    places = {c: k for k, c in enumerate(encoder.columns_)}
    for about in found.values():
        about["order"] = [places[c] for c in about["columns"]]
        about["width"] = len(encoder.columns_)
    return found


def columns_of_inputs(inputs: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """What each column holds, by name, in the table's order."""
    found: list[tuple[Any, Any, Any]] = []
    for about in inputs.values():
        kinds = about.get("kinds") or ["text"] * len(about["columns"])
        found += zip(about.get("order") or range(len(kinds)), about["columns"], kinds)
    return {column: kind for _, column, kind in sorted(found)}


def encode_table(graph: Graph, encoder: TableEncoder) -> tuple[str, int]:
    """Inputs for a table's rows, and the encoded rows: their name and width."""
    parts: dict[str, str] = {}
    for name, about in inputs_of_table(encoder).items():
        columns, numbers = about["columns"], name == "numbers"
        rows = graph.add_input(name, np.float64 if numbers else object, (None, len(columns)), about)
        if encoder.sparse_:
            return graph.add("Mul", rows, graph.constant(encoder.scales_, np.float64)), len(columns)
        if numbers and _is_plain(encoder):
            return _all_numbers(graph, encoder, rows), len(columns)
        for k, column in enumerate(columns):
            parts[column] = graph.add("Gather", rows, graph.constant([k] if numbers else k, np.int64), axis=1)
    outputs = [_output(graph, parts[column], kind, what) for column, kind, what in _plan(encoder)]
    return graph.add("Concat", *outputs, axis=1), len(encoder.get_feature_names_out())


def _is_plain(encoder: TableEncoder) -> bool:
    """Whether every column is a number that was never missing, and so is one output."""
    return not encoder.missing_ and set(encoder.kinds_) <= {"number", "drop"}


def _all_numbers(graph: Graph, encoder: TableEncoder, rows: str) -> str:
    kept = [k != "drop" for k in encoder.kinds_]
    medians = np.broadcast_to(encoder.medians_[kept], (1, sum(kept)))
    filled = graph.add("Where", graph.add("IsNaN", rows), graph.constant(medians), rows)
    moved = graph.add("Sub", filled, graph.constant(encoder.means_, np.float64))
    return graph.add("Mul", moved, graph.constant(encoder.scales_, np.float64))


def _plan(encoder: TableEncoder) -> list[tuple[str, str, Any]]:
    """(column, kind of output, what it needs) in the encoder's order."""
    numbers = iter(zip(encoder.means_.tolist(), encoder.scales_.tolist()))
    found: list[tuple[str, str, Any]] = []
    for column, kind, median in zip(encoder.columns_, encoder.kinds_, encoder.medians_.tolist()):
        if kind == "drop":
            continue
        if kind == "number":
            found.append((column, "number", (median, *next(numbers))))
        elif kind == "date":
            found += [(column, part, next(numbers)) for part in encoder.parts_[column]]
        elif kind == "bool":
            found.append((column, "bool", None))
        else:
            what = (encoder.levels_[column], column in encoder.other_, column in encoder.missing_)
            found.append((column, "text", what))
            continue
        if column in encoder.missing_:
            found.append((column, "missing", None))
    return found


def _levels(graph: Graph, texts: str, levels: Sequence[str], other: bool, missing: bool) -> str:
    """0/1 columns: one a level, then one for all other texts and one for none, where there are such."""
    n = len(levels)
    rows = np.zeros((n + 2, n + other + missing))  # by code: the levels, no text at all, any other text
    rows[:n, :n] = np.eye(n)
    if missing:
        rows[n, -1] = 1
    if other:
        rows[n + 1, n] = 1
    if "" in levels:
        raise DataError(
            "export: columns of text must have no empty text, which stands for a missing one in a graph. Got ''."
        )
    codes = graph.add(
        "LabelEncoder", texts, domain="ai.onnx.ml",
        keys_strings=[*levels, ""], values_int64s=[*range(n + 1)], default_int64=n + 1,
    )  # fmt: skip
    return graph.add("Gather", graph.constant(rows), codes, axis=0)


def _output(graph: Graph, column: str, kind: str, what: Any) -> str:
    """What a column becomes, of shape (rows, n_outputs), double precision."""

    def as_number(test: str) -> str:
        return graph.cast(test, np.float64)

    def number(value: float) -> str:
        return graph.constant([[value]], np.float64)

    if kind == "text":
        return _levels(graph, column, *what)
    missing = graph.add("IsNaN", column)
    if kind == "missing":
        return as_number(missing)
    if kind == "bool":
        return graph.add("Where", missing, number(0.0), column)
    if kind == "number":
        centre, mean, scale = what
        value = column
    else:
        mean, scale = what
        centre, value = mean, _date_part(graph, column, kind)
    if not scale:
        return graph.add("Mul", as_number(missing), number(0.0))
    filled = graph.add("Where", missing, number(centre), value)
    return graph.add("Mul", graph.add("Sub", filled, number(mean)), number(scale))


def _date_part(graph: Graph, seconds: str, part: str) -> str:
    """A part of seconds since 1970, in the proleptic Gregorian calendar.

    Year and month follow from the day's number by counting years from the first of March: leap days then come last (the
    arithmetic of Hinnant, "chrono-compatible low-level date algorithms").
    """

    def call(op: str, a: str, b: float | str) -> str:
        return graph.add(op, a, b if isinstance(b, str) else graph.constant([[b]], np.float64))

    def floor(a: str, b: float) -> str:
        return graph.add("Floor", call("Div", a, b))

    days = call("Div", seconds, _DAY)
    if part == "days":
        return days
    day = graph.add("Floor", days)
    if part == "hour":
        return floor(call("Sub", seconds, call("Mul", day, _DAY)), 3600.0)
    if part == "weekday":  # 1970-01-01 was a Thursday, the fourth
        from_monday = call("Add", day, 3.0)
        return call("Add", call("Sub", from_monday, call("Mul", floor(from_monday, 7.0), 7.0)), 1.0)
    shifted = call("Add", day, 719_468.0)  # days since 0000-03-01
    era = floor(shifted, 146_097.0)
    of_era = call("Sub", shifted, call("Mul", era, 146_097.0))
    leaps = call(
        "Sub",
        call("Add", call("Sub", of_era, floor(of_era, 1460.0)), floor(of_era, 36_524.0)),
        floor(of_era, 146_096.0),
    )
    year_of_era = floor(leaps, 365.0)
    before = call(
        "Sub", call("Add", call("Mul", year_of_era, 365.0), floor(year_of_era, 4.0)), floor(year_of_era, 100.0)
    )
    of_year = call("Sub", of_era, before)
    month_from_march = floor(call("Add", call("Mul", of_year, 5.0), 2.0), 153.0)
    late = call("GreaterOrEqual", month_from_march, 10.0)  # January and February belong to the next year
    late = graph.cast(late, np.float64)
    if part == "month":
        return call("Sub", call("Add", month_from_march, 3.0), call("Mul", late, 12.0))
    return call("Add", call("Add", year_of_era, call("Mul", era, 400.0)), late)


def feeds_of_table(inputs: Mapping[str, Mapping[str, Any]], X: Any) -> dict[str, Array]:
    """Rows of a table, or an array, as the graph's inputs take them.

    Raises
    ------
    DataError
        Naming a column that is missing, of another type, or infinite.
    """
    wanted = columns_of_inputs(inputs)
    frame = _frame_of(X, max(a.get("width", len(a["columns"])) for a in inputs.values()), wanted)
    lacking = [c for c in wanted if c not in frame.columns]
    if lacking:
        raise DataError(f"model: X must have the columns of the model. Missing: {', '.join(map(repr, lacking[:10]))}.")
    for column, kind in wanted.items():
        got = kind_of(frame[column].dtype)
        if got not in (kind, "empty") and {kind, got} != {"number", "bool"}:
            raise DataError(f"model: column {column!r} must hold {kind} as in fit. Got {got}.")
    found = {}
    for name, about in inputs.items():
        part = frame.select(about["columns"])
        if about["fill"] == "texts":
            texts = pl.all().cast(pl.String)
            texts = pl.when(texts == "").then(pl.lit("\0")).otherwise(texts).name.keep()  # a text, and never met
            found[name] = part.select(texts.fill_null("")).to_numpy().astype(object)
            continue
        dates = [c for c, k in zip(about["columns"], about["kinds"]) if k == "date"]
        part = part.with_columns(pl.col(dates).cast(pl.Datetime("us")).to_physical() / 1e6) if dates else part
        values = part.select(pl.all().cast(pl.Float64).fill_null(np.nan)).to_numpy(order="c")
        if "usual" not in about and np.isnan(values).any():
            column = about["columns"][int(np.flatnonzero(np.isnan(values).any(axis=0))[0])]
            raise DataError(f"model: column {column!r} must have no missing values.")
        if (np.abs(values[~np.isnan(values)]) > _HUGE).any():
            column = about["columns"][int(np.flatnonzero((np.abs(values) > _HUGE).any(axis=0))[0])]
            raise DataError(f"model: column {column!r} must be finite. Got a value beyond {_HUGE:g}.")
        found[name] = values
    return found


def _frame_of(X: Any, width: int, kinds: Mapping[str, str]) -> pl.DataFrame:
    if hasattr(X, "collect_schema") or hasattr(X, "columns"):
        return tidy(to_frame(X, "X", kinds), "X", text=False, kinds=kinds)
    X = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
    if X.ndim != 2 or X.dtype.kind not in "buif":
        raise DataError(f"model: X must be a data frame, or numbers of shape (n, n_features). Got shape {X.shape}.")
    if X.shape[1] != width:
        raise DataError(f"model: X must have {width} columns. Got {X.shape[1]}.")
    names = [f"x{k}" for k in range(X.shape[1])]
    return pl.from_numpy(X.astype(np.float64), schema=names).fill_nan(None)


def made_up_table(encoder: TableEncoder, n: int) -> Any:
    """Rows such as the encoder met: numbers around its means, its levels and an unknown one, dates, missing values."""
    rng = np.random.default_rng(0)
    if encoder.sparse_:
        return rng.random((n, encoder.n_features_in_)) / np.where(encoder.scales_ > 0, encoder.scales_, 1.0)
    if all(c == f"x{k}" for k, c in enumerate(encoder.columns_)) and set(encoder.kinds_) <= {"number", "drop"}:
        columns = _made_up(encoder, n, rng)
        return np.column_stack([columns[c].fill_null(np.nan).to_numpy() for c in encoder.columns_])
    return pl.DataFrame(list(_made_up(encoder, n, rng).values()))


def _made_up(encoder: TableEncoder, n: int, rng: np.random.Generator) -> dict[str, pl.Series]:
    numbers = iter(zip(encoder.means_.tolist(), encoder.scales_.tolist()))
    found = {}
    for column, kind in zip(encoder.columns_, encoder.kinds_):
        values: Any
        if kind in ("number", "drop"):
            mean, scale = next(numbers) if kind == "number" else (0.0, 1.0)
            values = pl.Series(column, rng.normal(size=n) / (scale or 1.0) + mean)
        elif kind == "bool":
            values = pl.Series(column, rng.random(n) < 0.5)
        elif kind == "text":
            values = pl.Series(
                column, rng.choice([*encoder.levels_[column], "never met before"], n).astype(object), pl.String
            )
        else:
            (mean, scale), *_ = [next(numbers) for _ in encoder.parts_[column]]
            days = rng.normal(size=n) / (scale or 1.0) + mean
            values = pl.Series(column, (days * 86_400_000_000).astype(np.int64)).cast(pl.Datetime("us"))
        gone = rng.random(n) < 0.1
        found[column] = values if column not in encoder.missing_ else pl.select(
            pl.when(pl.Series(~gone)).then(values).alias(column)
        ).to_series()  # fmt: skip
    return found
