"""Which examples a conjunction of literals covers, counted by indexed joins instead of nested loops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

import numpy as np

from ...core.clauses import Literal, Node
from ...core.errors import DomainError
from ...core.protocols import Array
from ...core.relational import Facts, RelationalRows
from .index import FactIndex

__all__ = ["Grounder", "variable_types"]

Conjunction = tuple[Literal, ...]
Key = TypeVar("Key")


@dataclass(frozen=True, eq=False)
class _Bindings:
    """Distinct constants of some variables, with the example that they belong to."""

    example: Array
    columns: dict[int, Array]

    def between(self, first: int, end: int) -> _Bindings:
        return _Bindings(self.example[first:end], {v: c[first:end] for v, c in self.columns.items()})


def _stacked(parts: Sequence[_Bindings]) -> _Bindings:
    columns = {v: np.concatenate([p.columns[v] for p in parts]) for v in parts[0].columns}
    return _Bindings(np.concatenate([p.example for p in parts]), columns)


class _Memory(Generic[Key]):
    """Bindings by what was asked; all are forgotten when together they hold more than `most` rows."""

    def __init__(self, most: int) -> None:
        self._most, self._size, self._found = most, 0, dict[Key, _Bindings]()

    def get(self, key: Key) -> _Bindings | None:
        return self._found.get(key)

    def put(self, key: Key, bindings: _Bindings) -> None:
        if self._size > self._most:
            self._size, self._found = 0, {}
        self._size += len(bindings.example)
        self._found[key] = bindings


def variable_types(facts: Facts, head: Sequence[str], literals: Iterable[Literal]) -> dict[int, str]:
    """The type of each variable: that of the place where it stands first. `head` holds the types of the atom itself.

    Raises
    ------
    DomainError
        If a predicate is not in the schema, a literal has another number of arguments, or a variable two types.
    """
    types = dict(enumerate(head))
    for literal in literals:
        predicate = facts.schema.get(literal.predicate)
        if predicate is None or predicate.arity != len(literal.args):
            raise DomainError(
                f"variable_types: literals must be of {', '.join(map(str, facts.schema.values()))}. Got {literal}."
            )
        for arg, kind in zip(literal.args, predicate.types):
            if isinstance(arg, int) and types.setdefault(arg, kind) != kind:
                raise DomainError(
                    f"variable_types: a variable must have one type. Got {literal} with {types[arg]} at a place for {kind}."
                )
    return types


class Grounder:
    """Answers which examples a conjunction covers, and remembers what it was asked.

    An example is covered by ``l1, l2, ...`` if there are constants for the variables beyond its own for which every literal
    is a fact. Bindings of variables are kept distinct, and a last literal is never joined, but looked up (a semi-join).

    Parameters
    ----------
    rows : RelationalRows
        The examples and the database.
    max_groundings : int
        A conjunction with more distinct bindings than this is not kept in memory: the search is then offered none of its
        last literal's new variables, and questions about them are answered piece by piece. No answer depends on it.

    Attributes
    ----------
    facts : Facts
    head : tuple of str
        The types of the atom's own arguments.
    n : int
        Number of examples.
    """

    def __init__(self, rows: RelationalRows, max_groundings: int = 200_000) -> None:
        self.facts, self.head, self.n = rows.facts, rows.predicate.types, len(rows)
        self.max_groundings = max_groundings
        self._args = rows.args
        self._indices: dict[tuple[str, tuple[int, ...]], FactIndex] = {}
        self._all = self._start(np.arange(self.n))
        self._kept: _Memory[Conjunction] = _Memory(20 * max_groundings)
        self._projected: _Memory[tuple[Conjunction, tuple[int, ...]]] = _Memory(20 * max_groundings)
        self._masks: dict[Conjunction, Array] = {}

    def _start(self, examples: Array) -> _Bindings:
        return _Bindings(examples, {k: self._args[examples, k] for k in range(self._args.shape[1])})

    def available(self, conjunction: Conjunction) -> tuple[int, ...]:
        """Variables of a conjunction that a further literal may cheaply use."""
        return tuple(sorted(self._bindings(conjunction).columns))

    def covered(self, conjunction: Conjunction) -> Array:
        """Bool array of shape (n,): the examples that a conjunction covers; it must not be changed."""
        if conjunction not in self._masks:
            if len(self._masks) * self.n > 2**27:
                self._masks.clear()
            self._masks[conjunction] = self._covered(conjunction)
            self._masks[conjunction].setflags(write=False)
        return self._masks[conjunction]

    def groundings(self, conjunction: Conjunction) -> Array:
        """Int array of shape (n,): distinct bindings of all variables beyond the example's own, for each example."""
        if not conjunction:
            return np.ones(self.n, dtype=np.int64)
        *before, last = conjunction
        bindings = self._all
        for literal in before:
            bindings = self._join(bindings, literal, None)
        new = [v for v in last.variables if v not in bindings.columns]
        if len(new) > len(set(new)):
            return np.bincount(self._join(bindings, last, None).example, minlength=self.n)
        index, groups = self._look_up(bindings, last)  # each fact that fits is one binding of what is new in it
        return np.bincount(bindings.example, weights=index.counts[groups], minlength=self.n).astype(np.int64)

    def witness(self, example: int, conjunction: Conjunction) -> dict[int, str] | None:
        """Constants for all variables that show that a conjunction covers an example; None where it does not."""
        types = variable_types(self.facts, self.head, conjunction)
        found = self._first(self._start(np.array([example])), conjunction)
        if found is None:
            return None
        return {v: str(self.facts.constants[types[v]][codes[0]]) for v, codes in found.columns.items()}

    def values(self, node: Node, path: Conjunction = ()) -> Array:
        """Array of shape (n,): the value of the leaf that each example comes to; `path` is what holds above the tree."""
        if node.yes is None or node.no is None:
            return np.full(self.n, node.value)
        passed = self.covered(path + node.test)
        return np.where(passed, self.values(node.yes, path + node.test), self.values(node.no, path))

    def _first(self, bindings: _Bindings, conjunction: Conjunction) -> _Bindings | None:
        """The first binding that can be extended to the whole conjunction: depth first, a block of bindings at a time."""
        block = 1000
        for start in range(0, len(bindings.example), block):
            if not conjunction:
                return bindings.between(0, 1)
            joined = self._join(bindings.between(start, start + block), conjunction[0], None)
            found = self._first(joined, conjunction[1:])
            if found is not None:
                return found
        return None

    def _covered(self, conjunction: Conjunction) -> Array:
        variable_types(self.facts, self.head, conjunction)
        if not conjunction:
            return np.ones(self.n, dtype=bool)
        *before, last = conjunction
        earlier = set(range(len(self.head))).union(*(literal.variables for literal in before))
        shared = tuple(sorted(set(last.variables) & earlier))
        bindings = self._bindings(tuple(before))
        mask = np.zeros(self.n, dtype=bool)
        if set(shared) <= bindings.columns.keys():
            key = (tuple(before), shared)
            found = self._projected.get(key)
            if found is None:
                whole = len(shared) == len(bindings.columns)
                found = bindings if whole else _project(bindings, shared, self._sizes(conjunction))
                self._projected.put(key, found)
            mask[found.example[self._matches(found, last)]] = True
        else:
            mask[self._piecewise(np.arange(self.n), conjunction)] = True
        return mask

    def _bindings(self, conjunction: Conjunction) -> _Bindings:
        """The bindings of all variables; without the new ones of a literal that would bring too many."""
        if not conjunction:
            return self._all
        kept = self._kept.get(conjunction)
        if kept is None:
            before, last = self._bindings(conjunction[:-1]), conjunction[-1]
            seen = {v for literal in conjunction[:-1] for v in literal.variables}
            if seen & set(last.variables) <= before.columns.keys() | set(range(len(self.head))):
                index, groups = self._look_up(before, last)
                many = index.counts[groups].sum() > self.max_groundings
                kept = self._join(before, last, set(before.columns) if many else None)
            else:  # it needs a variable that was not kept
                kept = self._start(self._piecewise(np.arange(self.n), conjunction))
            self._kept.put(conjunction, kept)
        return kept

    def _piecewise(self, examples: Array, conjunction: Conjunction) -> Array:
        """The covered ones of some examples, in halves where a join is too large to hold; only live variables are kept."""
        bindings, sizes = self._start(examples), self._sizes(conjunction)
        for k, literal in enumerate(conjunction[:-1]):
            index, groups = self._look_up(bindings, literal)
            if index.counts[groups].sum() > self.max_groundings and len(examples) > 1:
                half = len(examples) // 2
                return np.concatenate(
                    [self._piecewise(part, conjunction) for part in (examples[:half], examples[half:])]
                )
            live = {v for later in conjunction[k + 1 :] for v in later.variables}
            # One example alone can have more groundings than fit: of each part only the distinct live ones are kept.
            part = np.cumsum(index.counts[groups]) // self.max_groundings
            cuts = [0, *(np.flatnonzero(np.diff(part)) + 1), len(part)]
            pieces = [
                self._live(self._join(bindings.between(a, b), literal, live), live, sizes) for a, b in pairwise(cuts)
            ]
            bindings = pieces[0] if len(pieces) == 1 else self._live(_stacked(pieces), live, sizes)
        return np.unique(bindings.example[self._matches(bindings, conjunction[-1])])

    def _live(self, joined: _Bindings, live: set[int], sizes: Mapping[int, int]) -> _Bindings:
        return _project(joined, tuple(sorted(live & joined.columns.keys())), sizes)

    def _sizes(self, conjunction: Conjunction) -> Mapping[int, int]:
        types = variable_types(self.facts, self.head, conjunction)
        return {v: len(self.facts.constants[kind]) for v, kind in types.items()}

    def _look_up(self, bindings: _Bindings, literal: Literal) -> tuple[FactIndex, Array]:
        """The index of a literal's bound places, and the group of facts that fits each binding."""
        types = self.facts.schema[literal.predicate].types
        bound = tuple(k for k, arg in enumerate(literal.args) if isinstance(arg, str) or arg in bindings.columns)
        key = literal.predicate, bound
        if key not in self._indices:
            sizes = [len(self.facts.constants[types[k]]) for k in bound]
            self._indices[key] = FactIndex(self.facts.rows[literal.predicate], bound, sizes)
        n = len(bindings.example)
        columns = []
        for k in bound:
            arg = literal.args[k]
            constant = np.full(n, self.facts.number(types[k], arg)) if isinstance(arg, str) else None
            columns.append(bindings.columns[int(arg)] if constant is None else constant)
        return self._indices[key], self._indices[key].groups(columns, n)

    def _matches(self, bindings: _Bindings, literal: Literal) -> Array:
        """Bool array: the bindings for which the literal has a fact."""
        index, groups = self._look_up(bindings, literal)
        new = [v for v in literal.variables if v not in bindings.columns]
        if len(new) == len(set(new)):
            return index.counts[groups] > 0
        position, fact = index.facts(groups)  # a new variable twice: the facts themselves have to be looked at
        mask = np.zeros(len(groups), dtype=bool)
        mask[position[self._equal(literal, new, fact)]] = True
        return mask

    def _equal(self, literal: Literal, new: Sequence[int], facts: Array) -> Array:
        """The facts that have one constant wherever a new variable stands."""
        rows = self.facts.rows[literal.predicate][facts]
        fits = np.ones(len(facts), dtype=bool)
        for variable in set(new):
            first, *others = (k for k, arg in enumerate(literal.args) if arg == variable)
            for other in others:
                fits &= rows[:, first] == rows[:, other]
        return fits

    def _join(self, bindings: _Bindings, literal: Literal, live: set[int] | None) -> _Bindings:
        """The bindings that a literal leaves, with its new variables; only the live ones if they are given."""
        new = [v for v in literal.variables if v not in bindings.columns]
        if not new or (live is not None and not live & set(new)):
            held = self._matches(bindings, literal)
            return _Bindings(bindings.example[held], {v: c[held] for v, c in bindings.columns.items()})
        index, groups = self._look_up(bindings, literal)
        position, fact = index.facts(groups)
        if len(new) != len(set(new)):
            fits = self._equal(literal, new, fact)
            position, fact = position[fits], fact[fits]
        columns = {v: c[position] for v, c in bindings.columns.items() if live is None or v in live}
        rows = self.facts.rows[literal.predicate]
        for place, arg in enumerate(literal.args):
            if isinstance(arg, int) and arg in new and (live is None or arg in live):
                columns[arg] = rows[fact, place]
        return _Bindings(bindings.example[position], columns)


def _project(bindings: _Bindings, variables: tuple[int, ...], sizes: Mapping[int, int]) -> _Bindings:
    """The distinct bindings of some of the variables."""
    key = bindings.example
    for variable in variables:
        combined = key * sizes[variable] + bindings.columns[variable]
        key = np.unique(combined, return_inverse=True)[1]
    first = np.unique(key, return_index=True)[1]
    return _Bindings(bindings.example[first], {v: bindings.columns[v][first] for v in variables})
