"""Facts and rows of atoms: nothing given twice, nothing leaks, strange names are fine."""

import numpy as np
import pytest

from transferkit import Domain, DomainError
from transferkit.core.clauses import Literal, Node, describe_tree, leaves, predicates_of, tree_rules, variable_name
from transferkit.core.relational import Facts, Predicate, RelationalRows

SCHEMA = {"parent": ("person", "person"), "taught": ("person", "course", "term"), "female": ("person",)}


def make():
    return Facts.from_records(
        {"parent": [("b", "c"), ("a", "b"), ("a", "b")], "taught": [("a", "maths", 1)], "female": ["c"]}, SCHEMA
    )


def test_facts_are_distinct_and_of_their_types():
    facts = make()
    assert facts.n_facts == 4
    assert facts.records("parent") == [("a", "b"), ("b", "c")]
    assert facts.records("taught") == [("a", "maths", "1")]
    assert facts.constants["person"].tolist() == ["a", "b", "c"]
    assert facts.constants["term"].tolist() == ["1"]
    assert str(facts.schema["taught"]) == "taught(person, course, term)"
    assert facts.schema["female"] == Predicate("female", ("person",))


def test_a_type_is_a_space_of_names_of_its_own():
    facts = Facts.from_records({"p": [("a", "b")]}, {"p": ("x", "y")})
    assert facts.number("x", "b") == -1
    assert facts.number("y", "b") == 0


def test_facts_cannot_be_changed():
    facts = make()
    with pytest.raises(ValueError, match="read-only"):
        facts.rows["parent"][0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        facts.constants["person"][0] = "z"
    with pytest.raises(AttributeError):
        facts.rows = {}


@pytest.mark.parametrize(
    ("records", "why"),
    [({"aunt": [("a", "b")]}, "must hold predicates of the schema.*'aunt'"), ({"parent": [("a",)]}, "2 arg")],
)
def test_facts_that_do_not_fit_the_schema_are_named(records, why):
    with pytest.raises(DomainError, match=why):
        Facts.from_records(records, SCHEMA)


def test_rows_behave_as_rows():
    rows = RelationalRows.from_records(make(), "parent", [("a", "b"), ("c", "zoe"), ("b", "b")])
    assert (len(rows), rows.shape, rows.ndim) == (3, (3, 2), 2)
    assert rows[np.array([2, 0])].records() == [("b", "b"), ("a", "b")]
    assert rows[np.array([False, True, False])].records() == rows[1].records() == [("c", "zoe")]
    assert rows[1:].take([0]).records() == [("c", "zoe")]
    assert rows[:0].shape == (0, 2)
    domain = Domain(rows, np.array([True, False, True]), known=np.array([True, False, True]))
    assert domain.n_samples == 3
    assert domain.take([1]).X.records() == [("c", "zoe")]
    assert repr(rows) == "RelationalRows(3 of parent(person, person), 2 facts)"


def test_rows_bring_no_fact_of_their_own_predicate():
    facts = make()
    rows = RelationalRows.from_records(facts, "parent", [("a", "b")])
    assert len(rows.facts.rows["parent"]) == 0
    assert len(facts.rows["parent"]) == 2
    assert rows.facts.records("female") == [("c",)]


def test_a_new_constant_changes_no_number():
    facts = make()
    rows = RelationalRows.from_records(facts, "female", [("aaron",), ("a",)])
    assert rows.args.tolist() == [[3], [0]]
    assert rows.facts.constants["person"].tolist() == ["a", "b", "c", "aaron"]


@pytest.mark.parametrize("args", [np.zeros((2, 3), int), np.zeros(2, int), np.zeros((2, 2)), [[0, 3]], [[-1, 0]]])
def test_rows_that_are_no_numbers_of_constants_are_refused(args):
    with pytest.raises(DomainError, match=r"^RelationalRows: args must"):
        RelationalRows(make(), "parent", args)
    with pytest.raises(DomainError, match=r"^RelationalRows: predicate must be one of .*'aunt'"):
        RelationalRows(make(), "aunt", args)
    with pytest.raises(DomainError, match=r"^RelationalRows: predicate must be one of .*'aunt'"):
        RelationalRows.from_records(make(), "aunt", [])


def test_a_tree_as_text():
    likes, knows = Literal("likes", (0, 2)), Literal("knows", (2, 1))
    tree = Node(
        0.0, 9, (likes, knows), Node(0.5, 2), Node(-0.25, 7, (Literal("old", (0, "x")),), Node(1, 3), Node(-1, 4))
    )
    assert describe_tree(tree).splitlines() == [
        "if likes(A, C) and knows(C, B):", "  +0.500  (2 examples)", "else:", '  if old(A, "x"):', "    +1.000  (3 examples)",
        "  else:", "    -1.000  (4 examples)",
    ]  # fmt: skip
    assert tree_rules("p", 2, tree) == [
        "+0.500: p(A, B) <- likes(A, C), knows(C, B)",
        '+1.000: p(A, B) <- old(A, "x")',
        "-1.000: p(A, B)",
    ]
    assert next((path, leaf.value) for path, leaf in leaves(tree)) == ((likes, knows), 0.5)
    assert predicates_of(tree) == {"likes", "knows", "old"}
    assert [variable_name(k) for k in (0, 25, 26, 53)] == ["A", "Z", "A1", "B2"]
    assert Node(1.0).is_leaf
    assert not tree.is_leaf
