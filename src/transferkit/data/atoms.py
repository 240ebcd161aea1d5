"""Ground atoms as they were read, whatever they were read from; which of them hold, and what types their arguments have."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import DataError, DomainError
from ..core.relational import Predicate, constant_text
from .encodings import to_utf8

__all__ = ["Collector", "Records", "Schema", "checked_schema", "infer_types", "join_records", "text_of"]

Atoms = dict[str, list[tuple[str, ...]]]
Schema = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Records:
    """Ground atoms as they were read, repetitions too.

    Attributes
    ----------
    positive : dict of str to list of tuple of str
        By predicate, the arguments of the atoms that hold.
    negative : dict of str to list of tuple of str
        Those that are stated not to hold.
    origin : str
        What messages call them.
    """

    positive: Atoms = field(default_factory=dict)
    negative: Atoms = field(default_factory=dict)
    origin: str = "facts"


class Collector:
    """Gathers atoms and holds each against the arity that its predicate had before."""

    def __init__(self, origin: str, schema: Schema | None) -> None:
        self.origin, self.schema = origin, checked_schema(schema, origin)
        self.positive: Atoms = {}
        self.negative: Atoms = {}
        self.arity = {name: len(types) for name, types in (schema or {}).items()}

    def add(self, name: str, args: Sequence[Any], negative: bool, place: str) -> None:
        if self.schema is not None and name not in self.schema:
            raise DataError(f"{place}: {name} must be a predicate of the schema ({', '.join(self.schema)}).")
        if self.arity.setdefault(name, len(args)) != len(args):
            raise DataError(f"{place}: {name} must have {self.arity[name]} arguments as elsewhere. Got {len(args)}.")
        try:
            texts = tuple([constant_text(name, arg) for arg in args])
        except DomainError as err:
            raise DataError(
                f"{place}: every argument must be filled, with a text, a number or a date. Got {tuple(args)!r}."
            ) from err
        (self.negative if negative else self.positive).setdefault(name, []).append(texts)

    def records(self) -> Records:
        return Records(self.positive, self.negative, self.origin)


def checked_schema(schema: Schema | None, origin: str) -> dict[str, tuple[str, ...]] | None:
    """A schema with tuples of types.

    Raises
    ------
    DataError
        If a predicate's types are not at least one name in a tuple or list.
    """
    try:
        return None if schema is None else {name: Predicate(name, types).types for name, types in schema.items()}  # type: ignore[arg-type]
    except DomainError as err:
        raise DataError(f"{origin}: the schema must hold the types of each predicate. {err}") from err


def join_records(parts: Sequence[Records]) -> Records:
    """The atoms of several records in one; what holds in one of them is no negative of another.

    Raises
    ------
    DataError
        If a predicate has another arity in another of them.
    """
    collector = Collector(" + ".join(part.origin for part in parts), None)
    for part in parts:
        for negative, atoms in enumerate((part.positive, part.negative)):
            for name, rows in atoms.items():
                for args in rows:
                    collector.add(name, args, bool(negative), part.origin)
    for name, rows in collector.negative.items():
        holds = set(collector.positive.get(name, ()))
        rows[:] = [args for args in rows if args not in holds]
    return collector.records()


def infer_types(records: Records) -> dict[str, tuple[str, ...]]:
    """Types of arguments from shared constants: two places are of one type where a constant stands in both.

    A type is called after its first place, as in ``movie.2``. It is a guess: a constant that means two things (a year and
    a number) makes one type of two, and two places of one type that share no constant stay apart. Give the schema where
    it is known.

    Returns
    -------
    schema : dict of str to tuple of str

    Examples
    --------
    >>> from transferkit.data.relational import infer_types, parse_prolog
    >>> infer_types(parse_prolog("movie(oceans, pitt). actor(pitt). led(pitt, lee)."))
    {'actor': ('actor.1',), 'led': ('actor.1', 'led.2'), 'movie': ('movie.1', 'actor.1')}
    """
    places: dict[tuple[str, int], set[str]] = {}
    for atoms in (records.positive, records.negative):
        for name, rows in atoms.items():
            for k in range(len(rows[0]) if rows else 0):
                places.setdefault((name, k), set()).update(args[k] for args in rows)
    root = {place: place for place in places}

    def find(place: tuple[str, int]) -> tuple[str, int]:
        while root[place] != place:
            place = root[place]
        return place

    seen: dict[str, tuple[str, int]] = {}
    for place in sorted(places):
        for constant in places[place]:
            a, b = sorted((find(seen.setdefault(constant, place)), find(place)))
            root[b] = a
    roots = {place: find(place) for place in places}
    names = {place: f"{name}.{k + 1}" for place, (name, k) in roots.items()}
    predicates = sorted({name for name, _ in places})
    return {p: tuple(names[p, k] for k in range(sum(q == p for q, _ in places))) for p in predicates}


def text_of(path: Path) -> str:
    """A file's text, unpacked where it ends in ``.gz``.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as err:
        raise DataError(f"{path}: cannot be read ({err}).") from err
    return to_utf8(raw, str(path)).decode("utf-8").lstrip("\ufeff")
