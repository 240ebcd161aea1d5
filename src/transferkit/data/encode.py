"""Columns of a table become numbers that every method can work on, the same ones for both domains."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ..core.constraints import Boolean, Interval, Rule, check_params
from ..core.errors import DataError, DomainError
from ..core.protocols import Array, Domain
from ..core.vote import first_stage
from .columns import kind_of, tidy, to_frame, unify

__all__ = ["TableEncoder", "columns_of"]

_HUGE = 1e100
_DAY = 86_400_000_000  # microseconds
_TYPES = {"number": pl.Float64, "bool": pl.Boolean, "text": pl.String, "date": pl.Datetime("us")}
# Parts of a date beside the days since 1970-01-01, kept where they vary.
_PARTS = ("year", "month", "weekday", "hour")


class TableEncoder(TransformerMixin, BaseEstimator):
    """Impute, scale and one-hot encode a table, or impute and scale an array, with the rows of both domains.

    Parameters
    ----------
    max_levels : int in [2, inf), default=50
        Most levels of a text column. A column with more keeps its ``max_levels - 1`` commonest, and all others share one
        more, ``other``.
    impute_inf : bool, default=False
        Whether infinite values are imputed like missing ones. Otherwise they are an error.

    Attributes
    ----------
    columns_ : list of str
        Names of the columns that were met in fit; of an array, ``x0``, ``x1``, ...
    kinds_ : list of {"number", "bool", "text", "date", "drop"}
        How each is encoded.
    medians_ : array of shape (n_columns,)
        What a missing number is replaced with: the median of both domains' rows.
    missing_ : list of str
        The columns that have an indicator of missing values.
    levels_ : dict of str to list of str
        Levels of each text column, the commonest first.
    other_ : list of str
        Text columns whose rare levels share ``other``.
    parts_ : dict of str to list of str
        What a date column becomes.
    means_, scales_ : arrays of shape (n_numbers,)
        Each numeric output is ``(x - mean) * scale``.
    sparse_ : bool
        Whether fit saw sparse rows.
    notes_ : list of str
        What was dropped or merged, a sentence each.
    n_features_in_ : int
        Number of columns met in fit.

    Notes
    -----
    Labels are never read. The rules, by type of the column:

    - Numbers: missing ones become the median of both domains, with an indicator column where any was missing; then
      standardised with the mean and standard deviation of the SOURCE's observed values, so that a shift of the target
      stays visible. Heavy tails are not clipped. A column that is constant in the source is 0 throughout.
    - Booleans: 0/1; missing ones count as false, with an indicator.
    - Text: one 0/1 column a level, with the levels of both domains; missing is 0 in all of them, with an indicator. A
      level that was not met in fit is 0 in all, or ``other`` where the column has that. Columns whose values all differ
      within each domain are identifiers and are dropped.
    - Dates: days since 1970-01-01 and, where they vary, year, month, weekday (Monday is 1) and hour, each standardised;
      a missing date is the source's mean.
    - Columns without any value in the source are dropped.

    Sparse rows stay sparse: each column is divided by its largest absolute value in the source (in
    the target, for columns that are empty in the source), and nothing is centred or imputed.

    Examples
    --------
    >>> import polars as pl
    >>> from transferkit import Domain
    >>> from transferkit.data.encode import TableEncoder
    >>> source = pl.DataFrame({"age": [20.0, 40.0, None], "city": ["Bern", "Rom", "Rom"]})
    >>> target = pl.DataFrame({"age": [30.0], "city": ["Wien"]})
    >>> encoder = TableEncoder().fit(source, target=Domain(target))
    >>> list(encoder.get_feature_names_out())
    ['age', 'age is missing', 'city=Rom', 'city=Bern', 'city=Wien']
    >>> encoder.transform(target).tolist()
    [[0.0, 0.0, 0.0, 0.0, 1.0]]
    """

    _constraints: ClassVar[Mapping[str, Rule]] = {"max_levels": Interval(int, 2), "impute_inf": Boolean()}

    def __init__(self, max_levels: int = 50, impute_inf: bool = False) -> None:
        self.max_levels = max_levels
        self.impute_inf = impute_inf

    def fit(self, X: Any, y: Any = None, *, target: Domain | None = None) -> Self:
        """Learn levels and medians from both domains, mean and scale from the source.

        Parameters
        ----------
        X : data frame, array or sparse matrix of shape (n_source, n_columns)
            Source rows.
        y : ignored
            Present for scikit-learn's pipelines.
        target : Domain, default=None
            The target; only its rows are read.

        Returns
        -------
        self : TableEncoder

        Raises
        ------
        DataError
            Naming the column that cannot be encoded.
        """
        check_params(self)
        if target is not None and not isinstance(target, Domain):
            raise DomainError(
                f"TableEncoder.fit: target must be a Domain, as in target=Domain(X_target). Got {type(target).__name__}."
            )
        self.notes_: list[str] = []
        self.sparse_ = sparse.issparse(X)
        if self.sparse_:
            return self._fit_sparse(X, target)
        source = _frame(X, "source")
        self.columns_, self.n_features_in_ = list(source.columns), source.width
        if not source.height or not source.width:
            raise DataError(f"TableEncoder.fit: X must have rows and columns. Got shape {source.shape}.")
        other = None
        if target is not None:
            found = _frame(target.X, target.name, width=source.width)
            other = self._select(found, "fit", target.name)
        if other is not None:
            source, other = unify([source, other], ["the source", target.name if target is not None else ""])
        source = self._without_inf(source, "fit")
        other = None if other is None else self._without_inf(other, "fit")
        self._fit_columns(source, other)
        return self

    def _fit_columns(self, source: pl.DataFrame, target: pl.DataFrame | None) -> None:
        both = source if target is None else pl.concat([source, target])
        self.kinds_, self.missing_, self.other_ = [], [], []
        self.levels_: dict[str, list[str]] = {}
        self.parts_: dict[str, list[str]] = {}
        for name in self.columns_:
            kind = kind_of(both[name].dtype)
            if source[name].null_count() == source.height:
                self.notes_.append(f"Column {name!r} was dropped: it has no value in the source.")
                kind = "drop"
            elif kind == "text" and _is_identifier(source[name], target[name] if target is not None else None):
                self.notes_.append(f"Column {name!r} was dropped: all its values differ, as in an identifier.")
                kind = "drop"
            elif kind == "text":
                self._fit_levels(name, both[name], source[name])
            elif kind == "date":
                self._fit_parts(name, both[name])
            self.kinds_.append(kind)
            if kind != "drop" and both[name].null_count():
                self.missing_.append(name)
        if all(kind == "drop" for kind in self.kinds_):
            raise DataError(f"TableEncoder.fit: X must have a column to encode. {' '.join(self.notes_)}")
        numbers = [pl.col(c) for c, kind in zip(self.columns_, self.kinds_) if kind == "number"]
        medians = both.select(c.median() for c in numbers).row(0, named=True) if numbers else {}
        self.medians_ = np.array([medians.get(c, 0.0) for c in self.columns_], dtype=np.float64)
        self._fit_scale(source)

    def _fit_levels(self, name: str, both: pl.Series, source: pl.Series) -> None:
        counts = both.alias("level").drop_nulls().value_counts().sort(["count", "level"], descending=[True, False])
        levels = counts["level"].to_list()
        met = set(source.unique().to_list())
        new = [level for level in levels if level not in met]
        if new:
            shown = ", ".join(map(repr, new[:5])) + (", ..." if len(new) > 5 else "")
            self.notes_.append(f"Column {name!r} has {len(new)} levels that only the target has: {shown}.")
        if len(levels) > self.max_levels:
            kept = self.max_levels - 1
            self.notes_.append(f"Column {name!r} has {len(levels)} levels: all but the {kept} commonest were merged.")
            levels = levels[:kept]
            self.other_.append(name)
        self.levels_[name] = levels

    def _fit_parts(self, name: str, both: pl.Series) -> None:
        parts = _PARTS if both.dtype == pl.Datetime else _PARTS[:-1]
        self.parts_[name] = ["days", *(p for p in parts if getattr(both.dt, p)().drop_nulls().n_unique() > 1)]

    def _numbers(self) -> list[tuple[str, str, pl.Expr]]:
        """(column, output name, values) of each output that is standardised."""
        found = []
        for name, kind in zip(self.columns_, self.kinds_):
            if kind == "number":
                found.append((name, name, pl.col(name).cast(pl.Float64)))
            elif kind == "date":
                when = pl.col(name).cast(pl.Datetime("us"))
                for part in self.parts_[name]:
                    value = when.to_physical() / _DAY if part == "days" else getattr(when.dt, part)()
                    found.append((name, f"{name}:{part}", value.cast(pl.Float64)))
        return found

    def _fit_scale(self, source: pl.DataFrame) -> None:
        numbers = self._numbers()
        values = [value.alias(str(k)) for k, (_, _, value) in enumerate(numbers)]
        mean, std, low, high = (
            np.array(source.select(statistic(v) for v in values).row(0) if values else (), dtype=np.float64)
            for statistic in (pl.Expr.mean, partial(pl.Expr.std, ddof=0), pl.Expr.min, pl.Expr.max)
        )
        # A constant column has the scale 0, whatever rounding does to its deviation.
        varies = (high > low) & (std > 0)
        self.means_, self.scales_ = mean, np.divide(1.0, std, out=np.zeros_like(std), where=varies)
        for (_, label, _), scale in zip(numbers, self.scales_):
            if not scale:
                self.notes_.append(f"Column {label!r} is constant in the source and is 0 throughout.")

    def transform(self, X: Any) -> Any:
        """Encode rows of either domain.

        Parameters
        ----------
        X : data frame, array or sparse matrix
            Rows with the columns met in fit, in any order; those that were dropped may be missing, and others are ignored.
            Strings are read as what the column held in fit.

        Returns
        -------
        Z : float64 array of shape (n_samples, n_outputs), CSR matrix where fit saw sparse rows

        Raises
        ------
        DataError
            Naming a column that is missing, of another type, or infinite.
        """
        check_is_fitted(self)
        if self.sparse_:
            X = self._sparse_rows(X, "transform")
            return X @ sparse.diags_array(self.scales_, format="csr")
        kinds = dict(zip(self.columns_, self.kinds_))
        frame = self._select(_frame(X, "X", kinds, self.n_features_in_), "transform", "X")
        return self._encode(self._without_inf(frame, "transform"))

    def _encode(self, frame: pl.DataFrame) -> Array:
        numbers = zip(self._numbers(), self.means_, self.scales_)
        medians = dict(zip(self.columns_, self.medians_))
        outputs = []
        for name, label, kind, what in self._outputs():
            column = pl.col(name)
            if kind == "number":  # in the same order as the outputs
                (_, _, number), mean, scale = next(numbers)
                centre = medians[name] if label == name else mean
                value = (number.fill_null(centre) - mean) * scale if scale else pl.repeat(0.0, pl.len())
            elif kind == "missing":
                value = column.is_null()
            elif kind == "bool":
                value = column.fill_null(False)
            elif kind == "level":
                value = (column == what).fill_null(False)
            else:
                value = (~column.is_in(self.levels_[name])).fill_null(False)
            outputs.append(value.cast(pl.Float64).alias(str(len(outputs))))
        return frame.select(outputs).to_numpy(order="c")

    def _outputs(self) -> list[tuple[str, str, str, str]]:
        """(column, output name, kind of output, level) of each output, in order."""
        found = []
        for name, kind in zip(self.columns_, self.kinds_):
            if kind == "drop":
                continue
            if kind == "number":
                found.append((name, name, "number", ""))
            elif kind == "date":
                found += [(name, f"{name}:{part}", "number", "") for part in self.parts_[name]]
            elif kind == "bool":
                found.append((name, name, "bool", ""))
            else:
                found += [(name, f"{name}={level}", "level", level) for level in self.levels_[name]]
                if name in self.other_:
                    found.append((name, f"{name} is other", "other", ""))
            if name in self.missing_:
                found.append((name, f"{name} is missing", "missing", ""))
        return found

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Names of the outputs: ``age``, ``age is missing``, ``city=Rom``, ``city is other``, ``day:month``."""
        check_is_fitted(self)
        names = self.columns_ if self.sparse_ else [label for _, label, _, _ in self._outputs()]
        return np.array(names, dtype=object)

    def _select(self, frame: pl.DataFrame, method: str, origin: str) -> pl.DataFrame:
        """The columns of fit, in their order and of their type."""
        kinds = [""] * len(self.columns_) if method == "fit" else self.kinds_
        used = [name for name, kind in zip(self.columns_, kinds) if kind != "drop"]
        lacking = [name for name in used if name not in frame.columns]
        if lacking:
            raise DataError(
                f"TableEncoder.{method}: {origin} must have the columns of the source. Missing: "
                f"{', '.join(map(repr, lacking[:10]))}."
            )
        frame = frame.select(used)
        if method == "fit":
            return frame
        types = {name: kind for name, kind in zip(self.columns_, self.kinds_) if kind != "drop"}
        for name, kind in types.items():
            got = kind_of(frame[name].dtype)
            if got not in (kind, "empty") and {kind, got} != {"number", "bool"}:
                raise DataError(f"TableEncoder.{method}: column {name!r} must hold {kind} as in fit. Got {got}.")
        return frame.select(pl.col(name).cast(_TYPES[kind]) for name, kind in types.items())

    def _without_inf(self, frame: pl.DataFrame, method: str) -> pl.DataFrame:
        floats = [name for name, dtype in frame.schema.items() if dtype == pl.Float64]
        if not floats:
            return frame
        largest = frame.select(pl.when(pl.col(floats).is_finite()).then(pl.col(floats)).abs().max()).row(0, named=True)
        huge = [name for name in floats if (largest[name] or 0) > _HUGE]
        if huge:
            raise DataError(
                f"TableEncoder.{method}: column {huge[0]!r} must hold values below {_HUGE:g}, whose squares are finite."
                f" Got {largest[huge[0]]:g}."
            )
        infinite = frame.select(pl.col(floats).is_infinite().any()).row(0, named=True)
        bad = [name for name in floats if infinite[name]]
        if bad and not self.impute_inf:
            row = frame[bad[0]].is_infinite().arg_max()
            raise DataError(
                f"TableEncoder.{method}: column {bad[0]!r} must be finite, or impute_inf=True be given. Got inf in row {row + 1}."
            )
        return frame.with_columns(pl.when(pl.col(bad).is_finite()).then(pl.col(bad)).name.keep()) if bad else frame

    def _fit_sparse(self, X: Any, target: Domain | None) -> Self:
        self.n_features_in_ = X.shape[1]
        self.columns_ = [f"x{i}" for i in range(X.shape[1])]
        size = _largest(self._sparse_rows(X, "fit"))
        if target is not None:
            size = np.where(size > 0, size, _largest(self._sparse_rows(target.X, "fit")))
        self.scales_ = 1 / np.where(size > 0, size, 1.0)
        return self

    def _sparse_rows(self, X: Any, method: str) -> Any:
        X = sparse.csr_matrix(X, dtype=np.float64)
        if X.shape[1] != self.n_features_in_:
            raise DataError(f"TableEncoder.{method}: X must have {self.n_features_in_} columns. Got {X.shape[1]}.")
        if not np.isfinite(X.data).all():
            column = X.indices[np.flatnonzero(~np.isfinite(X.data))[0]]
            raise DataError(f"TableEncoder.{method}: sparse rows must be finite. Got NaN or inf in column {column}.")
        return X


def columns_of(model: Any) -> dict[str, str] | None:
    """What each column of a table holds for a fitted model, as `read` takes it; None for one of other rows.

    Examples
    --------
    >>> import polars as pl
    >>> from transferkit import CORAL, Domain, TransferPipeline
    >>> from transferkit.data.encode import TableEncoder, columns_of
    >>> rows = pl.DataFrame({"age": [1.0, 2.0, 3.0, 4.0], "code": ["7", "A", "A", "7"]})
    >>> model = TransferPipeline([("encode", TableEncoder())], CORAL()).fit(rows, [0, 1, 0, 1], target=Domain(rows))
    >>> columns_of(model)
    {'age': 'number', 'code': 'text'}
    """
    first = first_stage(model)
    known = isinstance(first, TableEncoder) and hasattr(first, "kinds_")
    return dict(zip(first.columns_, first.kinds_)) if known else None


def _frame(X: Any, origin: str, kinds: Mapping[str, str] | None = None, width: int | None = None) -> pl.DataFrame:
    """A tidy frame, of the columns of known kinds alone, where these are told; an array, without names, has all `width`."""
    if hasattr(X, "collect_schema") or hasattr(X, "columns"):
        return tidy(to_frame(X, origin, kinds), origin, text=False, kinds=kinds)
    X = np.asarray(X)
    if X.ndim != 2 or X.dtype.kind not in "buif":
        raise DataError(
            f"TableEncoder: {origin} must be a data frame, or numbers of shape (n_samples, n_features). Got dtype {X.dtype}, "
            f"shape {X.shape}."
        )
    if width is not None and X.shape[1] != width:
        raise DataError(f"TableEncoder: {origin} must have {width} columns. Got {X.shape[1]}.")
    return pl.from_numpy(X.astype(np.float64), schema=[f"x{i}" for i in range(X.shape[1])]).fill_nan(None)


def _is_identifier(source: pl.Series, target: pl.Series | None) -> bool:
    values = [s.drop_nulls() for s in (source, target) if s is not None]
    return len(values[0]) > 1 and all(v.n_unique() == len(v) for v in values)


def _largest(X: Any) -> Array:
    """Largest absolute value of each column."""
    largest: Array = abs(X).max(axis=0).toarray().ravel()
    return largest
