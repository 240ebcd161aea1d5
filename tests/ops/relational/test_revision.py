"""Trees carried over, pruned and expanded: each step by hand on a few facts."""

from __future__ import annotations

import numpy as np
import pytest

from kinships import family
from transferkit.core.clauses import Literal, Node, leaves, tree_rules
from transferkit.core.predicate_map import Match, PredicateMap
from transferkit.core.relational import Facts, Predicate, RelationalRows
from transferkit.ops.relational.carrying import Boosting, Carrier, carry_model
from transferkit.ops.relational.coverage import Grounder
from transferkit.ops.relational.mapping import Search
from transferkit.ops.relational.refinement import default_modes
from transferkit.ops.relational.revision import count_tests, expand_tree, prune_tree
from transferkit.ops.relational.trees import Growth

SOURCE = {name: Predicate(name, ("x",)) for name in ("head", "one", "two", "three")}


def lit(name, *args):
    return Literal(name, args or (0,))


def tree(test, yes, no):
    return Node(0.0, 0.0, (test,) if isinstance(test, Literal) else test, yes, no)


@pytest.fixture
def world():
    """Eight atoms of p(k); "low" holds for four of them, "even" for four, "all" for all, "none" for none."""
    constants = [f"c{k}" for k in range(8)]
    records = {
        "low": [(c,) for c in constants[:4]], "even": [(c,) for c in constants[::2]], "all": [(c,) for c in constants],
        "none": [],
    }  # fmt: skip
    schema = {**dict.fromkeys(records, ("k",)), "p": ("k",)}
    facts = Facts.from_records(records, schema)
    rows = RelationalRows.from_records(facts, "p", [(c,) for c in constants])
    return Grounder(rows), {name: p for name, p in facts.schema.items() if name != "p"}, np.arange(8)


def carrier_of(world, search, **given):
    grounder, target, _ = world
    start = PredicateMap({}, {}).extended(Match(SOURCE["head"], Predicate("p", ("k",)), (0,)))
    for name, other in given.items():
        start = start.extended(Match(SOURCE[name], target[other] if other else None, (0,) if other else ()))
    return Carrier(grounder, SOURCE, target, start, search)


def test_the_match_that_splits_best_is_taken_and_kept(world):
    gradients = np.where(np.arange(8) < 4, 1.0, 0.0)
    carrier = carrier_of(world, Search())
    found = carrier.carry(tree(lit("one"), Node(9.0), Node(8.0)), world[2], gradients)
    assert found.test == (lit("low"),)
    assert (found.yes.value, found.no.value) == (1.0, 0.0)
    # Even numbers split the next gradients, but "one" is "low" by now; a new predicate may be "even".
    even = np.where(np.arange(8) % 2 == 0, 1.0, 0.0)
    found = carrier.carry(tree(lit("one"), Node(0.0), tree(lit("two"), Node(0.0), Node(0.0))), world[2], even)
    assert found.test == (lit("low"),)
    assert found.no.test == (lit("even"),)
    assert carrier.map.describe() == ["p(k) <- head(x)", "low(k) <- one(x)", "even(k) <- two(x)"]
    assert carrier.uses == {"one": 2, "two": 1}


def test_nothing_is_settled_where_no_match_splits(world):
    carrier = carrier_of(world, Search())
    found = carrier.carry(tree(lit("one"), Node(1.0), Node(2.0)), np.array([0]), np.ones(8))
    assert found.is_leaf
    assert found.value == 1.0
    assert "one" not in carrier.map.matches
    nobody = tree(lit("two"), tree(lit("one"), Node(1.0), Node(2.0)), Node(3.0))  # no example comes to "one"
    carrier_of(world, Search(), two="none").carry(nobody, world[2], np.arange(8.0))
    found = carrier.carry(tree(lit("one"), Node(1.0), Node(2.0)), world[2], np.arange(8.0))
    assert found.test == (lit("low"),)


def test_a_test_that_is_dropped_gives_way_to_its_branches(world):
    carrier = carrier_of(world, None, one=None, two="even", three="low")
    source = tree(lit("one"), tree(lit("two"), Node(1.0), Node(2.0)), tree(lit("three"), Node(3.0), Node(4.0)))
    found = carrier.carry(source, world[2], np.arange(8.0))
    assert found.test == (lit("even"),)
    assert found.no.test == (lit("low"),)
    assert [leaf.value for _, leaf in leaves(found)] == [3.0, 2.0, 6.0]  # means of 0 2 4 6, of 1 3, of 5 7
    kept = carrier.rewrite(
        source
    )  # without labels the source's values stay; "no" of the tree is at the end of the failed
    assert [leaf.value for _, leaf in leaves(kept)] == [1.0, 3.0, 4.0]


def test_pruning_by_hand(world):
    grounder, _, rows = world
    noise = np.array([0, 1, 0, 1, 1, 0, 1, 0.0])
    good = tree(lit("low"), Node(1.0), Node(0.0))
    step = np.where(rows < 4, 1.0, 0.0)
    assert prune_tree(grounder, good, rows, step, 0.0025) == good
    assert prune_tree(grounder, good, rows, noise, 0.0025).is_leaf  # both leaves vary by 0.25
    half = np.where(rows < 4, 1.0, noise)
    assert prune_tree(grounder, good, rows, half, 0.0025) == good  # one of them is pure
    assert prune_tree(grounder, tree(lit("all"), good, Node(5.0)), rows, step, 0.0025) == good
    assert prune_tree(grounder, tree(lit("none"), Node(5.0), good), rows, step, 0.0025) == good
    deep = tree(lit("low"), tree(lit("even"), Node(0.0), Node(0.0)), Node(0.0))
    assert prune_tree(grounder, deep, rows, np.where(rows < 4, noise, 0.0), 0.0025).yes.test == (lit("even"),)
    mixed = np.array([0, 0, 1, 1, 0, 0, 1, 1.0])  # neither test helps: the lower leaves go first, and then the root's
    assert prune_tree(grounder, deep, rows, mixed, 0.0025).is_leaf


def test_expanding_grows_where_a_leaf_is_not_good_and_nowhere_else(world):
    grounder, target, rows = world
    modes = default_modes(target)
    growth = Growth(min_leaf=1.0, min_share=0.0)
    gradients = np.where(rows < 4, 1.0, np.where(rows % 2 == 0, 0.5, 0.0))
    found = expand_tree(grounder, tree(lit("low"), Node(0.0), Node(0.0)), rows, gradients, modes, growth)
    assert found.yes.is_leaf
    assert found.yes.value == 1.0
    assert found.no.test == (lit("even"),)
    assert (found.no.yes.value, found.no.no.value) == (0.5, 0.0)
    full = Growth(max_tests=1, min_leaf=1.0, min_share=0.0)
    assert count_tests(expand_tree(grounder, tree(lit("low"), Node(0.0), Node(0.0)), rows, gradients, modes, full)) == 1
    at_depth = Growth(max_depth=1, min_leaf=1.0, min_share=0.0)
    assert count_tests(expand_tree(grounder, found, rows, gradients, modes, at_depth)) == 2


def test_a_revision_is_kept_only_where_the_likelihood_rises():
    kin = family(3)
    rows = kin.rows()
    grounder, modes = Grounder(rows), default_modes(rows.facts.schema, {"grandparent"})
    person = {"female": Predicate("woman", ("person",)), "parent": Predicate("made", ("person", "person"))}
    source = {p.name: p for p in (Predicate("ancestor", ("person", "person")), *person.values())}
    start = PredicateMap({}, {}).extended(Match(source["ancestor"], rows.predicate, (0, 1)))
    for name, other in person.items():
        start = start.extended(Match(other, rows.facts.schema[name], tuple(range(other.arity))))
    right = tree((lit("made", 0, 2), lit("made", 2, 1)), Node(1.0), Node(0.0))
    wrong = tree(lit("woman", 0), Node(1.0), Node(0.0))
    target = {name: rows.facts.schema[name] for name in person}
    boosting = Boosting(3, -1.8, None, 0)
    results = {}
    for name, source_tree in (("right", right), ("wrong", wrong)):
        carrier = Carrier(grounder, source, target, start, None)
        results[name] = carry_model([source_tree] * 3, carrier, kin.y, modes, Growth(), boosting, 3)
    trees, n_revised = results["right"]
    assert n_revised == 0  # it is exact already
    assert [t.test for t in trees] == [(lit("parent", 0, 2), lit("parent", 2, 1))] * 3
    trees, n_revised = results["wrong"]
    assert n_revised >= 1
    assert any("parent(A, C), parent(C, B)" in rule for t in trees for rule in tree_rules("grandparent", 2, t))
