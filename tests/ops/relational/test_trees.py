"""Splits by hand, refinements under modes, trees that stop where they have to, new values for old tests."""

from itertools import pairwise, product

import numpy as np
import pytest

from transferkit import ParamError
from transferkit.core.clauses import Literal, Node, leaves
from transferkit.core.relational import Facts, Predicate, RelationalRows
from transferkit.ops.relational.coverage import Grounder
from transferkit.ops.relational.refinement import Mode, default_modes, parse_modes, refinements
from transferkit.ops.relational.trees import (
    Growth,
    best_split,
    grow_tree,
    leaf_of,
    least_errors,
    refit_tree,
    squared_errors,
)

SCHEMA = {"target": ("x",), "red": ("x",), "big": ("x",), "next": ("x", "x"), "of": ("x", "place", "day")}


def world(records, names):
    return Grounder(RelationalRows.from_records(Facts.from_records(records, SCHEMA), "target", [(n,) for n in names]))


def lit(text):
    """``lit("next(0, 1)")``"""
    name, args = text[:-1].split("(")
    return Literal(name, tuple(int(a) for a in args.split(",")))


def test_the_error_of_a_split_by_hand():
    g, w = np.array([1.0, 3.0, 5.0, 11.0]), np.array([1.0, 1.0, 2.0, 1.0])
    passed = np.array([[1, 1, 0, 0], [1, 0, 0, 1], [1, 1, 1, 1], [1, 0, 0, 0]], dtype=bool)
    # {1, 3} | {5, 5, 11}: 2 + 24; {1, 11} | {3, 5, 5}: 50 + 8/3; nothing fails; {1} weighs too little for min_yes=2.
    found = squared_errors(passed, g, w, min_yes=2.0)
    np.testing.assert_allclose(found, [26.0, 50 + 8 / 3, np.inf, np.inf])
    assert squared_errors(passed, g, w)[3] == pytest.approx(36.0)
    assert squared_errors(passed, g, w, min_no=3.5).tolist() == [np.inf, np.inf, np.inf, pytest.approx(36.0)]


def test_no_part_of_what_passes_splits_better_than_the_bound_and_one_splits_as_well():
    rng = np.random.default_rng(0)
    g = np.append(rng.normal(size=7), 0.3)
    for passed in rng.random((6, 8)) < 0.6:
        parts = np.array([part for part in product([False, True], repeat=8) if not (np.array(part) & ~passed).any()])
        errors = squared_errors(parts, g, np.ones(8))
        assert least_errors(passed[None], g)[0] == pytest.approx(errors.min())
    assert least_errors(np.zeros((1, 8), dtype=bool), g)[0] == np.inf
    assert least_errors(np.ones((1, 1), dtype=bool), g[:1])[0] == np.inf  # one example cannot be split


def test_of_equal_tests_the_one_with_the_fewest_loose_variables():
    """Whoever is red has a place and a successor: red(A) asks for nothing more, and is the last by name."""
    names, red = list("abcdefgh"), list("abcd")
    records = {"red": red, "next": [(x, x) for x in red], "of": [(x, "home", "mon") for x in red]}
    grounder = world(records, names)
    g = np.array([n in red for n in names]) - 0.5
    modes = parse_modes(["of(+x, -place, -day)", "next(+x, -x)", "red(+x)"], grounder.facts.schema)
    for left, best in ((modes, "red(A)"), (modes[:2], "next(A, B)"), (modes[1:2], "of(A, B, C)")):
        split = best_split(grounder, (), np.arange(8), g, np.ones(8), left, Growth())
        assert [str(x) for x in split.test] == [best]


def test_refinements_are_what_modes_and_types_allow():
    facts = Facts.from_records({"of": [("a", "home", "mon"), ("b", "work", "mon")]}, SCHEMA)
    types = {0: "x", 1: "place"}
    found = [str(x) for x in refinements(facts, default_modes(facts.schema, {"target", "of"}), types, [0, 1])]
    assert found == ["big(A)", "next(A, A)", "next(A, C)", "next(C, A)", "red(A)"]
    some = parse_modes(["of(+x, #place, -day)", "of(+x,+place,-day)."], facts.schema)
    assert [str(x) for x in refinements(facts, some, types, [0, 1])] == [
        'of(A, "home", C)',
        'of(A, "work", C)',
        "of(A, B, C)",
    ]
    assert [str(x) for x in refinements(facts, some, types, [0])] == ['of(A, "home", C)', 'of(A, "work", C)']
    assert len(default_modes({"of": Predicate("of", ("x", "place", "day"))})) == 7


@pytest.mark.parametrize("text", ["next(x, x)", "next(+x)", "none(+x)", "next(+x, +y)", "next", "red(+x), big(+x)"])
def test_a_mode_that_cannot_be_read_is_named(text):
    with pytest.raises(ParamError, match=r"^parse_modes: modes must .*Got '"):
        parse_modes([text], Facts.from_records({}, SCHEMA).schema)


def test_the_best_test_may_need_two_literals():
    """x is positive where its successor is red: next(A, B) alone says nothing, it holds of all."""
    names = [f"n{k}" for k in range(12)]
    records = {"next": list(zip(names, [*names[1:], names[0]])), "red": [(n,) for n in names[1:6]], "big": [("n1",)]}
    grounder = world(records, names)
    g = np.array([1.0] * 5 + [-1.0] * 7)
    modes = default_modes(grounder.facts.schema, {"target"})
    split = best_split(grounder, (), np.arange(12), g, np.ones(12), modes, Growth())
    assert split.test == (lit("next(0,1)"), lit("red(1)"))
    assert split.error == pytest.approx(0)
    assert split.passed.tolist() == (g > 0).tolist()
    alone = best_split(grounder, (), np.arange(12), g, np.ones(12), modes, Growth(node_size=1))
    assert alone.test == (lit("red(0)"),)
    assert best_split(grounder, (), np.arange(12), np.ones(12), np.ones(12), modes, Growth()) is None


def test_weights_decide():
    names = list("abcdef")
    grounder = world({"red": [("a",), ("b",)], "big": [("c",), ("d",)]}, names)
    g, modes = np.array([1.0, 1, -1, -1, 0, 0]), [Mode("big", ("+",)), Mode("red", ("+",))]
    growth = Growth(min_leaf=1)
    for w, first in (([9.0, 9, 1, 1, 3, 3], "red"), ([1.0, 1, 9, 9, 3, 3], "big")):
        assert best_split(grounder, (), np.arange(6), g, np.array(w), modes, growth).test[0].predicate == first


def tree_of(growth, n=24, **records):
    names = [f"n{k}" for k in range(n)]
    grounder = world({name: [(names[i],) for i in rows] for name, rows in records.items()}, names)
    g = np.array([4.0 * (k < 12) + (k % 2) for k in range(n)])
    return (
        grounder,
        g,
        grow_tree(grounder, np.arange(n), g, np.ones(n), default_modes(grounder.facts.schema, {"target"}), growth),
    )


def test_a_tree_grows_where_the_error_is_largest():
    records = {"red": range(12), "big": range(0, 24, 2)}
    grounder, g, tree = tree_of(Growth(), **records)
    np.testing.assert_allclose(grounder.values(tree), g)
    assert len(list(leaves(tree))) == 4
    assert tree.weight == 24
    assert tree.value == pytest.approx(g.mean())
    assert tree_of(Growth(max_tests=1), **records)[2].yes.is_leaf
    assert tree_of(Growth(max_depth=1), **records)[2].yes.is_leaf
    assert len(list(leaves(tree_of(Growth(max_tests=2), **records)[2]))) == 3
    assert tree_of(Growth(min_variance=9, min_leaf=13), **records)[2].is_leaf
    assert leaf_of(grounder, tree).tolist() == [
        0 if k < 12 and k % 2 == 0 else 1 if k < 12 else 2 + k % 2 for k in range(24)
    ]


def test_a_subtree_is_grown_below_what_holds_already():
    names = [f"n{k}" for k in range(12)]
    grounder = world({"next": list(pairwise(names)), "red": [(n,) for n in names[1:6]]}, names)
    g = np.array([1.0] * 5 + [-1.0] * 6 + [0])
    modes = default_modes(grounder.facts.schema, {"target"})
    below = grow_tree(grounder, np.arange(11), g, np.ones(12), modes, Growth(node_size=1), path=(lit("next(0,1)"),))
    assert below.test == (lit("red(1)"),)
    assert below.yes.weight == 5


def test_new_values_for_the_same_tests():
    grounder, g, tree = tree_of(Growth(), red=range(12), big=range(0, 24, 2))
    again = refit_tree(grounder, tree, np.arange(24), -g, np.ones(24))
    np.testing.assert_allclose(grounder.values(again), -g)
    some = refit_tree(
        grounder, tree, np.arange(12), g, np.ones(24)
    )  # red ones only: the others get the mean above them
    assert [leaf.value for _, leaf in leaves(some)] == pytest.approx([4.0, 5.0, 4.5, 4.5])
    assert [leaf.weight for _, leaf in leaves(some)] == [6, 6, 0, 0]
    assert refit_tree(grounder, Node(9.0), np.arange(2), g, np.ones(24)).value == pytest.approx(4.5)
