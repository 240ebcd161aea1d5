"""Coverage by joins is what nested loops over all constants find, however little is kept in memory."""

from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transferkit import DomainError
from transferkit.core.clauses import Literal, Node
from transferkit.core.relational import Facts, RelationalRows
from transferkit.ops.relational.coverage import Grounder, variable_types

TYPES = ("a", "b")
SCHEMA = {"u": ("a",), "p": ("a", "b"), "q": ("a", "a"), "t": ("b", "a", "b"), "h": ("a", "b")}
NAMES = {kind: [f"{kind}{k}" for k in range(3)] for kind in TYPES}
HEAD = SCHEMA["h"]


def atoms(name):
    return st.lists(st.tuples(*(st.sampled_from(NAMES[kind]) for kind in SCHEMA[name])), max_size=7)


@st.composite
def databases(draw):
    return {name: draw(atoms(name)) for name in SCHEMA if name != "h"}


@st.composite
def conjunctions(draw):
    types, literals = dict(enumerate(HEAD)), []
    for _ in range(draw(st.integers(1, 4))):
        name, args = draw(st.sampled_from(["u", "p", "q", "t"])), []
        for kind in SCHEMA[name]:
            new = max(types) + 1
            options = [*(v for v, k in types.items() if k == kind), new, draw(st.sampled_from([*NAMES[kind], "none"]))]
            arg = draw(st.sampled_from(options))
            if arg == new:
                types[new] = kind
            args.append(arg)
        literals.append(Literal(name, tuple(args)))
    return tuple(literals)


def nested_loops(records, example, conjunction):
    """Number of bindings of the variables beyond the head's for which every literal is a fact."""
    facts = {name: set(rows) for name, rows in records.items()}
    types = dict(enumerate(HEAD))
    for literal in conjunction:
        types |= {a: k for a, k in zip(literal.args, SCHEMA[literal.predicate]) if isinstance(a, int)}
    new = sorted(set(types) - {0, 1})
    count = 0
    for values in product(*(NAMES[types[v]] for v in new)):
        bound = dict(enumerate(example)) | dict(zip(new, values))
        count += all(
            tuple(bound[a] if isinstance(a, int) else a for a in x.args) in facts[x.predicate] for x in conjunction
        )
    return count


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(databases(), conjunctions(), st.sampled_from([1, 5, 1000]))
def test_it_counts_what_nested_loops_count(records, conjunction, max_groundings):
    examples = [*product(NAMES["a"], NAMES["b"])]
    grounder = Grounder(RelationalRows.from_records(Facts.from_records(records, SCHEMA), "h", examples), max_groundings)
    expected = [nested_loops(records, example, conjunction) for example in examples]
    np.testing.assert_array_equal(grounder.groundings(conjunction), expected)
    for k in range(1, len(conjunction) + 1):  # as a search asks: with the shorter ones remembered
        held = [nested_loops(records, e, conjunction[:k]) > 0 for e in examples]
        np.testing.assert_array_equal(grounder.covered(conjunction[:k]), held)


def rows_of(records, examples, head="h"):
    return RelationalRows.from_records(Facts.from_records(records, SCHEMA), head, examples)


def test_a_large_join_is_not_kept_and_the_answer_is_the_same():
    """Every a knows every a: three literals in a row have 20^3 bindings an example."""
    people = [f"x{k}" for k in range(20)]
    records = {"q": [*product(people, people)], "p": [("x19", "b0")]}
    rows = rows_of(records, [(p, "b0") for p in people] + [("x0", "b1")])
    chain = (Literal("q", (0, 2)), Literal("q", (2, 3)), Literal("q", (3, 4)), Literal("p", (4, 1)))
    small, large = Grounder(rows, 50), Grounder(rows, 10**6)
    assert small.available(chain[:1]) == (0, 1)
    assert large.available(chain[:1]) == (0, 1, 2)
    assert small.covered(chain).tolist() == large.covered(chain).tolist() == [True] * 20 + [False]


def test_one_example_with_many_groundings_is_joined_in_parts(monkeypatch):
    """One hub: a0 knows 60, who know 60 each. Of 3,600 groundings no more than 100 and one group are held at once."""
    people = [f"x{k}" for k in range(60)]
    rows = rows_of({"q": [*product(["a0", *people], people)], "p": [("x59", "b0")]}, [("a0", "b0"), ("a0", "b1")])
    chain = (Literal("q", (0, 2)), Literal("q", (2, 3)), Literal("p", (3, 1)))
    sizes, join = [], Grounder._join

    def counted(self, *args):
        sizes.append(len((found := join(self, *args)).example))
        return found

    monkeypatch.setattr(Grounder, "_join", counted)
    assert Grounder(rows, 100).covered(chain).tolist() == [True, False]
    assert max(sizes) <= 160


def test_no_fact_no_example_and_no_literal():
    rows = rows_of({}, [("a0", "b0")])
    assert Grounder(rows).covered(()).tolist() == [True]
    assert Grounder(rows).groundings(()).tolist() == [1]
    assert Grounder(rows).covered((Literal("p", (0, 1)),)).tolist() == [False]
    assert Grounder(rows[:0]).covered((Literal("p", (0, 1)),)).tolist() == []
    assert Grounder(rows).covered((Literal("p", (5, 6)),)).tolist() == [False]
    assert Grounder(rows_of({"p": [("a1", "b1")]}, [("a0", "b0")])).covered((Literal("p", (5, 6)),)).tolist() == [True]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(databases(), conjunctions())
def test_a_witness_shows_that_all_literals_are_facts(records, conjunction):
    pairs = list(product(NAMES["a"], NAMES["b"]))
    grounder, facts = Grounder(rows_of(records, pairs)), {name: set(rows) for name, rows in records.items()}
    covered = grounder.covered(conjunction)
    for k, pair in enumerate(pairs):
        found = grounder.witness(k, conjunction)
        assert (found is not None) == covered[k]
        if found is not None:
            assert (found[0], found[1]) == pair
            for literal in conjunction:
                assert tuple(found.get(a, a) for a in literal.args) in facts[literal.predicate]


def test_values_of_a_tree():
    tree = Node(0, 0, (Literal("p", (0, 2)),), Node(0, 0, (Literal("t", (2, 0, 1)),), Node(1.0), Node(2.0)), Node(3.0))
    rows = rows_of(
        {"p": [("a0", "b1"), ("a1", "b1")], "t": [("b1", "a0", "b0")]}, [("a0", "b0"), ("a1", "b0"), ("a2", "b0")]
    )
    assert Grounder(rows).values(tree).tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    "literal", [Literal("none", (0,)), Literal("u", (0, 1)), Literal("u", (1,)), Literal("t", (0, 0, 1))]
)
def test_a_literal_that_does_not_fit_the_schema_is_named(literal):
    facts = Facts.from_records({}, SCHEMA)
    with pytest.raises(DomainError, match=r"^variable_types: "):
        variable_types(facts, HEAD, [literal])
    with pytest.raises(DomainError, match=r"^variable_types: "):
        Grounder(rows_of({}, [("a0", "b0")])).covered((literal,))
