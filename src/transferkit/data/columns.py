"""Column types of tables: text becomes numbers, booleans, dates or categories, and a mixture is an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from warnings import warn

import numpy as np
import polars as pl

from ..core.errors import DataError, TransferWarning
from ..core.protocols import Array

__all__ = ["NULL_TOKENS", "kind_of", "label_of", "tidy", "to_frame", "unify"]

NULL_TOKENS = ("", "NA", "N/A", "NaN", "nan", "NULL", "Null", "null", "None", "?")
_DATE = r"^\d{4}-\d{2}-\d{2}$"
_DATETIME = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?$"
_COMMA_NUMBER = r"^[+-]?\d+(,\d+)?([eE][+-]?\d+)?$"
_SURELY_DECIMAL = r",(\d{1,2}|\d{4,})([eE][+-]?\d+)?$"
_WITH_COMMAS = r"^[+-]?\d+(\.\d{3})*,\d+([.,]\d+)*$"


def kind_of(dtype: pl.DataType) -> str:
    """ "number", "bool", "text", "date", "empty", or "other" for what is no table cell."""
    if dtype.is_numeric():
        return "number"
    if dtype == pl.Boolean:
        return "bool"
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return "text"
    if dtype in (pl.Date, pl.Datetime):
        return "date"
    return "empty" if dtype == pl.Null else "other"


def to_frame(X: Any, origin: str = "data frame") -> pl.DataFrame:
    """A polars frame of a polars or pandas frame, as it is.

    Raises
    ------
    DataError
        Naming a column whose values are of several types, or a name that occurs twice.
    """
    if isinstance(X, pl.LazyFrame):
        X = X.collect()
    if isinstance(X, pl.DataFrame):
        return X
    names = [str(name) for name in X.columns]
    check_names(names, origin)
    columns = []
    for place, name in enumerate(names):
        try:
            columns.append(pl.from_pandas(X.iloc[:, place]).alias(name))
        except (ValueError, TypeError, pl.exceptions.PolarsError) as err:
            raise DataError(f"{origin}: column {name!r} must hold values of one type. Got: {err}") from err
    return pl.DataFrame(columns)


def check_names(names: Sequence[str], origin: str) -> None:
    """Refuse names that occur twice."""
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise DataError(f"{origin}: column names must differ. Got {', '.join(map(repr, twice))} more than once.")


def tidy(frame: pl.DataFrame, origin: str, *, text: bool) -> pl.DataFrame:
    """Bring every column to one of Int64, Float64, Boolean, String, Date, Datetime (microseconds, UTC) or Null.

    Parameters
    ----------
    frame : polars.DataFrame
        The columns as they were read.
    origin : str
        What messages call the file.
    text : bool
        Whether strings come from a text format, where everything is a string. Then null tokens are missing values, and
        strings that are all numbers or all true/false become such. In a typed source a string stays a string; only ISO
        dates are recognised in both.

    Returns
    -------
    frame : polars.DataFrame
        Missing values are null, NaN included.

    Raises
    ------
    DataError
        Naming the column that mixes numbers and text, or holds lists or other things that are no table cell.
    """
    return frame.select([_tidy(column, origin, text) for column in frame])


def _tidy(s: pl.Series, origin: str, text: bool) -> pl.Series:
    dtype = s.dtype
    kind = kind_of(dtype)
    if kind == "text":
        s = s.cast(pl.String)
        return _parse(s, origin) if text else _dates(s, origin)
    if kind == "date":
        if dtype == pl.Date:
            return s
        if dtype.time_zone is not None:
            s = s.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return s.cast(pl.Datetime("us"))
    if kind == "number":
        return s.cast(pl.Int64) if dtype.is_integer() and dtype != pl.UInt64 else s.cast(pl.Float64).fill_nan(None)
    if dtype in (pl.Duration, pl.Time):
        return s.cast(pl.Duration("us")).dt.total_microseconds() / 1e6
    if kind == "other":
        raise DataError(
            f"{origin}: column {s.name!r} must hold numbers, text, booleans or dates. Got {dtype}. Leave it out, or unfold it."
        )
    return s


def _parse(s: pl.Series, origin: str) -> pl.Series:
    """Type a column of strings."""
    s = s.str.strip_chars()
    s = s.set(s.is_in(NULL_TOKENS), None)
    n_null = s.null_count()
    if n_null == len(s):
        return pl.Series(s.name, [None] * len(s), dtype=pl.Null)
    for dtype in (pl.Int64, pl.Float64):
        numbers = s.cast(dtype, strict=False)
        if numbers.null_count() == n_null:
            return numbers
    # Half of the world writes 2,5 for 2.5. Three digits behind every comma may be thousands: those are not guessed.
    if s.str.contains(_COMMA_NUMBER).fill_null(True).all() and s.str.contains(_SURELY_DECIMAL).any():
        return s.str.replace(",", ".").cast(pl.Float64)
    if numbers.null_count() < len(s):
        is_number = numbers.is_not_null()
        i, j = is_number.arg_max(), (is_number | s.is_null()).arg_min()
        raise DataError(
            f"{origin}: column {s.name!r} must hold either numbers or text. Got {s[i]!r} in row {i + 1} and {s[j]!r} in row "
            f"{j + 1} of {len(s)}. Clean it; text is taken as text from a Parquet file or a data frame."
        )
    if s.n_unique() <= 3:
        lower = s.str.to_lowercase()
        if lower.is_in(["true", "false"]).fill_null(True).all():
            return lower == "true"
    if s.str.contains(_WITH_COMMAS).fill_null(True).all():
        warn(
            f"{origin}: column {s.name!r} looks like numbers with commas ({s.drop_nulls()[0]!r}) and is taken as text. "
            "Write them with a decimal point and no separator.",
            TransferWarning,
            stacklevel=2,
        )
        return s
    return _dates(s, origin)


def _dates(s: pl.Series, origin: str) -> pl.Series:
    """A column of strings that are all ISO dates, or all ISO date-times, as such; any other column as it is."""
    if s.null_count() == len(s):
        return s
    first = s.drop_nulls().head(1)
    if first.str.contains(_DATE).all() and s.str.contains(_DATE).fill_null(True).all():
        parsed = s.str.to_date("%Y-%m-%d", strict=False)
    elif first.str.contains(_DATETIME).all() and s.str.contains(_DATETIME).fill_null(True).all():
        zone = s.str.extract(r"(Z|[+-]\d{2}:?\d{2})$", 1).fill_null("Z").str.replace("Z", "+0000").str.replace(":", "")
        clock = s.str.replace(r"(Z|[+-]\d{2}:?\d{2})$", "").str.replace("T", " ").str.replace("^(.{16})$", "${1}:00")
        whole = pl.select(pl.concat_str([clock, zone])).to_series()
        parsed = whole.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%z", time_unit="us", strict=False)
        parsed = parsed.dt.convert_time_zone("UTC").dt.replace_time_zone(None).alias(s.name)
    else:
        return s
    wrong = parsed.is_null() & s.is_not_null()
    if wrong.any():
        row = wrong.arg_max()
        raise DataError(f"{origin}: column {s.name!r} must hold dates that exist. Got {s[row]!r} in row {row + 1}.")
    return parsed


def label_of(s: pl.Series, origin: str) -> tuple[Array | None, Array | None]:
    """Labels of a tidy column, and where they are known (None: everywhere); (None, None) if nowhere.

    Where a label is missing, the array holds a copy of some known one, which nobody reads.
    """
    known = s.is_not_null().to_numpy()
    if not known.any():
        return None, None
    if kind_of(s.dtype) == "date":
        raise DataError(f"{origin}: label must name a column of numbers or text. Got {s.name!r}, which holds dates.")
    if not known.all():
        s = s.fill_null(s.drop_nulls()[0])
    y = np.array(s.to_list(), dtype=object) if s.dtype == pl.String else s.to_numpy().copy()
    return y, None if known.all() else known


def unify(frames: Sequence[pl.DataFrame], origins: Sequence[str]) -> list[pl.DataFrame]:
    """Give frames with the same columns the same types: the wider number, the finer date; booleans join numbers as 0/1.

    Raises
    ------
    DataError
        Naming a column and the two files in which its types do not go together.
    """
    types: dict[str, pl.DataType] = {}
    for name in frames[0].columns:
        where = 0
        for k, frame in enumerate(frames):
            old, new = types.get(name, pl.Null()), frame[name].dtype
            if old == new or new == pl.Null:
                types.setdefault(name, new)
            elif old == pl.Null:
                types[name], where = new, k
            elif {kind_of(old), kind_of(new)} <= {"number", "bool"}:
                types[name] = pl.Float64() if pl.Float64 in (old, new) else pl.Int64()
            elif kind_of(old) == kind_of(new) == "date":
                types[name] = pl.Datetime("us")
            else:
                raise DataError(
                    f"column {name!r} must have one type in both. Got {kind_of(old)} in {origins[where]} and {kind_of(new)} "
                    f"in {origins[k]}."
                )
    return [frame.cast(dict(types)) for frame in frames]
