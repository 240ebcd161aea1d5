"""Facts and rows of atoms: nothing given twice, nothing leaks, strange names are fine."""

from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pytest

import transferkit
from transferkit import CORAL, Domain, DomainError
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


@pytest.mark.parametrize(
    "schema", [{"female": "person"}, {"female": ()}, {"female": [1]}, {"female": None}, {"": ("a",)}]
)
def test_types_that_are_none_are_refused(schema):
    """Of all slips the text in place of a tuple is the likeliest: it would be six types of one letter."""
    with pytest.raises(DomainError, match=r"^Predicate: (types of female|name) must be .*Got"):
        Facts.from_records({}, schema)


def test_a_schema_holds_predicates_under_their_names():
    assert Facts.from_records({}, {"p": Predicate("p", ["a"])}).schema["p"].types == ("a",)
    with pytest.raises(DomainError, match=r"^Facts: schema must hold each predicate under its name. Got q\(a\) as 'p'"):
        Facts.from_records({}, {"p": Predicate("q", ("a",))})
    with pytest.raises(DomainError, match=r"^Facts: schema must map"):
        Facts.from_records({}, None)


def test_one_constant_is_one_whatever_number_it_came_as():
    """A column of numbers that lacked one somewhere comes as floats, and must meet the same numbers of another table."""
    facts = Facts.from_records(
        {"parent": [(1.0, np.int64(2)), (np.float64(2), "x")], "female": [1, np.str_("2")]}, SCHEMA
    )
    assert facts.constants["person"].tolist() == ["1", "2", "x"]
    assert facts.codes("parent", [(1, 2.0)]).tolist() == [[0, 1]]
    assert facts.with_constants({"person": [3.0, 1]}).number("person", "3") == 3
    days = Facts.from_records({"female": [date(2020, 1, 2), 0.5]}, SCHEMA)
    assert days.constants["person"].tolist() == ["0.5", "2020-01-02"]


@pytest.mark.parametrize(
    "facts",
    [
        [(None,)], [(float("nan"),)], [pd.NaT], [pd.NA], [(["a"],)], [b"a"], [{"a"}], [{"a": 1}], "ann", None, {"ann": 1},
        pd.DataFrame({"person": ["a"]}), pl.DataFrame({"person": ["a"]}),
    ],
)  # fmt: skip
def test_what_is_no_fact_is_refused(facts):
    with pytest.raises(DomainError, match=r"^Facts: .* must .*Got"):
        Facts.from_records({"female": facts}, SCHEMA)


def test_facts_from_numbers_are_those_from_names():
    given, numbers = make(), np.array([[1, 2], [0, 1], [0, 1]], dtype=np.uint64)
    facts = Facts({"parent": given.schema["parent"]}, {"person": np.array(["a", "b", "c"])}, {"parent": numbers})
    assert facts.records("parent") == given.records("parent")
    assert facts.rows["parent"].dtype == np.int64
    assert facts.number("person", "c") == 2
    rows = RelationalRows.from_records(facts, "parent", [("a", "zoe")])
    assert rows.facts.constants["person"].tolist() == ["a", "b", "c", "zoe"]
    numbers[:] = 0
    assert facts.records("parent") == given.records("parent")


@pytest.mark.parametrize(
    ("constants", "rows", "why"),
    [
        (["a", "a"], {}, "constants of person must be distinct"),
        (["a"], {"parent": [[0, 1]]}, "rows of parent must be numbers of constants below"),
        (["a"], {"parent": [[0.0, 0.0]]}, "rows of parent must hold whole"), (["a"], {"aunt": [[0]]}, "rows must be of pred"),
    ],
)  # fmt: skip
def test_facts_from_numbers_are_looked_at(constants, rows, why):
    with pytest.raises(DomainError, match=f"^Facts: {why}"):
        Facts({"parent": Predicate("parent", ("person", "person"))}, {"person": constants}, rows)


def test_a_name_that_is_not_there_is_named():
    for ask in (Facts.records, Facts.without):
        with pytest.raises(DomainError, match=r"^Facts: predicate must be one of .*Got 'aunt'"):
            ask(make(), "aunt")
    with pytest.raises(DomainError, match=r"^Facts: constants must be of types .*Got 'dog'"):
        make().with_constants({"dog": ["rex"]})
    for make_rows in (RelationalRows, RelationalRows.from_records):
        with pytest.raises(DomainError, match=r"^RelationalRows: facts must be Facts. Got dict"):
            make_rows({}, "parent", [[0, 1]])
        with pytest.raises(DomainError, match=r"^RelationalRows: predicate must be one of"):
            make_rows(make(), ["parent"], [[0, 1]])


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


def test_a_method_for_numbers_says_that_it_cannot_take_them():
    rows = RelationalRows.from_records(make(), "parent", [("a", "b"), ("b", "c"), ("c", "a"), ("a", "c")])
    with pytest.raises(
        DomainError, match=r"^CORAL\.fit: X .*RelationalRows: atoms must be given to a method for relations"
    ):
        CORAL().fit(rows, np.array([True, False] * 2), target=Domain(rows))


def test_the_names_are_public():
    assert (transferkit.Facts, transferkit.Predicate, transferkit.RelationalRows) == (Facts, Predicate, RelationalRows)


def test_rows_cannot_be_changed():
    given = np.array([[0, 1]], dtype=np.uint64)  # unsigned ones and int64 would make floats of the index's keys
    rows = RelationalRows(make(), "parent", given)
    given[:] = 0
    assert rows.records() == [("a", "b")]
    assert rows.args.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        rows.args[0] = 2


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
