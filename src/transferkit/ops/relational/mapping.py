"""Predicates of one domain in place of those of another: which maps the types allow, and maps that somebody wrote down."""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from ...core.clauses import Node, variable_name
from ...core.errors import DomainError
from ...core.predicate_map import Match, PredicateMap
from ...core.protocols import Array
from ...core.relational import Predicate

__all__ = ["Search", "best_map", "promote", "read_map"]


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
    most : int
        Maps to look at for one test; of more, those with the best prospects.
    """

    permute: bool = True
    drop: bool = False
    share: bool = False
    most: int = 5000


# For each of some maps the squared error of the test that it makes, and what any map that extends it leaves at least.
Judge = Callable[[Sequence[PredicateMap]], tuple[Array, Array]]


def best_map(
    start: PredicateMap,
    names: Sequence[str],
    source: Mapping[str, Predicate],
    target: Mapping[str, Predicate],
    search: Search,
    judge: Judge,
) -> PredicateMap | None:
    """Of all legal maps the one with the least error, found best first; None where no map has a finite one.

    A map is legal if its types agree, and if nothing fits beside the others what is dropped. Predicates are settled one after
    the other. The map that promises the least error goes on; one that promises more than the best has does not.

    Parameters
    ----------
    start : PredicateMap
        What is settled.
    names : sequence of str
        Predicates of the source without a match yet, in the order of settling: it does not change which maps are legal.
    source, target : mapping of str to Predicate
        The schemas; of the target's, those that may be used.
    search : Search
        Which matches to look at, and how many. Of equal maps the first by the names of the target's predicates wins.
    judge : callable
        From maps to their errors and bounds.
    """
    new = [source[name] for name in names]
    nothing = start
    for predicate in new:
        nothing = _dropped(nothing, predicate)
    if not search.drop and _is_legal(nothing, new, target, search):
        return nothing  # nothing fits any of them, here or later
    best: PredicateMap | None = None
    first: tuple[int, ...] = ()
    least, looked = np.inf, 0
    queue: list[tuple[float, int, float, tuple[int, ...], PredicateMap]] = [(0.0, 0, 0.0, (), start)]
    while queue and (best is None or looked < search.most):
        bound, _, _, choices, settled = heapq.heappop(queue)
        if bound > least:
            break
        longer = _extensions(settled, new[len(choices)], target, search)
        looked += len(longer)
        errors, bounds = (np.round(values, 9).tolist() for values in judge(longer))
        for k, (found, error, promised) in enumerate(zip(longer, errors, bounds, strict=True)):
            chosen = (*choices, k)
            if len(chosen) < len(new):
                if promised <= least and np.isfinite(promised):
                    # Of equal promises the longest map goes first: one that is complete bounds all others.
                    heapq.heappush(queue, (promised, -len(chosen), error, chosen, found))
            elif (best is None or (error, chosen) < (least, first)) and _is_legal(found, new, target, search):
                best, least, first = found, error, chosen
    return best if np.isfinite(least) else None


def _extensions(
    start: PredicateMap, predicate: Predicate, target: Mapping[str, Predicate], search: Search
) -> list[PredicateMap]:
    """The map with each match of one more predicate, and without it."""
    found = (start.extended(match) for match in _fitting(start, predicate, target, search))
    return [*(longer for longer in found if longer is not None), _dropped(start, predicate)]


def _dropped(start: PredicateMap, predicate: Predicate) -> PredicateMap:
    return PredicateMap({**start.matches, predicate.name: Match(predicate)}, start.types)


def _is_legal(found: PredicateMap, new: Sequence[Predicate], target: Mapping[str, Predicate], search: Search) -> bool:
    """Whether no new predicate is dropped that something fits."""
    left = (p for p in new if found.matches[p.name].target is None)
    return search.drop or not any(True for p in left for _ in _fitting(found, p, target, search))


def _fitting(
    start: PredicateMap, predicate: Predicate, target: Mapping[str, Predicate], search: Search
) -> Iterator[Match]:
    """Matches with free predicates of the target; types are compared once for all that have the same."""
    straight = tuple(range(predicate.arity))
    orders: dict[tuple[str, ...], list[tuple[int, ...]]] = {}
    for name in sorted(target.keys() - (set() if search.share else start.taken)):
        types = target[name].types
        if types not in orders:
            all_orders = permutations(straight) if search.permute else [straight]
            orders[types] = [p for p in all_orders if start.extended(Match(predicate, target[name], p)) is not None]
        for places in orders[types]:
            yield Match(predicate, target[name], places)


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
