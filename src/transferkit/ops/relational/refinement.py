"""Literals that may extend a conjunction: what modes and types allow."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from ...core.clauses import Literal
from ...core.errors import ParamError
from ...core.relational import Facts, Predicate

__all__ = ["Mode", "default_modes", "parse_modes", "refinements"]


@dataclass(frozen=True)
class Mode:
    """How a predicate may be added to a conjunction.

    Parameters
    ----------
    predicate : str
        Its name.
    signs : tuple of {"+", "-", "#"}
        For each place: a variable that there is already, a new variable, or a constant.
    """

    predicate: str
    signs: tuple[str, ...]


def default_modes(schema: Mapping[str, Predicate], without: Iterable[str] = ()) -> list[Mode]:
    """Every predicate, linked to the conjunction by one place at least; no constants."""
    names = sorted(set(schema) - set(without))
    return [Mode(name, signs) for name in names for signs in product("+-", repeat=schema[name].arity) if "+" in signs]


def parse_modes(texts: Sequence[str], schema: Mapping[str, Predicate], what: str = "parse_modes: modes") -> list[Mode]:
    """Modes as BoostSRL writes them: ``"movie(-movie, +person)"``; `what` is how messages begin.

    Raises
    ------
    ParamError
        If one cannot be read, names no predicate of the schema, or has other types than it.
    """
    found = []
    for text in texts:
        match = re.fullmatch(r"\s*(\w+)\s*\(([^()]*)\)\s*\.?\s*", text)
        places = [p.strip() for p in match.group(2).split(",")] if match else []
        signs = tuple(p[:1] for p in places)
        if match is None or not set(signs) <= {"+", "-", "#"}:
            raise ParamError(f"{what} must look like 'movie(-movie, +person)'. Got {text!r}.")
        predicate = schema.get(match.group(1))
        if predicate is None or tuple(p[1:].strip() for p in places) != predicate.types:
            known = ", ".join(str(p) for p in schema.values())
            raise ParamError(f"{what} must name predicates and types of {known}. Got {text!r}.")
        found.append(Mode(predicate.name, signs))
    return sorted(set(found), key=lambda m: (m.predicate, m.signs))


def refinements(
    facts: Facts, modes: Iterable[Mode], types: Mapping[int, str], usable: Iterable[int]
) -> Iterator[Literal]:
    """All literals that may come next, in the order of the modes; for ``#`` in that of the constants' numbers.

    Parameters
    ----------
    facts : Facts
        The schema, and the constants for ``#``.
    modes : iterable of Mode
        What is allowed.
    types : mapping of int to str
        The type of each variable there is; new ones are numbered from the next number on.
    usable : iterable of int
        Variables that a ``+`` may stand for.
    """
    usable, first = sorted(usable), max(types, default=-1) + 1
    for mode in modes:
        options: list[list[int | str]] = []
        new = first
        for place, (sign, kind) in enumerate(zip(mode.signs, facts.schema[mode.predicate].types)):
            if sign == "+":
                options.append([v for v in usable if types[v] == kind])
            elif sign == "-":
                options.append([new])
                new += 1
            else:
                codes = sorted(set(facts.rows[mode.predicate][:, place].tolist()))
                options.append([str(c) for c in facts.constants[kind][codes]])
        for args in product(*options):
            yield Literal(mode.predicate, args)
