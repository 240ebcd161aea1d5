"""First-order facts from Prolog text, JSON of folds and edge tables, as a domain of relational rows."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..core.errors import DataError, ParamError, TransferWarning
from ..core.protocols import Domain
from ..core.relational import Facts, RelationalRows
from .atoms import Collector, Records, Schema, checked_schema, infer_types, join_records, text_of
from .prolog import parse_prolog, read_prolog

__all__ = [
    "Records",
    "infer_types",
    "join_records",
    "parse_prolog",
    "read_edges",
    "read_folds",
    "read_prolog",
    "relational_domain",
]

_MOST_ATOMS = 10_000_000  # as tuples of names a few GB


def read_folds(path: str | Path, *, schema: Schema | None = None) -> list[Records]:
    """Folds of a JSON file ``[positives, negatives]``, each a list of ``{predicate: [[constant, ...], ...]}``.

    Parameters
    ----------
    path : str or Path
        The file; ``.gz`` is unpacked.
    schema : mapping of str to sequence of str, optional
        As `read_prolog`.

    Returns
    -------
    folds : list of Records

    Raises
    ------
    DataError
        Naming the fold and the predicate whose facts cannot be used, or the line of JSON that is broken.
    """
    path = Path(path)
    try:
        content = json.loads(text_of(path))
    except json.JSONDecodeError as err:
        raise DataError(f"{path}:{err.lineno}: the file must be JSON. Got: {err.msg}.") from err
    if not (isinstance(content, list) and len(content) == 2 and all(isinstance(c, list) for c in content)):
        raise DataError(f"{path}: the file must hold [positives of each fold, negatives of each fold].")
    if len(content[0]) != len(content[1]):
        raise DataError(
            f"{path}: there must be as many folds of negatives as of positives. Got {[len(c) for c in content]}."
        )
    folds = []
    for k, signs in enumerate(zip(*content, strict=True)):
        collector = Collector(f"{path} fold {k + 1}", schema)
        for negative, atoms in enumerate(signs):
            for name, args in _json_atoms(atoms, collector.origin):
                collector.add(name, args, bool(negative), collector.origin)
        folds.append(collector.records())
    return folds


def _json_atoms(atoms: Any, place: str) -> Iterator[tuple[str, list[Any]]]:
    if not isinstance(atoms, dict):
        raise DataError(f"{place}: a fold must map predicates to lists of arguments. Got {type(atoms).__name__}.")
    for name, rows in atoms.items():
        for k, args in enumerate(rows if isinstance(rows, list) else [None]):
            if not (isinstance(args, list) and args and all(isinstance(a, (str, int, float)) for a in args)):
                raise DataError(f"{place}: fact {k + 1} of {name} must be a list of constants. Got {args!r}.")
            yield name, args


def read_edges(
    tables: Mapping[str, Any], *, negative: Mapping[str, Any] | None = None, schema: Schema | None = None
) -> Records:
    """Facts from tables: one table a predicate, one row a fact, one column an argument.

    Parameters
    ----------
    tables : mapping of str to pandas or polars frame, or sequence of rows
        By predicate.
    negative : mapping of str to the same, optional
        Facts that do not hold.
    schema : mapping of str to sequence of str, optional
        As `read_prolog`; with it, a frame whose columns are named like the types, in any order and among others, is read
        by these names. Any other frame is read by the order of its columns.

    Returns
    -------
    records : Records

    Raises
    ------
    DataError
        Naming the table and the row that cannot be used.

    Warns
    -----
    TransferWarning
        A column holds numbers with fractions: as constants they say nothing of size.

    Examples
    --------
    >>> import polars as pl
    >>> from transferkit.data.relational import read_edges
    >>> read_edges({"knows": pl.DataFrame({"who": ["a", "b"], "whom": ["b", "c"]})}).positive
    {'knows': [('a', 'b'), ('b', 'c')]}
    """
    collector = Collector("tables", schema)
    for given in (tables, negative or {}):
        if not isinstance(given, Mapping):
            raise DataError(
                f"tables: they must come by predicate, as in {{'knows': frame}}. Got {type(given).__name__}."
            )
    for sign, given in enumerate((tables, negative or {})):
        for name, table in given.items():
            for k, row in enumerate(_table_rows(table, name, (schema or {}).get(name))):
                collector.add(name, row, bool(sign), f"table {name} row {k + 1}")
    return collector.records()


def _table_rows(table: Any, name: str, types: Sequence[str] | None) -> Iterable[Any]:
    frame = hasattr(table, "itertuples") or hasattr(table, "iter_rows")
    if isinstance(table, (str, bytes, Mapping)) or not (frame or isinstance(table, Iterable)):
        raise DataError(f"table {name}: it must be a pandas or polars frame, or rows. Got {type(table).__name__}.")
    if not frame:
        return [row if isinstance(row, (tuple, list, np.ndarray)) else (row,) for row in table]
    columns = list(table.columns)
    by_name = types is not None and len(set(types)) == len(types) and set(types) <= set(columns)
    if types is not None and by_name:
        table = table[list(types)]
    elif not columns or (types is not None and len(columns) != len(types)):
        wanted = f"({', '.join(types)})" if types is not None else "of the facts"
        raise DataError(f"table {name}: the columns must be the arguments {wanted}. Got {columns}.")
    for column in _measures(table):
        warnings.warn(
            f"table {name}: {column} holds numbers with fractions. Each is a constant of its own, and no rule compares them"
            " by size: write the names of intervals instead, as pandas.cut makes them.",
            TransferWarning,
            stacklevel=3,
        )
    return table.itertuples(index=False, name=None) if hasattr(table, "itertuples") else table.iter_rows()


def _measures(table: Any) -> Iterator[Any]:
    """Columns of a frame with numbers that are not whole."""
    for k, name in enumerate(table.columns):
        values = np.asarray(table.iloc[:, k] if hasattr(table, "iloc") else table.to_series(k))
        if values.dtype.kind == "f" and (values[np.isfinite(values)] % 1).any():
            yield name


def relational_domain(
    records: Records | Sequence[Records],
    predicate: str,
    *,
    schema: Schema | None = None,
    negatives: Literal["stated", "closed-world"] = "stated",
    leave_out: Sequence[str] = (),
    name: str = "domain",
) -> Domain:
    """The atoms of one predicate as labelled rows, with all other facts as their background.

    Parameters
    ----------
    records : Records or sequence of Records
        What was read; several are joined.
    predicate : str
        The relation to be predicted.
    schema : mapping of str to sequence of str, optional
        Types of each predicate's arguments; None is `infer_types`.
    negatives : {"stated", "closed-world"}, default="stated"
        Which atoms are the negative rows: those stated, or every combination of constants of the right types among the
        facts that does not hold.
    leave_out : sequence of str, default=()
        Predicates that are not to be background.
    name : str, default="domain"
        Of the domain.

    Returns
    -------
    domain : Domain
        X is RelationalRows, y is bool: positive rows first, each in the order of reading; an atom read twice is two rows.

    Raises
    ------
    DataError
        If there are no atoms of the predicate, or the schema lacks a predicate or has another arity.
    ParamError
        If `negatives` is no option.
    """
    if negatives not in ("stated", "closed-world"):
        raise ParamError(f"relational_domain: negatives must be one of 'stated', 'closed-world'. Got {negatives!r}.")
    parts = [records] if isinstance(records, Records) else records
    if not (isinstance(parts, (list, tuple)) and parts and all(isinstance(part, Records) for part in parts)):
        raise DataError(f"relational_domain: records must be Records or a list of them. Got {records!r}.")
    joined = join_records(parts)
    given = checked_schema(schema, joined.origin)
    types = infer_types(joined) if given is None else given
    for atoms in (joined.positive, joined.negative):
        for key, rows in atoms.items():
            if key not in leave_out and (key not in types or (rows and len(rows[0]) != len(types[key]))):
                got = (
                    "no such predicate" if key not in types else f"{len(types[key])} types for {len(rows[0])} arguments"
                )
                raise DataError(f"{joined.origin}: the schema must have the types of {key}. Got {got}.")
    positive = joined.positive.get(predicate, [])
    negative = joined.negative.get(predicate, [])
    if negatives == "closed-world" and predicate in types:
        holds = set(positive)
        pools = _constants(joined, types)
        n_atoms = prod(len(pools.get(t, ())) for t in types[predicate])
        if n_atoms > _MOST_ATOMS:
            raise DataError(
                f"{joined.origin}: negatives must be stated where there are more than {_MOST_ATOMS:,} combinations of"
                f" constants. Got {n_atoms:,} of {predicate}({', '.join(types[predicate])})."
            )
        negative = [args for args in product(*(pools.get(t, ()) for t in types[predicate])) if args not in holds]
    rows = [*positive, *negative]
    if not rows:
        raise DataError(
            f"{joined.origin}: there must be facts of {predicate!r}. Got those of {sorted(joined.positive)}."
        )
    background = {k: v for k, v in joined.positive.items() if k != predicate and k not in leave_out}
    kept = {k: v for k, v in types.items() if k not in leave_out}
    facts = Facts.from_records(background, schema=kept)
    return Domain(RelationalRows.from_records(facts, predicate, rows), np.arange(len(rows)) < len(positive), name=name)


def _constants(records: Records, types: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = {}
    for name, rows in records.positive.items():
        for args in rows if name in types else ():
            for kind, constant in zip(types[name], args, strict=True):
                found.setdefault(kind, {})[constant] = None
    return {kind: list(constants) for kind, constants in found.items()}
