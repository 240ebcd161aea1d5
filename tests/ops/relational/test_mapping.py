"""Maps between predicates: types are never broken, arguments may change places, and empty tests give way to their branches."""

from __future__ import annotations

from itertools import product

import pytest

from transferkit.core.clauses import Literal, Node
from transferkit.core.errors import DomainError
from transferkit.core.predicate_map import Match, PredicateMap
from transferkit.core.relational import Predicate
from transferkit.ops.relational.mapping import Search, legal_maps, promote, read_map


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


def test_only_predicates_of_the_settled_types_are_legal():
    found = {m.matches["actor"].target.name for m in legal_maps(START, ["actor"], SOURCE, REST, Search())}
    assert found == {"student", "professor"}  # course has another type
    movies = [m.matches["movie"] for m in legal_maps(START, ["movie"], SOURCE, REST, Search())]
    # movie(m, p): the second argument is a person, so member(h, j) fits with its arguments exchanged; same(h, h) fits both ways.
    assert {(m.target.name, m.places) for m in movies} == {
        ("publication", (0, 1)), ("member", (1, 0)), ("same", (0, 1)), ("same", (1, 0)),
    }  # fmt: skip
    straight = [m.matches["movie"] for m in legal_maps(START, ["movie"], SOURCE, REST, Search(permute=False))]
    assert {(m.target.name, m.places) for m in straight} == {("publication", (0, 1)), ("same", (0, 1))}


def test_every_legal_map_is_one_that_brute_force_allows_and_the_other_way_round():
    names = ["actor", "director", "movie"]
    for permute, share in product([True, False], repeat=2):
        found = {_key(m, names) for m in legal_maps(START, names, SOURCE, REST, Search(permute=permute, share=share))}
        expected = set()
        for choice in product(REST.values(), repeat=3):
            for flip in [False, True] if permute else [False]:
                types, fits = {"p": "h"}, share or len({c.name for c in choice}) == 3
                key = []
                for name, target in zip(names, choice, strict=True):
                    places = tuple(range(SOURCE[name].arity))[:: -1 if flip else 1]
                    fits = fits and target.arity == len(places)
                    for place, kind in zip(places, target.types, strict=False):
                        fits = fits and types.setdefault(SOURCE[name].types[place], kind) == kind
                    key.append((target.name, places))
                if fits:
                    expected.add(tuple(key))
        assert found == expected
        assert found


def _key(found, names):
    return tuple((found.matches[n].target.name, found.matches[n].places) for n in names)


def test_a_predicate_that_nothing_fits_is_dropped_and_one_that_fits_only_when_asked():
    (only,) = legal_maps(START, ["genre"], SOURCE, {"student": REST["student"]}, Search())
    assert only.matches["genre"].target is None
    assert str(only.matches["genre"]) == "nothing <- genre(p, g)"
    found = [m.matches["actor"].target for m in legal_maps(START, ["actor"], SOURCE, REST, Search(drop=True))]
    assert [None if t is None else t.name for t in found] == ["professor", "student", None]


def test_one_target_predicate_stands_for_one_source_predicate_unless_shared():
    names = ["actor", "director"]
    apart = {_key(m, names) for m in legal_maps(START, names, SOURCE, REST, Search())}
    assert {(a[0], b[0]) for a, b in apart} == {("student", "professor"), ("professor", "student")}
    shared = {_key(m, names) for m in legal_maps(START, names, SOURCE, REST, Search(share=True))}
    assert len(shared) == 4


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
