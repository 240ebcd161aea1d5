"""Predicates of one domain in place of those of another: which maps the types allow, and maps that somebody wrote down."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

from ...core.clauses import Node, variable_name
from ...core.errors import DomainError
from ...core.predicate_map import Match, PredicateMap
from ...core.relational import Predicate

__all__ = ["Search", "legal_maps", "promote", "read_map"]


@dataclass(frozen=True)
class Search:
    """Which matches are looked at.

    Parameters
    ----------
    permute : bool
        Whether arguments may change places.
    drop : bool
        Whether a literal may be dropped although there are predicates that fit.
    share : bool
        Whether two predicates of the source may become one of the target.
    """

    permute: bool = True
    drop: bool = False
    share: bool = False


def legal_maps(
    start: PredicateMap,
    names: Sequence[str],
    source: Mapping[str, Predicate],
    target: Mapping[str, Predicate],
    search: Search,
) -> Iterator[PredicateMap]:
    """All maps that extend one to further predicates of the source; a predicate that nothing fits is dropped.

    Parameters
    ----------
    start : PredicateMap
        What is settled.
    names : sequence of str
        Predicates of the source without a match yet.
    source, target : mapping of str to Predicate
        The schemas; of the target's, those that may be used.
    search : Search
        Which matches to look at.
    """
    if not names:
        yield start
        return
    predicate, *others = (source[name] for name in names)
    rest = [p.name for p in others]
    fitting = list(_fitting(start, predicate, target, search))
    for extended in fitting:
        yield from legal_maps(extended, rest, source, target, search)
    if search.drop or not fitting:
        dropped = start.extended(Match(predicate))
        assert dropped is not None
        yield from legal_maps(dropped, rest, source, target, search)


def _fitting(
    start: PredicateMap, predicate: Predicate, target: Mapping[str, Predicate], search: Search
) -> Iterator[PredicateMap]:
    taken = set() if search.share else start.taken
    for name in sorted(set(target) - taken):
        if target[name].arity != predicate.arity:
            continue
        orders: Iterable[tuple[int, ...]] = permutations(range(predicate.arity))
        for places in orders if search.permute else [tuple(range(predicate.arity))]:
            extended = start.extended(Match(predicate, target[name], places))
            if extended is not None:
                yield extended


def promote(node: Node) -> Node:
    """What stands in a node's place when its test is empty.

    If ``yes`` is a leaf, ``no`` takes its place; otherwise ``yes`` does, and ``no`` (if no leaf) goes to the end of its
    way of failed tests.
    """
    assert node.yes is not None
    assert node.no is not None
    if node.yes.is_leaf:
        return node.no
    return node.yes if node.no.is_leaf else _at_the_end(node.yes, node.no)


def _at_the_end(node: Node, last: Node) -> Node:
    return last if node.no is None else replace(node, no=_at_the_end(node.no, last))


def read_map(
    given: Mapping[str, str | None],
    start: PredicateMap,
    source: Mapping[str, Predicate],
    target: Mapping[str, Predicate],
    here: str = "read_map",
) -> PredicateMap:
    """A map that somebody wrote down.

    Parameters
    ----------
    given : mapping of str to str or None
        Predicate of the source to predicate of the target: its name, or ``"name(B, A)"`` where the letters are the
        source's arguments in order A, B, ...; None drops the literal.
    start : PredicateMap
        What is settled: the predicates of the rows.
    source, target : mapping of str to Predicate
        The schemas.
    here : str
        What messages begin with.

    Raises
    ------
    DomainError
        If a predicate is not in its schema, or the types do not agree.
    """
    found = start
    for name, text in given.items():
        if name not in source:
            raise DomainError(
                f"{here}: mapping must be of predicates of the source: {', '.join(source)}. Got {name!r}."
            )
        match = Match(source[name]) if text is None else _read_match(source[name], text, target, here)
        before = start.matches.get(name)
        extended = None if before is not None and before != match else found.extended(match)
        if extended is None:
            raise DomainError(
                f"{here}: mapping must agree with the types and the predicates of the rows"
                f" ({'; '.join(found.describe())}). Got {match}."
            )
        found = extended
    return found


def _read_match(predicate: Predicate, text: str, target: Mapping[str, Predicate], here: str) -> Match:
    parts = re.fullmatch(r"\s*([^\s()]+)\s*(?:\(([^()]*)\))?\s*", text)
    if parts is None or parts.group(1) not in target:
        raise DomainError(f"{here}: mapping must name predicates of the target: {', '.join(target)}. Got {text!r}.")
    letters = [variable_name(k) for k in range(predicate.arity)]
    order = letters if parts.group(2) is None else [part.strip() for part in parts.group(2).split(",")]
    if sorted(order) != letters or target[parts.group(1)].arity != predicate.arity:
        raise DomainError(
            f"{here}: mapping must hold the {predicate.arity} arguments of {predicate} once each. Got {text!r}."
        )
    return Match(predicate, target[parts.group(1)], tuple(letters.index(letter) for letter in order))
