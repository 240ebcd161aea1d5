"""Labels that were asked for: read, merged, kept, and what they settle; a vote taught to one model."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest

from transferkit import DataError, Domain, ParamError, TransferTask, load, run
from transferkit.pipeline.guard.labels import label_sheet, merge_labels, write_labels


def world(seed=0, n=120, shift=5.0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    X, Xt = (4 * np.eye(3, 4)[y] + rng.normal(size=(n, 4)) for _ in range(2))
    return X, y, Xt + np.array([shift, 0, 0, 0]), y


def task_of(**options):
    X, y, Xt, yt = world()
    options = {"jobs": 1, "methods": ["coral", "domain_scaling"], **options}
    return TransferTask(sources=[Domain(X, y, name="lab")], target=Domain(Xt, yt, name="clinic"), **options)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "r"
    run(task_of(), out=folder)
    return folder


def test_merged_labels_skip_what_is_empty_and_later_files_win(tmp_path):
    (tmp_path / "a.csv").write_text("row,label\n3,x\n4,\n5,y\n")
    (tmp_path / "b.csv").write_text("row,name,label\n5,five,z\n")
    found = merge_labels([tmp_path / "a.csv", tmp_path / "b.csv"], 6)
    assert found == {3: "x", 5: "z"}
    (tmp_path / "c.csv").write_text(write_labels(found))
    assert merge_labels([tmp_path / "c.csv"], 6) == found


@pytest.mark.parametrize(
    ("text", "match"),
    [("a,b\n1,2\n", "columns row and label"), ("row,label\n9,x\n", "line 2: row must be"), ("", "no row")],
)
def test_bad_files_are_named(tmp_path, text, match):
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(DataError, match=match):
        merge_labels([tmp_path / "bad.csv"], 5)


def test_a_run_asks_for_labels_of_rows_in_dispute_only(done):
    facts = json.loads((done / "run.json").read_text())
    disputed = facts["guard"]["disputed"]
    assert disputed["n"] > 0
    rows = list(csv.DictReader((done / "label_next.csv").read_text().splitlines()))
    assert 0 < len(rows) <= 40
    assert all(r["source_only"] != r["proposal"] and r["label"] == "" for r in rows)
    assert label_sheet({"disputed": {"label_next": []}}) is None


@pytest.mark.parametrize(("right", "state"), [("proposal", "adapt"), ("source_only", "keep")])
def test_labels_settle_it_and_are_kept(done, tmp_path, right, state):
    folder = tmp_path / "r"
    shutil.copytree(done, folder)
    rows = list(csv.DictReader((folder / "label_next.csv").read_text().splitlines()))
    (tmp_path / "given.csv").write_text("row,label\n" + "".join(f"{r['row']},{r[right]}\n" for r in rows[:10]))
    facts = run(task_of(), out=folder, resume=True, labels=tmp_path / "given.csv").facts
    assert facts["guard"]["state"] == state
    assert facts["guard"]["labels"]["n"] == 10
    # Labels that settled the choice are no part of the score.
    assert facts["verdict"]["left_out"] == 10
    assert sum(c["n"] for c in facts["per_class"]) == 120 - 10
    assert "whose labels were asked for to settle the choice are left out" in (folder / "report.html").read_text()
    again = run(task_of(), out=folder, resume=True).facts
    assert again["guard"] == facts["guard"]  # they need not be given again


def test_labels_that_cannot_be_are_refused(done, tmp_path):
    (tmp_path / "odd.csv").write_text("row,label\n1,unicorn\n")
    with pytest.raises(DataError, match=r"class of the source.*unicorn"):
        run(task_of(), out=done, resume=True, labels=tmp_path / "odd.csv")
    assert not (done / "labels.csv").exists()
    with pytest.raises(ParamError, match="resume"):
        run(task_of(), out=tmp_path / "new", labels=tmp_path / "odd.csv")


def test_a_vote_is_taught_to_one_model_that_can_be_saved(tmp_path):
    facts = run(task_of(distil=True, assume="same-priors"), out=tmp_path / "r").facts
    assert facts["guard"]["winner"] == "distilled"
    cost = facts["guard"]["distilled"]
    assert cost["agreement"] > 0.8
    assert cost["student_bytes"] < cost["teacher_bytes"]
    assert not any(k.endswith("seconds") for k in cost)
    _, _, Xt, yt = world()
    model = load(tmp_path / "r" / "model")
    assert (model.predict(Xt) == yt).mean() > 0.8
