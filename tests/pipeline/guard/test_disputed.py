"""The rows in dispute: how many, from what to what, and which to label next."""

import json
from dataclasses import replace

import numpy as np

from transferkit import Domain
from transferkit.pipeline.guard.disputed import MOST_ASKED, disputed_facts
from transferkit.pipeline.prepare import Prepared

CLASSES = np.array([10, 20, 30])


def facts(a, b, known=None, names=None, seed=0):
    a, b = np.asarray(a), np.asarray(b)
    X = np.arange(float(len(a)))[:, None]
    target = Domain(X) if known is None else Domain(X, CLASSES[a], known=known)
    prepared = Prepared.of_arrays(Domain(np.arange(6.0)[:, None], np.repeat(CLASSES, 2)), target)
    prepared = replace(prepared, names=names)
    proba = [np.where(np.arange(3) == y[:, None], 0.8, 0.1) for y in (a, b)]
    return disputed_facts(*proba, CLASSES, prepared, seed, 0.1)


def test_changes_are_counted_and_rows_named():
    a = np.array([0, 0, 0, 1, 2, 2, 1, 0])
    b = np.array([1, 1, 0, 2, 2, 2, 2, 2])
    found = facts(a, b, names=[f"{i}.png" for i in range(8)])
    assert (found["n"], found["share"]) == (5, 5 / 8)
    assert found["changes"] == [
        {"from": 10, "to": 20, "n": 2}, {"from": 20, "to": 30, "n": 2}, {"from": 10, "to": 30, "n": 1},
    ]  # fmt: skip
    assert sorted(row["row"] for row in found["label_next"]) == [0, 1, 3, 6, 7]
    for row in found["label_next"]:
        i = row["row"]
        assert row == {
            "row": i, "name": f"{i}.png", "source_only": CLASSES[a[i]], "proposal": CLASSES[b[i]], "probability": 0.8,
        }  # fmt: skip
    assert found["labels_needed"] == 5  # never more than there are
    json.dumps(found, allow_nan=False)


def test_nothing_in_dispute():
    same = np.arange(9) % 3
    assert facts(same, same) == {"n": 0, "share": 0.0, "changes": [], "label_next": [], "labels_needed": 0}


def test_the_order_is_drawn_without_regard_to_the_row():
    """A test after each label needs rows drawn at random: each has its turn first about as often."""
    a, b = np.zeros(10, dtype=int), np.ones(10, dtype=int)
    first = [facts(a, b, seed=s)["label_next"][0]["row"] for s in range(120)]
    assert np.bincount(first, minlength=10).min() > 3
    assert facts(a, b, seed=4) == facts(a, b, seed=4)


def test_many_rows_ask_for_some():
    found = facts(np.zeros(400, dtype=int), np.arange(400) % 3)
    assert len(found["label_next"]) == MOST_ASKED
    assert 5 <= found["labels_needed"] <= MOST_ASKED
    assert len({row["row"] for row in found["label_next"]}) == MOST_ASKED


def test_rows_with_a_label_are_not_asked_for():
    a, b = np.zeros(20, dtype=int), np.ones(20, dtype=int)
    known = np.arange(20) < 12
    assert {row["row"] for row in facts(a, b, known=known)["label_next"]} == set(range(12, 20))
