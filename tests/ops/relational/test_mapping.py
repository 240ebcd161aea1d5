"""Maps between predicates: types are never broken, arguments may change places, and empty tests give way to their branches."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from transferkit.core.clauses import Literal, Node
from transferkit.core.errors import DomainError
from transferkit.core.predicate_map import Match, PredicateMap
from transferkit.core.relational import Predicate
from transferkit.ops.relational.mapping import Search, best_map, promote, read_map


def schema(*texts):
    found = {}
    for text in texts:
        name, _, types = text.rstrip(")").partition("(")
        found[name] = Predicate(name, tuple(types.split(",")))
    return found


SOURCE = schema("under(p,p)", "movie(m,p)", "actor(p)", "director(p)", "genre(p,g)")
TARGET = schema("adv(h,h)", "publication(t,h)", "student(h)", "professor(h)", "course(c)", "member(h,j)", "same(h,h)")
START = PredicateMap({}, {}).extended(Match(SOURCE["under"], TARGET["adv"], (0, 1)))
REST = {name: p for name, p in TARGET.items() if name != "adv"}


def test_the_rows_predicates_settle_a_type():
    assert START.types == {"p": "h"}
    assert START.describe() == ["adv(h, h) <- under(p, p)"]


def legal(names, search, target=REST):
    """All legal maps by brute force, as matches (name, places) or None for what is dropped; the first names go first."""
    return {key for key in _all(names, search, target) if search.drop or not _fits_more(key, names, search, target)}


def _all(names, search, target):
    keys = product(*([*_choices(target), None] for _ in names))
    return {key for key in keys if _agrees(key, names, search, target)}


def _choices(target):
    return [(name, places) for name, p in target.items() for places in permutations(range(p.arity))]


def _agrees(key, names, search, target):
    types, matched = {"p": "h"}, [m for m in key if m is not None]
    if not search.share and len({name for name, _ in matched}) < len(matched):
        return False
    for name, match in zip(names, key, strict=True):
        if match is None:
            continue
        places, kinds = match[1], target[match[0]].types
        if len(kinds) != SOURCE[name].arity or not (search.permute or list(places) == sorted(places)):
            return False
        if any(types.setdefault(SOURCE[name].types[p], kind) != kind for p, kind in zip(places, kinds, strict=True)):
            return False
    return True


def _fits_more(key, names, search, target):
    """Whether a match could stand in the place of some None."""
    more = ((*key[:k], m, *key[k + 1 :]) for k in range(len(key)) if key[k] is None for m in _choices(target))
    return any(_agrees(other, names, search, target) for other in more)


def _key(found, names):
    """The matches of a map; "?" where a predicate is not settled."""
    matches = [found.matches.get(name) for name in names]
    return tuple("?" if m is None else m.target and (m.target.name, m.places) for m in matches)


def found_by(names, errors, search, target=REST, bounds=None):
    """What the search finds if whole maps have these errors, and how many maps it looked at."""
    looked = []

    def judge(maps):
        keys = [_key(one, names) for one in maps]
        looked.extend(keys)
        return (
            np.array([errors.get(key, np.inf) for key in keys]),
            np.array([0.0 if bounds is None else bounds(key) for key in keys]),
        )

    best = best_map(START, names, SOURCE, target, search, judge)
    return None if best is None else _key(best, names), looked


@pytest.mark.parametrize("names", [["actor"], ["genre"], ["movie"], ["movie", "genre"], ["genre", "movie", "actor"]])
def test_of_all_legal_maps_the_best_is_found(names):
    """Against brute force, with random errors for all maps, legal or not: types, places, sharing and dropping."""
    for k, (permute, drop, share) in enumerate(product([True, False], repeat=3)):
        search, rng = Search(permute, drop, share), np.random.default_rng(k)
        every = _all(names, Search(True, True, True), REST) | _all(names, search, REST)
        allowed = sorted(legal(names, search), key=repr)
        assert allowed
        for _ in range(5):
            errors = dict(zip(sorted(every, key=repr), rng.permutation(len(every)) + 1.0, strict=True))
            wanted = min(allowed, key=errors.__getitem__)

            def bounds(key, errors=errors):
                """What the best completion leaves: the sharpest bound that there can be."""
                fits = [e for m, e in errors.items() if all(a in ("?", b) for a, b in zip(key, m, strict=True))]
                return min(fits, default=np.inf)

            loose, looked = found_by(names, errors, search)
            sharp, fewer = found_by(names, errors, search, bounds=bounds)
            assert loose == sharp == wanted
            assert len(fewer) <= len(looked)


def test_the_order_of_predicates_does_not_decide_which_is_dropped():
    """Both need member(h, j): whichever goes first, the map that leaves the least error has it."""
    target = {"member": REST["member"]}
    maps = legal(["genre", "movie"], Search(), target)
    assert maps == {(("member", (0, 1)), None), (None, ("member", (1, 0)))}
    for wanted, order in product(["genre", "movie"], [["genre", "movie"], ["movie", "genre"]]):
        place = order.index(wanted)
        errors = {key: 2.0 if key[place] is None else 1.0 for key in legal(order, Search(), target)}
        found, _ = found_by(order, errors, Search(), target)
        assert found[place] is not None
        assert found[1 - place] is None


def test_a_predicate_that_nothing_fits_is_dropped_and_one_that_fits_only_when_asked():
    assert found_by(["genre"], {}, Search(), {"student": REST["student"]}) == ((None,), [])
    errors = {(("student", (0,)),): 2.0, (None,): 1.0}
    assert found_by(["actor"], errors, Search())[0] == (("student", (0,)),)
    assert found_by(["actor"], errors, Search(drop=True))[0] == (None,)
    assert found_by(["actor"], {}, Search())[0] is None  # no map splits anything


def test_of_equal_maps_the_first_by_name_and_then_the_arguments_in_their_places():
    same = dict.fromkeys(_all(["movie"], Search(), REST), 1.0)
    assert found_by(["movie"], same, Search())[0] == (("member", (1, 0)),)
    same = dict.fromkeys([k for k in same if k[0] and k[0][0] == "same"], 1.0)
    assert found_by(["movie"], same, Search())[0] == (("same", (0, 1)),)


def test_the_search_is_bounded_where_there_are_many_predicates():
    """A hundred relations between persons: 39,600 maps of two predicates. The planted one is found among a few hundred."""
    target = {f"r{k:02d}": Predicate(f"r{k:02d}", ("h", "h")) for k in range(100)}
    source = {"a": Predicate("a", ("p", "p")), "b": Predicate("b", ("p", "p"))}
    looked = []

    def judge(maps):
        looked.extend(maps)
        right = np.array([[m.matches.get(n) is not None and m.matches[n].target == target[t] for n, t in
                           (("a", "r40"), ("b", "r70"))] for m in maps])  # fmt: skip
        return 3.0 - right.sum(axis=1), 2.0 - right.any(axis=1)

    best = best_map(START, ["a", "b"], source, target, Search(), judge)
    assert {name: m.target.name for name, m in best.matches.items() if name in "ab"} == {"a": "r40", "b": "r70"}
    assert len(looked) < 1000
    looked.clear()
    hopeless = best_map(START, ["a", "b"], source, target, Search(most=500),
                        lambda maps: (judge(maps)[0] * 0 + 1, np.zeros(len(maps))))  # fmt: skip
    assert hopeless is not None
    assert len(looked) < 800
    looked.clear()
    useless = best_map(START, ["a", "b"], source, target, Search(most=500),
                       lambda maps: (judge(maps)[0] + np.inf, np.zeros(len(maps))))  # fmt: skip
    assert useless is None, "no map splits anything"
    assert len(looked) < 800


def test_literals_exchange_arguments_and_constants_are_not_carried():
    found = START.extended(Match(SOURCE["movie"], TARGET["member"], (1, 0)))
    assert found.literal(Literal("movie", (2, 0))) == Literal("member", (0, 2))
    assert found.literal(Literal("movie", ("jaws", 0))) is None
    assert found.literal(Literal("actor", (0,))) is None
    assert found.test([Literal("movie", (2, 0)), Literal("actor", (0,))]) == (Literal("member", (0, 2)),)
    assert str(found.matches["movie"]) == "member(B: h, A: j) <- movie(A: m, B: p)"


def leaf(value):
    return Node(value)


def node(name, yes, no):
    return Node(0.0, 0.0, (Literal(name, (0,)),), yes, no)


def test_promotion_takes_yes_and_sends_no_to_the_end_of_the_failed_tests():
    no = node("d", leaf(5), leaf(6))
    assert promote(node("a", leaf(1), no)) == no
    assert promote(node("a", leaf(1), leaf(2))) == leaf(2)
    yes = node("b", leaf(1), node("c", leaf(2), leaf(3)))
    assert promote(node("a", yes, leaf(9))) == yes
    assert promote(node("a", yes, no)) == node("b", leaf(1), node("c", leaf(2), no))


def test_a_written_map_is_read_and_held_against_types():
    found = read_map({"movie": "member(B, A)", "actor": "student", "genre": None}, START, SOURCE, TARGET)
    assert found.describe() == [
        "adv(h, h) <- under(p, p)", "member(B: h, A: j) <- movie(A: m, B: p)", "student(h) <- actor(p)",
        "nothing <- genre(p, g)",
    ]  # fmt: skip
    assert read_map({"under": "adv"}, START, SOURCE, TARGET).matches == START.matches
    for given, words in [
        ({"actor": "course"}, "agree with the types"),
        ({"movie": "member"}, "agree with the types"),
        ({"actor": "publication"}, "1 arguments of actor"),
        ({"movie": "member(A, A)"}, "2 arguments of movie"),
        ({"movie": "nobody"}, "predicates of the target"),
        ({"song": "student"}, "predicates of the source"),
        ({"under": "same"}, "agree with the types and the predicates of the rows"),
    ]:
        with pytest.raises(DomainError, match=words):
            read_map(given, START, SOURCE, TARGET)
