"""An explanation names the facts that an atom's score rests on, by hand, and its parts add up to the log-odds."""

from __future__ import annotations

import re

import numpy as np
import pytest

from kinships import family
from transferkit import Domain, DomainError, RDNBoost
from transferkit.core.clauses import Literal, Node
from transferkit.core.relational import Facts, RelationalRows
from transferkit.ops.relational.coverage import Grounder
from transferkit.ops.relational.explanation import explain_atom

SCHEMA = {"advises": ("p", "p"), "prof": ("p",), "paper": ("t", "p"), "cites": ("t", "t"), "year": ("t", "y")}


def test_by_hand():
    records = {"prof": ["ann"], "paper": [("t0", "eve"), ("t1", "ann"), ("t1", "bob"), ("t2", "bob")]}
    facts = Facts.from_records({**records, "year": [("t1", "1999")]}, SCHEMA)
    rows = RelationalRows.from_records(facts, "advises", [("ann", "bob"), ("bob", "ann"), ("ann", "eve")])
    cited = Node(0, 0, (Literal("cites", (2, 3)),), Node(0.4), Node(1.0))
    together = Node(0, 0, (Literal("paper", (2, 0)), Literal("paper", (2, 1))), cited, Node(-0.5))
    tree = Node(0, 0, (Literal("prof", (0,)),), together, Node(-1.0))
    dated = Node(0, 0, (Literal("paper", (2, 1)), Literal("year", (2, "1999"))), Node(0.25), Node(0.0))
    texts = [
        explain_atom(Grounder(rows), k, "advises", [tree, Node(0.125), tree, dated], -1.0).splitlines()
        for k in range(3)
    ]
    assert texts[0] == [
        "advises(ann, bob): probability 0.798, log-odds +1.375",
        "  -1.000  before the first tree",
        "  +2.000  in 2 trees: prof(ann), paper(C, ann), paper(C, bob) [C = t1]; not (cites(C, D'))",
        "  +0.250  paper(C, bob), year(C, 1999) [C = t1]",
        "  +0.125  whatever holds",
    ]
    assert texts[1][2] == "  -2.000  in 2 trees: not (prof(bob))"
    assert texts[2][2] == "  -1.000  in 2 trees: prof(ann); not (paper(C', ann), paper(C', eve))"


def test_the_parts_add_up_to_the_log_odds_of_a_fitted_model():
    kin = family(0)
    rows = kin.rows()
    model = RDNBoost(n_trees=4, random_state=0).fit(rows, kin.y, target=Domain(rows))
    some = rows[:6]
    texts, scores = model.explain(some), model.decision_function(some)
    assert len(texts) == 6
    for text, atom, score in zip(texts, some.records(), scores, strict=True):
        head, *parts = text.splitlines()
        assert head.startswith(f"grandparent({', '.join(atom)}): ")
        total = sum(float(re.match(r"  ([+-][\d.]+)  ", part).group(1)) for part in parts)
        assert total == pytest.approx(score, abs=0.0005 * len(parts) + 1e-9)
    best = int(np.argmax(model.decision_function(rows)))
    a, b = rows[[best]].records()[0]
    assert f"parent({a}, C), parent(C, {b}) [C = " in model.explain(rows[[best]])[0]
    assert model.explain(rows[:0]) == []


def test_what_cannot_be_explained_is_named():
    kin = family(0)
    rows = kin.rows()
    model = RDNBoost(n_trees=1, random_state=0).fit(rows, kin.y, target=Domain(rows))
    with pytest.raises(DomainError, match=r"^RDNBoost\.explain: X must be RelationalRows"):
        model.explain(np.zeros((2, 2)))
    other = RelationalRows.from_records(rows.facts, "parent", [("p1", "p2")])
    with pytest.raises(DomainError, match=r"^RDNBoost\.explain: X must hold atoms of grandparent"):
        model.explain(other)
