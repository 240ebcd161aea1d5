"""`--tune`: settings of the inner model by cross-validation of the source; seeded, resumable, blind to the target."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from transferkit import Domain, ParamError, TransferTask, run
from transferkit.core.errors import MissingExtraError
from transferkit.pipeline import search as searching
from transferkit.pipeline.plain_models import plain_model
from transferkit.pipeline.prepare import Prepared
from transferkit.pipeline.progress import silent
from transferkit.pipeline.search import search
from transferkit.pipeline.select import Selected, candidates_for

pytest.importorskip("optuna", reason="tuning needs the extra tune")


def world(n=90, seed=0, numbers=False, columns=30):
    """Many columns of noise: how much the linear model is held back matters."""
    rng = np.random.default_rng(seed)
    X, Xt = rng.normal(size=(2, n, columns))
    y = X[:, 0] + X[:, 1] if numbers else (X[:, 0] + 0.5 * rng.normal(size=n) > 0).astype(int)
    return Domain(X, y, name="lab"), Domain(Xt, name="clinic")


def start(source, target, **options):
    numbers = np.asarray(source.y).dtype.kind == "f"
    prepared = Prepared.of_arrays(source, target, "regression" if numbers else "classification")
    task = TransferTask(sources=[source], target=target, methods=["coral"], jobs=1, **options)
    model = plain_model("linear", prepared.kind)
    return Selected({}, candidates_for(prepared, task, model), model, 0.0), prepared, task


@pytest.fixture
def few_trees(monkeypatch):
    """Forests of 200 trees are for data; here the linear model is enough."""
    model = searching._model

    def small(params, kind, seed):
        found = model(params, kind, seed)
        return found.set_params(n_estimators=5) if params["model"] == "forest" else found

    monkeypatch.setattr(searching, "_model", small)


def test_the_best_setting_on_the_source_is_inside_every_candidate(tmp_path, few_trees):
    selected, prepared, task = start(*world(), tune=8)
    found = search(selected, prepared, task, tmp_path, silent)
    lines = json.loads((tmp_path / "trials.json").read_text())["lines"]
    assert len(lines) == found.search["tried"] == 8
    assert lines[0]["params"] == {"model": "linear", "C": 10.0}  # what was chosen before comes first
    linear = [line["score"] for line in lines if line["params"]["model"] == "linear"]
    assert found.estimator_score >= max(linear)
    assert found.estimator_score >= found.search["first_score"]
    inner = [c.estimator for c in found.candidates if c.card.name == "coral"]
    assert found.estimator in inner
    rows = list(csv.DictReader((tmp_path / "trials.csv").read_text().splitlines()))
    assert [float(r["score"]) for r in rows] == pytest.approx([line["score"] for line in lines], abs=1e-6)


def test_a_search_that_was_stopped_ends_as_one_that_was_not(tmp_path, few_trees, monkeypatch):
    selected, prepared, task = start(*world(), tune=12)
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    whole = search(selected, prepared, task, tmp_path / "whole", silent)

    class Stop(Exception):
        pass

    def stops(step, done, total, text):
        if done == 5:
            raise Stop

    with pytest.raises(Stop):
        search(selected, prepared, task, tmp_path / "cut", stops)
    judged = []
    folds = searching._Judge.folds
    monkeypatch.setattr(searching._Judge, "folds", lambda *a: judged.append(0) or folds(*a))
    again = search(selected, prepared, task, tmp_path / "cut", silent)
    assert len(judged) == 7  # what was kept is not judged again
    assert again.search == whole.search
    assert (tmp_path / "cut" / "trials.csv").read_bytes() == (tmp_path / "whole" / "trials.csv").read_bytes()
    search(selected, prepared, task, tmp_path / "cut", silent)
    assert len(judged) == 7


def test_with_a_budget_most_settings_are_dropped_on_part_of_the_rows(tmp_path, few_trees):
    selected, prepared, task = start(*world(n=900), tune=15, budget=600.0)
    found = search(selected, prepared, task, tmp_path, silent)
    assert found.search["rows"] == [100, 300, 900]
    lines = json.loads((tmp_path / "trials.json").read_text())["lines"]
    assert 0 < sum(line["dropped"] for line in lines) < 15
    assert all((line["rows"] < 900) == line["dropped"] for line in lines)
    assert not lines[0]["dropped"]
    # A run that goes on without a budget keeps the model that its candidates were fitted with.
    again = search(selected, prepared, replace(task, budget=None), tmp_path, silent)
    assert again.search == found.search


def test_time_ends_a_search_and_it_stays_ended(tmp_path, few_trees):
    selected, prepared, task = start(*world(), tune=500, budget=1e-3)
    assert search(selected, prepared, task, tmp_path, silent).search["tried"] == 1
    assert search(selected, prepared, task, tmp_path, silent).search["tried"] == 1


def test_numbers_and_several_sources(tmp_path, few_trees):
    source, target = world(numbers=True)
    for name in "ab":
        (tmp_path / name).mkdir()
    selected, prepared, task = start(source, target, tune=4)
    assert search(selected, prepared, task, tmp_path / "a", silent).search["judged_on"] == "source rows held out"
    prepared = replace(prepared, groups=np.repeat(["lab", "ward"], 45))
    assert search(selected, prepared, task, tmp_path / "b", silent).search["judged_on"] == "sources left out in turn"


def test_a_run_says_what_was_tried(tmp_path, few_trees):
    source, target = world(columns=3)
    task = TransferTask(sources=[source], target=target, methods=["coral"], jobs=1, tune=3)
    facts = run(task, out=tmp_path / "r").facts
    assert facts["estimator"]["search"]["tried"] == 3
    assert len((tmp_path / "r" / "trials.csv").read_text().splitlines()) == 4


def test_the_target_has_no_part_in_it(tmp_path, few_trees):
    source, target = world()
    facts = []
    for k in range(2):
        (tmp_path / str(k)).mkdir()
        selected, prepared, task = start(source, Domain(target.X + 9 * k, name="clinic"), tune=3)
        facts.append(search(selected, prepared, task, tmp_path / str(k), silent).search)
    assert facts[0] == facts[1]


def test_without_optuna_the_extra_is_named_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    source, target = world()
    task = TransferTask(sources=[source], target=target, methods=["coral"], jobs=1, tune=3)
    with pytest.raises(MissingExtraError, match=r"transferkit\[tune\]"):
        run(task, out=tmp_path / "r")
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(("options", "match"), [({"tune": -1}, "at least 0"), ({"tune": 1.5}, "whole number")])
def test_bad_numbers_are_refused(options, match):
    with pytest.raises(ParamError, match=match):
        TransferTask(sources=["a.csv"], target="b.csv", label="y", **options)
    with pytest.raises(ParamError, match="model is the source"):
        TransferTask(sources=[], target="b", model="timm:resnet18", tune=3)


def test_a_forest_has_to_win_by_a_standard_error():
    def line(model, folds):
        return {"params": {"model": model}, "rows": 9, "dropped": False, "score": np.mean(folds), "folds": {"9": folds}}

    linear = line("linear", [0.80, 0.80, 0.80])
    assert searching._best([linear, line("forest", [0.70, 0.90, 0.83])]) is linear
    assert searching._best([linear, line("forest", [0.85, 0.86, 0.87])]) is not linear
    assert isinstance(
        searching._model({"model": "linear", "C": 2.0}, "classification", 0).steps[-1][1], LogisticRegression
    )
