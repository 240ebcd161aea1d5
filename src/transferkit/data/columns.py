"""Column types of tables: text becomes numbers, booleans, dates or categories, and a mixture is an error."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from numbers import Number
from typing import Any
from warnings import warn

import numpy as np
import polars as pl

from ..core.csv_text import unguarded
from ..core.errors import DataError, TransferWarning
from ..core.protocols import Array

__all__ = ["NULL_TOKENS", "are_dates", "as_typed", "kind_of", "label_of", "tidy", "to_frame", "unify"]

NULL_TOKENS = ("", "NA", "N/A", "NaN", "nan", "NULL", "Null", "null", "None", "?")
_DATE = r"^\d{4}-\d{2}-\d{2}$"
_DATETIME = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?$"
_DATES = f"{_DATE}|{_DATETIME}"
_COMMA_NUMBER = r"^[+-]?\d+(,\d+)?([eE][+-]?\d+)?$"
_SURELY_DECIMAL = r",(\d{1,2}|\d{4,})([eE][+-]?\d+)?$"
_WHOLE = r"^[+-]?\d+$"
_ONE_COMMA = r"^([+-]?\d+),(\d+([eE][+-]?\d+)?)$"
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


def to_frame(X: Any, origin: str = "data frame", only: Container[str] | None = None) -> pl.DataFrame:
    """A polars frame of a polars or pandas frame, as it is; of `only` these columns, as far as they are there.

    Raises
    ------
    DataError
        Naming a column whose values are of several types, or a name that occurs twice.
    """
    if isinstance(X, pl.LazyFrame):
        X = X.collect()
    if isinstance(X, pl.DataFrame):
        return X if only is None else X.select([name for name in X.columns if name in only])
    names = [str(name) for name in X.columns]
    check_names(names, origin)
    columns = []
    for place, name in enumerate(names):
        if only is not None and name not in only:
            continue
        try:
            columns.append(pl.from_pandas(X.iloc[:, place]).alias(name))
        except (NotImplementedError, ValueError, TypeError, pl.exceptions.PolarsError) as err:
            got = _two_types(X.iloc[:, place]) or str(err)
            raise DataError(f"{origin}: column {name!r} must hold values of one type. Got: {got}") from err
    return pl.DataFrame(columns)


def _two_types(values: Any) -> str:
    """The first value, and the first of another type, with their rows."""
    filled = enumerate(zip(values, values.notna()), start=1)
    there = [(row, value) for row, (value, is_there) in filled if is_there]
    kinds = [Number if isinstance(value, Number) else type(value) for _, value in there]
    other = next((found for found, kind in zip(there, kinds) if kind is not kinds[0]), None)
    return "" if other is None else "{1!r} in row {0} and {3!r} in row {2}.".format(*there[0], *other)


def check_names(names: Sequence[str], origin: str) -> None:
    """Refuse names that occur twice."""
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise DataError(f"{origin}: column names must differ. Got {', '.join(map(repr, twice))} more than once.")


def tidy(frame: pl.DataFrame, origin: str, *, text: bool, kinds: Mapping[str, str] | None = None) -> pl.DataFrame:
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
    kinds : mapping of str to {"number", "bool", "text", "date", "drop"}, optional
        What columns are known to hold, as by a model: strings are read as that whatever they look like, and whole numbers
        may be texts. A column to "drop" becomes empty.

    Returns
    -------
    frame : polars.DataFrame
        Missing values are null, NaN included.

    Raises
    ------
    DataError
        Naming the column that mixes numbers and text, or holds lists or other things that are no table cell; or the row
        whose text is not what the column is known to hold.
    """
    kinds = kinds or {}
    return frame.select(
        [_as_kind(s, kinds[s.name], origin, text) if s.name in kinds else _tidy(s, origin, text) for s in frame]
    )


def _as_kind(s: pl.Series, kind: str, origin: str, text: bool) -> pl.Series:
    """A column as what it is known to hold; a typed one that does not go with that stays, for the model to refuse."""
    if kind == "drop":
        return pl.Series(s.name, [None] * len(s), dtype=pl.Null)
    if kind_of(s.dtype) != "text":
        s = _tidy(s, origin, text)
        if kind == "text" and s.dtype in (pl.Int64, pl.Float64):
            whole = s.cast(pl.Int64, strict=False)  # beside a missing value pandas makes floats of whole numbers
            return whole.cast(pl.String) if whole.cast(s.dtype).equals(s) else s
        return s
    s = s.cast(pl.String)
    if kind == "text":
        return as_typed(_filled(s)) if text else s
    s = _filled(s)
    if kind == "date":
        found = _parsed_dates(s)
    elif kind == "bool":
        found = _truth(s.replace({"1": "true", "1.0": "true", "0": "false", "0.0": "false"}))
    else:
        dotted = s.str.replace(_ONE_COMMA, "${1}.${2}") if s.str.contains(_SURELY_DECIMAL).any() else s
        found = dotted.cast(pl.Float64, strict=False)
        truth = _truth(s)
        found = truth.cast(pl.Float64) if truth.null_count() == s.null_count() else found
    wrong = found.is_null() & s.is_not_null()
    if wrong.any():
        row = wrong.arg_max()
        noun = {"number": "numbers", "bool": "true or false", "date": "ISO dates that exist"}[kind]
        raise DataError(f"{origin}: column {s.name!r} must hold {noun}. Got {s[row]!r} in row {row + 1} of {len(s)}.")
    return found


def as_typed(s: pl.Series) -> pl.Series:
    """Texts of a file without the mark that keeps a spreadsheet from taking them for formulas."""
    if not s.str.starts_with("'").any():
        return s
    return pl.Series(s.name, [None if v is None else unguarded(v) for v in s], dtype=pl.String)


def _tidy(s: pl.Series, origin: str, text: bool) -> pl.Series:
    dtype = s.dtype
    kind = kind_of(dtype)
    if kind == "text":
        s = s.cast(pl.String)
        return _parse(s, origin) if text else _dates_of(s, origin)
    if kind == "date":
        if dtype == pl.Date:
            return s
        if dtype.time_zone is not None:
            s = s.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return s.cast(pl.Datetime("us"))
    if kind == "number":
        if dtype.is_integer():
            whole = s.cast(pl.Int64, strict=False)  # null beyond 64 bits
            if whole.null_count() == s.null_count():
                return whole
        return _told_apart(s.cast(pl.Float64).fill_nan(None), s, origin)
    if dtype in (pl.Duration, pl.Time):
        return s.cast(pl.Duration("us")).dt.total_microseconds() / 1e6
    if kind == "other":
        raise DataError(
            f"{origin}: column {s.name!r} must hold numbers, text, booleans or dates. Got {dtype}. Leave it out, or unfold it."
        )
    return s


def _parse(s: pl.Series, origin: str) -> pl.Series:
    """Type a column of strings."""
    s = _filled(s)
    n_null = s.null_count()
    if n_null == len(s):
        return pl.Series(s.name, [None] * len(s), dtype=pl.Null)
    for dtype in (pl.Int64, pl.Float64):
        numbers = s.cast(dtype, strict=False)
        if numbers.null_count() == n_null:
            return numbers if dtype == pl.Int64 else _told_apart(numbers, s, origin)
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
    if s.n_unique() <= 3 and _truth(s).null_count() == n_null:
        return _truth(s)
    if s.str.contains(_WITH_COMMAS).fill_null(True).all():
        warn(
            f"{origin}: column {s.name!r} looks like numbers with commas ({s.drop_nulls()[0]!r}) and is taken as text. "
            "Write them with a decimal point and no separator.",
            TransferWarning,
            stacklevel=2,
        )
        return s
    return _dates_of(as_typed(s), origin)


def _told_apart(numbers: pl.Series, s: pl.Series, origin: str) -> pl.Series:
    """Floats of whole numbers, but texts where such of more than 64 bits would become the same float."""
    if not (numbers.abs() >= 2**63).any():
        return numbers
    texts = s.cast(pl.String)
    if texts.n_unique() == numbers.n_unique() or not texts.str.contains(_WHOLE).fill_null(True).all():
        return numbers
    warn(
        f"{origin}: column {s.name!r} has whole numbers with more digits than a number holds and is taken as text.",
        TransferWarning,
        stacklevel=2,
    )
    return texts


def _filled(s: pl.Series) -> pl.Series:
    """Strings of a text format without blanks around them; null where they are a token of a missing value."""
    s = s.str.strip_chars()
    return s.set(s.is_in(NULL_TOKENS), None)


def _truth(s: pl.Series) -> pl.Series:
    """Booleans of strings; null where they say neither true nor false."""
    return s.str.to_lowercase().replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)


def are_dates(s: pl.Series) -> bool:
    """Whether strings are all ISO dates or date-times, or missing, and not all missing."""
    first = s.drop_nulls().head(1)
    return bool(len(first) and first.str.contains(_DATES).all() and s.str.contains(_DATES).fill_null(True).all())


def _dates_of(s: pl.Series, origin: str) -> pl.Series:
    """Strings that are all dates as such; any other column as it is."""
    if not are_dates(s):
        return s
    parsed = _parsed_dates(s)
    wrong = parsed.is_null() & s.is_not_null()
    if wrong.any():
        row = wrong.arg_max()
        raise DataError(f"{origin}: column {s.name!r} must hold dates that exist. Got {s[row]!r} in row {row + 1}.")
    return parsed


def _parsed_dates(s: pl.Series) -> pl.Series:
    """Dates where all strings are such, else date-times; null where they are neither."""
    days = s.str.to_date("%Y-%m-%d", strict=False)
    if days.null_count() == s.null_count():
        return days
    zone = s.str.extract(r"(Z|[+-]\d{2}:?\d{2})$", 1).fill_null("Z").str.replace("Z", "+0000").str.replace(":", "")
    clock = s.str.replace(r"(Z|[+-]\d{2}:?\d{2})$", "").str.replace("T", " ")
    clock = clock.str.replace("^(.{10})$", "${1} 00:00").str.replace("^(.{16})$", "${1}:00")
    whole = pl.select(pl.concat_str([clock, zone])).to_series()
    parsed = whole.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%z", time_unit="us", strict=False)
    return parsed.dt.convert_time_zone("UTC").dt.replace_time_zone(None).alias(s.name)


def label_of(s: pl.Series, origin: str) -> tuple[Array | None, Array | None]:
    """Labels of a tidy column, and where they are known (None: everywhere); (None, None) if nowhere.

    Where a label is missing, the array holds a copy of some known one, which nobody reads.
    """
    known = s.is_not_null().to_numpy()
    if not known.any():
        return None, None
    if kind_of(s.dtype) == "date":
        raise DataError(
            f"{origin}: label must name a column of numbers or text. Got {s.name!r}, which holds dates ({s.drop_nulls()[0]})."
            " Write a class as a word, as in 'May 2024', or a quantity as a number, as days since a day."
        )
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
