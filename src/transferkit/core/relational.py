"""Relational data: a database of facts, and the examples of one predicate as rows over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from .errors import DomainError
from .protocols import Array

__all__ = ["Facts", "Predicate", "RelationalRows", "constant_text"]


@dataclass(frozen=True)
class Predicate:
    """A relation's name and the type of each of its arguments.

    Parameters
    ----------
    name : str
        How it is called.
    types : tuple of str
        One name a place; constants of two places can be equal only where the types are.

    Raises
    ------
    DomainError
        If the name is no text, or the types are no sequence of at least one name.
    """

    name: str
    types: tuple[str, ...]

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name):
            raise DomainError(f"Predicate: name must be a text. Got {self.name!r}.")
        if not (isinstance(self.types, (tuple, list)) and self.types and all(isinstance(t, str) for t in self.types)):
            raise DomainError(
                f"Predicate: types of {self.name} must be a tuple of names, one a place, as in ('person',)."
                f" Got {self.types!r}."
            )
        object.__setattr__(self, "types", tuple(self.types))

    @property
    def arity(self) -> int:
        """Number of arguments."""
        return len(self.types)

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.types)})"


@dataclass(frozen=True, eq=False)
class Facts:
    """A database of ground facts; nothing in it can be changed. What it does not hold is false (closed world).

    Parameters
    ----------
    schema : dict of str to Predicate
        All predicates, those without a single fact too.
    constants : dict of str to array of str
        The constants of each type, none twice; a fact holds their numbers in this order.
    rows : dict of str to int array of shape (n_facts, arity)
        The facts of each predicate; those given twice are kept once. `from_records` takes names instead of numbers.

    Raises
    ------
    DomainError
        If a constant is there twice, or rows are not numbers of constants for a predicate of the schema.

    Examples
    --------
    >>> from transferkit.core.relational import Facts
    >>> facts = Facts.from_records(
    ...     {"parent": [("ann", "bob"), ("bob", "cid")]}, {"parent": ("person", "person"), "female": ("person",)}
    ... )
    >>> facts.n_facts, facts.constants["person"].tolist()
    (2, ['ann', 'bob', 'cid'])
    >>> facts.records("parent")
    [('ann', 'bob'), ('bob', 'cid')]
    """

    schema: dict[str, Predicate]
    constants: dict[str, Array]
    rows: dict[str, Array]
    _numbers: dict[str, dict[str, int]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self._numbers:
            return  # made by a method of this class
        schema = _schema(self.schema)
        empty: dict[str, Any] = {kind: () for predicate in schema.values() for kind in predicate.types}
        constants = {kind: _names(kind, names) for kind, names in {**empty, **self.constants}.items()}
        numbers = {kind: {c: k for k, c in enumerate(names.tolist())} for kind, names in constants.items()}
        for kind, names in constants.items():
            if len(numbers[kind]) < len(names):
                raise DomainError(
                    f"Facts: constants of {kind} must be distinct. Got {len(names) - len(numbers[kind])} twice."
                )
        strange = sorted(set(self.rows) - set(schema))
        if strange:
            raise DomainError(
                f"Facts: rows must be of predicates of the schema: {', '.join(schema)}. Got {strange[0]!r}."
            )
        rows = {
            name: _distinct(_numbered(f"Facts: rows of {name}", self.rows[name], predicate, constants))
            if name in self.rows
            else _frozen(np.empty((0, predicate.arity), dtype=np.int64))
            for name, predicate in schema.items()
        }
        for name, value in (("schema", schema), ("constants", constants), ("rows", rows), ("_numbers", numbers)):
            object.__setattr__(self, name, value)

    @classmethod
    def from_records(
        cls, records: Mapping[str, Iterable[Sequence[Any]]], schema: Mapping[str, Sequence[str] | Predicate]
    ) -> Facts:
        """Facts from tuples of constants.

        Parameters
        ----------
        records : mapping of str to iterable of tuples
            The facts of each predicate; those given twice count once. A constant is a text, a number or a date, and is
            kept as text: 1, 1.0 and "1" are one constant. A fact of one argument may be the constant itself.
        schema : mapping of str to tuple of str or Predicate
            The types of the arguments of each predicate.

        Returns
        -------
        facts : Facts

        Raises
        ------
        DomainError
            If a predicate is not in the schema, a fact has another number of arguments, or a constant is missing or
            cannot be one. `transferkit.data.relational.read_edges` takes frames.
        """
        known = _schema(schema)
        if not isinstance(records, Mapping):
            raise DomainError(f"Facts: records must map predicates to their facts. Got {type(records).__name__}.")
        columns = {name: _columns(known, name, values) for name, values in records.items()}
        found: dict[str, set[str]] = {t: set() for p in known.values() for t in p.types}
        for name, texts in columns.items():
            for kind, column in zip(known[name].types, texts):
                found[kind].update(column)
        named = cls(known, {}, {}).with_constants(found)
        rows = {name: _distinct(named._codes(name, texts)) for name, texts in columns.items()}
        return cls(known, named.constants, {**named.rows, **rows}, named._numbers)

    @property
    def n_facts(self) -> int:
        """Number of facts."""
        return sum(len(r) for r in self.rows.values())

    def without(self, name: str) -> Facts:
        """The same database with no fact of one predicate."""
        _predicate(self.schema, name)
        if not len(self.rows[name]):
            return self
        rows = {**self.rows, name: _frozen(self.rows[name][:0])}
        return Facts(self.schema, self.constants, rows, self._numbers)

    def with_constants(self, names: Mapping[str, Iterable[Any]]) -> Facts:
        """The same facts, with constants that occur in none of them; numbers given before stay as they are."""
        constants, numbers = dict(self.constants), dict(self._numbers)
        for kind, wanted in names.items():
            if kind not in constants:
                raise DomainError(
                    f"Facts: constants must be of types of the schema: {', '.join(constants)}. Got {kind!r}."
                )
            own = numbers[kind]
            new = sorted({constant_text(kind, c) for c in wanted} - own.keys())
            if new:
                numbers[kind] = {**own, **{c: len(own) + k for k, c in enumerate(new)}}
                constants[kind] = _names(kind, numbers[kind])
        return Facts(self.schema, constants, self.rows, numbers)

    def number(self, kind: str, constant: str) -> int:
        """The number of a constant of a type; -1 where there is none."""
        return self._numbers.get(kind, {}).get(constant, -1)

    def codes(self, name: str, records: Iterable[Sequence[Any]]) -> Array:
        """Numbers of the constants of atoms of one predicate, of shape (n_atoms, arity); -1 for unknown constants."""
        return self._codes(name, _columns(self.schema, name, records))

    def _codes(self, name: str, columns: Sequence[Sequence[str]]) -> Array:
        numbers = [self._numbers[kind] for kind in self.schema[name].types]
        n = len(columns[0])
        found = [np.fromiter((own.get(c, -1) for c in texts), np.int64, n) for own, texts in zip(numbers, columns)]
        return np.column_stack(found)

    def records(self, name: str, rows: Array | None = None) -> list[tuple[str, ...]]:
        """Facts of a predicate, or atoms of it given by numbers, as tuples of constants."""
        types = _predicate(self.schema, name).types
        rows = self.rows[name] if rows is None else rows
        return list(zip(*(self.constants[kind][rows[:, k]].tolist() for k, kind in enumerate(types))))


def _frozen(array: Array) -> Array:
    array.setflags(write=False)
    return array


def _distinct(rows: Array) -> Array:
    """Each row once, in ascending order."""
    rows = rows[np.lexsort(rows.T[::-1])]
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    return _frozen(rows[new])


def _names(kind: str, names: Iterable[Any]) -> Array:
    texts = [constant_text(kind, c) for c in names]
    found = np.empty(len(texts), dtype=object)  # of objects: with a fixed width one long name would widen them all
    found[:] = texts
    return _frozen(found)


def _schema(schema: Mapping[str, Sequence[str] | Predicate]) -> dict[str, Predicate]:
    if not isinstance(schema, Mapping):
        raise DomainError(
            f"Facts: schema must map predicates to the types of their places. Got {type(schema).__name__}."
        )
    known = {}
    for name, given in schema.items():
        known[name] = given if isinstance(given, Predicate) else Predicate(name, given)  # type: ignore[arg-type]
        if known[name].name != name:
            raise DomainError(f"Facts: schema must hold each predicate under its name. Got {known[name]} as {name!r}.")
    return dict(sorted(known.items()))


def _predicate(schema: Mapping[str, Predicate], name: Any, here: str = "Facts") -> Predicate:
    if not isinstance(name, str) or name not in schema:
        raise DomainError(f"{here}: predicate must be one of {', '.join(schema)}. Got {name!r}.")
    return schema[name]


def constant_text(what: object, constant: Any) -> str:
    """A constant as text; `what` says in the message where it stands.

    Raises
    ------
    DomainError
        If it is missing, or no text, number or date.
    """
    if type(constant) in (str, int):  # nearly all are
        return str(constant)
    if not isinstance(constant, (str, Real, Decimal, np.bool_, np.datetime64, date)) or constant != constant:
        raise DomainError(f"Facts: a constant of {what} must be a text, a number or a date. Got {constant!r}.")
    # A column of whole numbers that lacked one somewhere is often one of floats; it means the same constants.
    return str(int(constant)) if isinstance(constant, float) and constant.is_integer() else str(constant)


def _columns(schema: Mapping[str, Predicate], name: str, records: Iterable[Sequence[Any]]) -> list[list[str]]:
    """For each place of a predicate the constants of all facts."""
    if not isinstance(name, str) or name not in schema:
        raise DomainError(f"Facts: records must hold predicates of the schema: {', '.join(schema)}. Got {name!r}.")
    predicate = schema[name]
    if isinstance(records, (str, bytes, Mapping)) or not isinstance(records, Iterable) or hasattr(records, "columns"):
        raise DomainError(f"Facts: facts of {predicate} must be a list of tuples. Got {type(records).__name__}.")
    facts = [r if type(r) is tuple else _fact(r) for r in records]
    wrong = next((fact for fact in facts if len(fact) != predicate.arity), None)
    if wrong is not None:
        raise DomainError(
            f"Facts: a fact of {predicate} must have {predicate.arity} arguments. Got {name}({', '.join(map(str, wrong))})."
        )
    columns = zip(*facts) if facts else [()] * predicate.arity
    return [[c if type(c) is str else constant_text(predicate, c) for c in column] for column in columns]


def _fact(record: Any) -> tuple[Any, ...]:
    """A fact as a tuple; what is no sequence is the only argument."""
    if isinstance(record, (Set, Mapping)):
        raise DomainError(f"Facts: a fact must have its arguments in an order. Got {record!r}.")
    return (
        tuple(record)
        if isinstance(record, (Sequence, np.ndarray)) and not isinstance(record, (str, bytes))
        else (record,)
    )


def _numbered(what: str, rows: Any, predicate: Predicate, constants: Mapping[str, Array]) -> Array:
    """A copy of rows of numbers of constants that cannot be changed."""
    found = np.asarray(rows)
    if found.ndim != 2 or found.shape[1] != predicate.arity or found.dtype.kind not in "iu":
        raise DomainError(
            f"{what} must hold whole numbers of shape (n, {predicate.arity}). Got dtype {found.dtype}, shape {found.shape}."
        )
    sizes = [len(constants.get(kind, ())) for kind in predicate.types]
    if len(found) and ((found < 0).any() or (found >= sizes).any()):
        raise DomainError(
            f"{what} must be numbers of constants below {sizes}. Got from {found.min(axis=0).tolist()} to"
            f" {found.max(axis=0).tolist()}."
        )
    return _frozen(found.astype(np.int64))


class RelationalRows:
    """Atoms of ONE predicate over a database: rows that a method between domains is fitted on and predicts.

    It behaves as rows do: it has a length and a shape, and an index array, a mask or a slice takes some of them. Whether
    an atom is true is its label, given apart. So that no label can leak, the facts of this predicate are taken out of the
    database: a rule about it never sees a fact of it, neither the atom asked for nor another. Its inverse or a copy of it
    under another name is a predicate like any other: leave it out of the facts where it would not be known in use.

    Parameters
    ----------
    facts : Facts
        The background.
    predicate : str
        Name of the predicate; its types are those of the schema.
    args : int array of shape (n, arity)
        Numbers of the constants of each atom. `from_records` takes their names.

    Raises
    ------
    DomainError
        If `facts` are none, the predicate is not in the schema, or `args` are not numbers of constants.

    Examples
    --------
    >>> from transferkit.core.relational import Facts, RelationalRows
    >>> facts = Facts.from_records(
    ...     {"parent": [("ann", "bob"), ("bob", "cid")]}, {"parent": ("p", "p"), "grandparent": ("p", "p")}
    ... )
    >>> rows = RelationalRows.from_records(facts, "grandparent", [("ann", "cid"), ("bob", "dan")])
    >>> rows.shape, rows[1:].records()
    ((2, 2), [('bob', 'dan')])
    """

    ndim = 2

    def __init__(self, facts: Facts, predicate: str, args: Array) -> None:
        if not isinstance(facts, Facts):
            raise DomainError(f"RelationalRows: facts must be Facts. Got {type(facts).__name__}.")
        self.predicate = _predicate(facts.schema, predicate, "RelationalRows")
        self.facts = facts.without(predicate)
        self.args = _numbered("RelationalRows: args", args, self.predicate, facts.constants)

    @classmethod
    def from_records(cls, facts: Facts, predicate: str, records: Iterable[Sequence[Any]]) -> RelationalRows:
        """Rows from tuples of constants; constants that no fact mentions are fine."""
        if not isinstance(facts, Facts):
            raise DomainError(f"RelationalRows: facts must be Facts. Got {type(facts).__name__}.")
        types = _predicate(facts.schema, predicate, "RelationalRows").types
        columns = _columns(facts.schema, predicate, records)
        new: dict[str, set[str]] = {kind: set() for kind in types}
        for kind, column in zip(types, columns):
            new[kind].update(column)
        facts = facts.with_constants(new)
        return cls(facts, predicate, facts._codes(predicate, columns))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of atoms, number of arguments."""
        return len(self.args), self.predicate.arity

    def __len__(self) -> int:
        return len(self.args)

    def __getitem__(self, rows: Any) -> RelationalRows:
        picked = self.args[rows]
        return RelationalRows(self.facts, self.predicate.name, picked[None] if picked.ndim == 1 else picked)

    def __array__(self, *args: Any, **options: Any) -> Array:
        raise DomainError("RelationalRows: atoms must be given to a method for relations. Got one that wants numbers.")

    def take(self, rows: Any) -> RelationalRows:
        """The rows of an index array, a mask or a slice."""
        return self[rows]

    def records(self) -> list[tuple[str, ...]]:
        """The atoms as tuples of constants."""
        return self.facts.records(self.predicate.name, self.args)

    def __repr__(self) -> str:
        return f"RelationalRows({len(self)} of {self.predicate}, {self.facts.n_facts} facts)"
