"""A few labels: between two classes they teach, and labels of rows in dispute decide; with more classes they may decide."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from transferkit import Domain, TransferTask, run


def turned(n_classes, n=240, angle=1.2, seed=0):
    """Classes around a circle; in the target they are turned."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, size=2 * n)
    at = 2 * np.pi * y / n_classes + np.repeat([0.0, angle], n)
    X = np.column_stack([np.cos(at), np.sin(at)]) * 2 + rng.normal(size=(2 * n, 2)) * 0.7
    return X[:n], y[:n], X[n:], y[n:]


def asked(n_classes, n_known=40, **options):
    X, y, Xt, yt = turned(n_classes, **options)
    known = np.arange(len(yt)) < n_known
    return TransferTask(sources=[(X, y)], target=Domain(Xt, yt, known=known, name="t"), methods=["pooled"], jobs=1), yt


def test_between_two_classes_labels_of_disputed_rows_decide(tmp_path):
    task, yt = asked(2, n_known=6)
    facts = run(task, out=tmp_path / "r").facts
    guard = facts["guard"]
    assert guard["state"] == "ambiguous"
    assert guard["winner"] == "source_only-1"
    assert len(guard["readings"]) == 2
    rows = [row["row"] for row in guard["disputed"]["label_next"]]
    assert rows
    assert min(rows) >= 6, "a row whose label was learned from says nothing"
    sheet = tmp_path / "r" / "label_next.csv"
    with sheet.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    with sheet.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, table[0])
        out.writeheader()
        out.writerows({**row, "label": yt[int(row["row"])]} for row in table)
    after = run(task, out=tmp_path / "r", resume=True, labels=sheet).facts["guard"]
    assert after["state"] == "adapt"
    assert after["mode"] == "few labels"
    assert after["labels"]["wins"] > after["labels"]["losses"]


def test_with_more_classes_a_clear_test_decides_and_an_open_one_asks(tmp_path):
    clear = run(asked(3)[0], out=tmp_path / "a").facts["guard"]
    assert clear["state"] == "adapt"
    assert clear["disputed"]["n"] > 0
    open_ = run(asked(3, n_known=9, angle=0.5)[0], out=tmp_path / "b").facts["guard"]
    lead = open_["checks"][0]["value"]
    assert open_["winner"] == "source_only-1"
    assert open_["state"] == ("ambiguous" if lead > 0 else "keep")
    assert len(open_["readings"]) == (2 if lead > 0 else 0)


def test_where_nothing_is_in_dispute_nothing_is_asked(tmp_path):
    X = np.repeat([[-2.0, 0.0], [2.0, 0.0]], 60, axis=0) + 0.1 * np.random.default_rng(0).normal(size=(120, 2))
    y = np.repeat([0, 1], 60)
    target = Domain(X + 0.05, y, known=np.arange(120) % 20 == 0, name="t")
    guard = run(TransferTask(sources=[(X, y)], target=target, methods=["pooled"], jobs=1), out=tmp_path / "r").facts[
        "guard"
    ]
    assert guard["disputed"]["n"] == 0
    assert guard["state"] == "keep"
    assert guard["readings"] == []
    assert not (tmp_path / "r" / "label_next.csv").exists()


@pytest.mark.parametrize("n_known", [10, 100])
def test_shares_are_of_rows_that_can_be_asked(tmp_path, n_known):
    guard = run(asked(2, n_known=n_known)[0], out=tmp_path / "r").facts["guard"]
    disputed = guard["disputed"]
    assert disputed["share"] == pytest.approx(disputed["n"] / (240 - n_known))
