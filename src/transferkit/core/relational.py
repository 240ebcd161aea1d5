"""Relational data: a database of facts, and the examples of one predicate as rows over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .errors import DomainError
from .protocols import Array

__all__ = ["Facts", "Predicate", "RelationalRows"]


@dataclass(frozen=True)
class Predicate:
    """A relation's name and the type of each of its arguments.

    Parameters
    ----------
    name : str
        How it is called.
    types : tuple of str
        One name a place; constants of two places can be equal only where the types are.
    """

    name: str
    types: tuple[str, ...]

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
        The constants of each type; a fact holds their numbers in this order.
    rows : dict of str to int array of shape (n_facts, arity)
        The distinct facts of each predicate.

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

    @classmethod
    def from_records(
        cls, records: Mapping[str, Iterable[Sequence[Any]]], schema: Mapping[str, Sequence[str] | Predicate]
    ) -> Facts:
        """Facts from tuples of constants.

        Parameters
        ----------
        records : mapping of str to iterable of tuples
            The facts of each predicate; constants are taken as text, facts given twice count once.
        schema : mapping of str to tuple of str or Predicate
            The types of the arguments of each predicate.

        Returns
        -------
        facts : Facts

        Raises
        ------
        DomainError
            If a predicate is not in the schema or a fact has another number of arguments.
        """
        known = {n: p if isinstance(p, Predicate) else Predicate(n, tuple(p)) for n, p in sorted(schema.items())}
        texts = {name: _texts(known, name, values) for name, values in records.items()}
        found: dict[str, set[str]] = {t: set() for p in known.values() for t in p.types}
        for name, facts in texts.items():
            for place, kind in enumerate(known[name].types):
                found[kind].update(fact[place] for fact in facts)
        empty = cls(known, {}, {})
        named = empty.with_constants(found)
        rows = {name: named.codes(name, texts.get(name, ())) for name in known}
        return cls(known, named.constants, {n: _frozen(np.unique(r, axis=0)) for n, r in rows.items()}, named._numbers)

    @property
    def n_facts(self) -> int:
        """Number of facts."""
        return sum(len(r) for r in self.rows.values())

    def without(self, name: str) -> Facts:
        """The same database with no fact of one predicate."""
        if not len(self.rows.get(name, ())):
            return self
        rows = {**self.rows, name: self.rows[name][:0]}
        return Facts(self.schema, self.constants, rows, self._numbers)

    def with_constants(self, names: Mapping[str, Iterable[str]]) -> Facts:
        """The same facts, with constants that occur in none of them; numbers given before stay as they are."""
        constants, numbers = dict(self.constants), dict(self._numbers)
        for kind, wanted in names.items():
            own = numbers.get(kind, {})
            new = sorted(set(wanted) - own.keys())
            if new or kind not in constants:
                numbers[kind] = {**own, **{c: len(own) + k for k, c in enumerate(new)}}
                constants[kind] = _frozen(np.array([*numbers[kind]], dtype=str))
        return Facts(self.schema, constants, self.rows, numbers)

    def number(self, kind: str, constant: str) -> int:
        """The number of a constant of a type; -1 where there is none."""
        return self._numbers.get(kind, {}).get(constant, -1)

    def codes(self, name: str, records: Iterable[Sequence[Any]]) -> Array:
        """Numbers of the constants of atoms of one predicate, of shape (n_atoms, arity); -1 for unknown constants."""
        types = self.schema[name].types
        found = [[self.number(kind, c) for kind, c in zip(types, fact)] for fact in _texts(self.schema, name, records)]
        return np.array(found, dtype=np.int64).reshape(-1, len(types))

    def records(self, name: str, rows: Array | None = None) -> list[tuple[str, ...]]:
        """Facts of a predicate, or atoms of it given by numbers, as tuples of constants."""
        rows = self.rows[name] if rows is None else rows
        columns = [self.constants[kind][rows[:, k]].tolist() for k, kind in enumerate(self.schema[name].types)]
        return list(zip(*columns))


def _frozen(array: Array) -> Array:
    array.setflags(write=False)
    return array


def _texts(schema: Mapping[str, Predicate], name: str, records: Iterable[Sequence[Any]]) -> list[tuple[str, ...]]:
    if name not in schema:
        raise DomainError(f"Facts: records must hold predicates of the schema: {', '.join(schema)}. Got {name!r}.")
    texts = [tuple(str(c) for c in ((r,) if isinstance(r, str) else r)) for r in records]
    for fact in texts:
        if len(fact) != schema[name].arity:
            raise DomainError(
                f"Facts: a fact of {schema[name]} must have {schema[name].arity} arguments. Got {name}({', '.join(fact)})."
            )
    return texts


class RelationalRows:
    """Atoms of ONE predicate over a database: rows that a method between domains is fitted on and predicts.

    It behaves as rows do: it has a length and a shape, and an index array, a mask or a slice takes some of them. Whether
    an atom is true is its label, given apart. So that no label can leak, the facts of this predicate are taken out of the
    database: a rule about it never sees a fact of it, neither the atom asked for nor another.

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
        If the predicate is not in the schema, or `args` are not numbers of constants.

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
        if predicate not in facts.schema:
            raise DomainError(f"RelationalRows: predicate must be one of {', '.join(facts.schema)}. Got {predicate!r}.")
        self.facts = facts.without(predicate)
        self.predicate = facts.schema[predicate]
        self.args = np.asarray(args)
        if self.args.ndim != 2 or self.args.shape[1] != self.predicate.arity or self.args.dtype.kind not in "iu":
            raise DomainError(
                f"RelationalRows: args must hold whole numbers of shape (n, {self.predicate.arity}). Got dtype"
                f" {self.args.dtype}, shape {self.args.shape}."
            )
        sizes = [len(facts.constants.get(kind, ())) for kind in self.predicate.types]
        if len(self.args) and ((self.args < 0).any() or (self.args >= sizes).any()):
            raise DomainError(
                f"RelationalRows: args must be numbers of constants below {sizes}. Got from"
                f" {self.args.min(axis=0).tolist()} to {self.args.max(axis=0).tolist()}."
            )

    @classmethod
    def from_records(cls, facts: Facts, predicate: str, records: Iterable[Sequence[Any]]) -> RelationalRows:
        """Rows from tuples of constants; constants that no fact mentions are fine."""
        if predicate not in facts.schema:
            raise DomainError(f"RelationalRows: predicate must be one of {', '.join(facts.schema)}. Got {predicate!r}.")
        texts = _texts(facts.schema, predicate, records)
        new: dict[str, set[str]] = {kind: set() for kind in facts.schema[predicate].types}
        for place, kind in enumerate(facts.schema[predicate].types):
            new[kind].update(atom[place] for atom in texts)
        facts = facts.with_constants(new)
        return cls(facts, predicate, facts.codes(predicate, texts))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of atoms, number of arguments."""
        return len(self.args), self.predicate.arity

    def __len__(self) -> int:
        return len(self.args)

    def __getitem__(self, rows: Any) -> RelationalRows:
        picked = self.args[rows]
        return RelationalRows(self.facts, self.predicate.name, picked[None] if picked.ndim == 1 else picked)

    def take(self, rows: Any) -> RelationalRows:
        """The rows of an index array, a mask or a slice."""
        return self[rows]

    def records(self) -> list[tuple[str, ...]]:
        """The atoms as tuples of constants."""
        return self.facts.records(self.predicate.name, self.args)

    def __repr__(self) -> str:
        return f"RelationalRows({len(self)} of {self.predicate}, {self.facts.n_facts} facts)"
