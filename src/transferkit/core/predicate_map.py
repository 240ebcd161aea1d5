"""A map between the predicates of two domains: plain data that can be read, saved and written by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .clauses import Literal, variable_name
from .relational import Predicate

__all__ = ["Match", "PredicateMap"]


@dataclass(frozen=True)
class Match:
    """What stands for a predicate of the source.

    Parameters
    ----------
    source : Predicate
        The source's.
    target : Predicate or None
        The target's; None drops the literal.
    places : tuple of int
        For each argument of the target's predicate, the argument of the source's that is written there.
    """

    source: Predicate
    target: Predicate | None = None
    places: tuple[int, ...] = ()

    def __str__(self) -> str:
        if self.target is None:
            return f"nothing <- {self.source}"
        if self.places == tuple(range(len(self.places))):
            return f"{self.target} <- {self.source}"
        sides = []
        for predicate, places in ((self.target, self.places), (self.source, range(self.source.arity))):
            args = (f"{variable_name(p)}: {kind}" for p, kind in zip(places, predicate.types, strict=True))
            sides.append(f"{predicate.name}({', '.join(args)})")
        return " <- ".join(sides)


@dataclass(frozen=True)
class PredicateMap:
    """Matches that agree with each other: a type of the source is one type of the target wherever it occurs.

    Parameters
    ----------
    matches : dict of str to Match
        By the name of the source's predicate.
    types : dict of str to str
        Type of the source: type of the target.
    """

    matches: dict[str, Match]
    types: dict[str, str]

    def extended(self, match: Match) -> PredicateMap | None:
        """The map with one more match; None where the types do not agree with those before."""
        types = dict(self.types)
        if match.target is not None:
            if sorted(match.places) != list(range(match.source.arity)) or match.target.arity != match.source.arity:
                return None
            for place, kind in zip(match.places, match.target.types, strict=True):
                if types.setdefault(match.source.types[place], kind) != kind:
                    return None
        return PredicateMap({**self.matches, match.source.name: match}, types)

    def literal(self, literal: Literal) -> Literal | None:
        """A literal in the target's words; None where it is dropped, as one with a constant of the source always is."""
        match = self.matches.get(literal.predicate)
        if match is None or match.target is None or len(literal.variables) < len(literal.args):
            return None
        return Literal(match.target.name, tuple(literal.args[place] for place in match.places))

    def test(self, literals: Iterable[Literal]) -> tuple[Literal, ...]:
        """A conjunction in the target's words, without the literals that are dropped."""
        found = (self.literal(literal) for literal in literals)
        return tuple(dict.fromkeys(literal for literal in found if literal is not None))

    @property
    def taken(self) -> set[str]:
        """Names of the target's predicates that stand for some predicate already."""
        return {match.target.name for match in self.matches.values() if match.target is not None}

    def describe(self) -> list[str]:
        """One line a match, as in ``advisedby(person, person) <- workedunder(person, person)``."""
        return [str(match) for match in self.matches.values()]
