"""`--tune-proposal`: numbers tuned on a few target labels inside the test's folds, which keeps the test's level."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

from transferkit import (
    CORAL,
    Domain,
    DomainScaling,
    PairedShots,
    ParamError,
    Pooled,
    TransferPipeline,
    TransferTask,
    run,
)
from transferkit.cli.app import app
from transferkit.core.constraints import Interval
from transferkit.pipeline.label_search import LabelSearch, says_of, space_of
from transferkit.pipeline.plain_models import plain_model
from transferkit.pipeline.prepare import Prepared
from transferkit.pipeline.select import candidates_for

pytest.importorskip("optuna", reason="tuning needs the extra tune")
SEEN: list[set[int]] = []


class Angle(ClassifierMixin, BaseEstimator):
    """Classes by the side of a line, or of many waves; nothing is learned, so only its numbers can be tuned.

    Notes which labels it is shown.
    """

    _constraints: ClassVar = {"angle": Interval(float, 0, np.pi), "waves": Interval(float, 0)}

    def __init__(self, angle=0.0, waves=0.0):
        self.angle = angle
        self.waves = waves

    def fit(self, X, y=None, *, target, groups=None):
        SEEN.append(set(target.known_rows.tolist()))
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, X):
        place = X @ [np.cos(self.angle), np.sin(self.angle)]
        return ((np.sin(self.waves * place) if self.waves else place) > 0).astype(int)


def turned(seed, n=40, truth=1.0, known=24):
    """Target rows with classes by the side of a line at an angle; None is a coin for every row."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    y = rng.integers(0, 2, n) if truth is None else Angle(truth).predict(X)
    return Domain(X, y, known=np.arange(n) < known)


SOURCE = Domain(np.eye(2), np.array([0, 1]))


def search(n_trials=15, seed=0, **options):
    return LabelSearch(Angle(), {"angle": (0.0, np.pi, "linear")}, n_trials, random_state=seed, **options)


def test_it_finds_the_angle_and_says_what_it_did():
    target = turned(0)
    found = search().fit(SOURCE.X, SOURCE.y, target=target)
    facts = found.facts_
    assert facts["tried"] == 15
    assert 0 < facts["dropped"] < 15
    assert facts["params"] == {"angle": found.method_.angle}
    assert abs(found.method_.angle - 1.0) < 0.3
    assert (
        facts["best"] < facts["first"] == 2 * np.mean(Angle().predict(target.X[:24]) != target.y[:24])
    )  # Brier of 0 and 1
    np.testing.assert_array_equal(found.predict(target.X), found.method_.predict(target.X))
    again = search().fit(SOURCE.X, SOURCE.y, target=target)
    assert again.facts_ == facts
    assert "angle = " in says_of(facts)["says"]


def test_no_fit_that_is_judged_has_seen_the_label_and_hidden_ones_have_no_part():
    target = turned(1)
    SEEN.clear()
    facts = search(4).fit(SOURCE.X, SOURCE.y, target=target).facts_
    inside, last = SEEN[:-1], SEEN[-1]
    assert last == set(range(24))
    assert {len(s) for s in inside} == {16}
    assert all(
        set.intersection(*inside[k : k + 3]) == set() for k in range(0, len(inside), 3)
    )  # three folds cover them
    y = np.where(target.mask, target.y, 1 - target.y)
    assert search(4).fit(SOURCE.X, SOURCE.y, target=Domain(target.X, y, known=target.known)).facts_ == facts
    SEEN.clear()
    PairedShots(Angle().fit(SOURCE.X, target=target), random_state=0).judge(search(3), SOURCE, target)
    assert max(len(s) for s in SEEN[1:]) == 16  # in the test the search, too, is shown two thirds


def test_tuning_keeps_the_level_of_the_test_where_labels_are_noise():
    """Labels are coins, so that no setting is better than another. To test the best one on the labels that chose it finds gains
    that are not there; the search inside the folds does not."""
    n, level, nested, naive = 30, 0.1, 0, 0
    for seed in range(n):
        target = turned(seed, truth=None, n=24)
        test = PairedShots(Angle().fit(SOURCE.X, target=target), level=level, random_state=seed)
        tuned = LabelSearch(Angle(), {"waves": (10.0, 1000.0, "linear")}, 8, random_state=seed)
        nested += test.score(tuned, SOURCE, target) > 0
        best = tuned.fit(SOURCE.X, SOURCE.y, target=target).method_
        naive += test.score(best, SOURCE, target) > 0
    assert stats.binom.sf(nested - 1, n, level) > 0.01
    assert stats.binom.sf(naive - 1, n, level) < 0.01


def test_a_setting_that_is_no_better_is_not_taken_and_one_that_fails_is_passed_over():
    target = turned(2, truth=0.0)
    found = search(6).fit(SOURCE.X, SOURCE.y, target=target)
    assert found.facts_["params"] == {}
    assert found.method_.angle == 0.0
    assert "none of 6" in says_of(found.facts_)["says"]
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), np.arange(40) % 2
    bad = LabelSearch(Pooled(), {"target_weight": (-2.0, -1.0, "linear")}, 3, random_state=0)
    facts = bad.fit(X, y, target=Domain(X, y, known=np.arange(40) < 10)).facts_
    assert (facts["dropped"], facts["params"]) == (2, {})


class Holes(BaseEstimator):
    """Answers what is no number where it is shown the first label, for some settings."""

    _constraints: ClassVar = {"hole": Interval(float)}

    def __init__(self, hole=1.0):
        self.hole = hole

    def fit(self, X, y=None, *, target, groups=None):
        self.value_ = np.nan if self.hole > 0.5 and 0 in target.known_rows else self.hole
        return self

    def predict(self, X):
        return np.full(len(X), self.value_)


def test_a_setting_that_answers_what_is_no_number_is_as_one_that_fails():
    target = Domain(np.eye(12), np.zeros(12))
    for first in (1.0, 0.4):
        facts = (
            LabelSearch(Holes(first), {"hole": (0.0, 1.0, "linear")}, 12, random_state=0)
            .fit(target.X, target.y, target=target)
            .facts_
        )
        assert facts["params"]["hole"] < 0.4
        assert facts["first"] == (None if first == 1.0 else pytest.approx(0.4))


def test_time_and_too_few_labels_end_it_at_the_first_setting():
    assert search(seconds=1e-9).fit(SOURCE.X, SOURCE.y, target=turned(0)).facts_["tried"] == 1
    facts = search().fit(SOURCE.X, SOURCE.y, target=turned(0, known=1)).facts_
    assert (facts["tried"], facts["first"]) == (1, None)
    with pytest.raises(ParamError, match="n_trials must be a whole number"):
        search(0).fit(SOURCE.X, SOURCE.y, target=turned(0))


def test_numbers_are_judged_by_their_absolute_error():
    rng = np.random.default_rng(0)
    X, Xt = rng.normal(size=(2, 60, 2))
    y, yt = X[:, 0], -Xt[:, 0] + 0.01 * rng.normal(size=60)  # the target says the opposite: its rows have to count more
    method = Pooled(1.0, Ridge(1e-3))
    found = LabelSearch(method, space_of(method), 8, random_state=0)
    facts = found.fit(X, y, target=Domain(Xt, yt, known=np.arange(60) < 20)).facts_
    assert facts["params"]["target_weight"] > 10
    assert facts["best"] < 0.3 < facts["first"]


def test_what_is_tuned_follows_from_the_rules_of_the_method():
    inner = make_pipeline(StandardScaler(), LogisticRegression(C=10.0))
    assert space_of(Pooled("balanced", inner)) == {
        "target_weight": (1e-3, 1e3, "log"),
        "estimator__logisticregression__C": (1e-2, 1e4, "log"),
    }
    scaled = TransferPipeline([("scale", StandardScaler())], CORAL(reg=0.1, estimator=ExtraTreesClassifier()))
    assert space_of(scaled) == {
        "method__reg": (1e-4, 100.0, "log"),
        "method__estimator__min_samples_leaf": (1, 20, "whole"),
    }
    assert space_of(DomainScaling()) == {}
    from transferkit import JDOT, LabelPropagation, PriorLogistic

    assert space_of(LabelPropagation())["n_neighbors"] == (2, 40.0, "whole")
    assert space_of(LabelPropagation())["alpha"] == (0.01, 0.99, "linear")
    assert not {"tol", "limit_max"} & set(space_of(JDOT()))
    assert "reg" not in space_of(PriorLogistic())  # "cv": it settles that itself


def world(few=True):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)) + 3 * (np.arange(60) % 2)[:, None], np.arange(60) % 2
    Xt, yt = X + np.array([4, -4]), y
    known = np.arange(60) < 20
    target = Domain(Xt, yt, known=known, name="clinic") if few else Domain(Xt, name="clinic")
    return Domain(X, y, name="lab"), target


def test_a_run_tests_the_tuned_proposal_and_keeps_the_plain_method(tmp_path):
    source, target = world()
    task = TransferTask(sources=[source], target=target, methods=["pooled"], jobs=1, tune_proposal=4)
    result = run(task, out=tmp_path / "r")
    facts = result.facts
    line = next(c for c in facts["candidates"] if c["id"] == "pooled-1")
    assert line["tuning"]["tried"] == 4
    assert {**line["params"], **line["tuning"]["params"]} == line["params"]
    assert [c["check"] for c in facts["guard"]["checks"]] == ["lead", "tuning"]
    assert "tuned" not in facts["guard"]["reason"]
    rows = list(csv.DictReader((tmp_path / "r" / "candidates.csv").read_text().splitlines()))
    assert json.loads(next(r["params"] for r in rows if r["id"] == "pooled-1")) == line["params"]
    assert "tuned on the known target labels" in (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert not isinstance(result.model.method_, LabelSearch)


def test_what_cannot_be_tuned_honestly_is_refused_before_anything_is_written(tmp_path):
    source, target = world(few=False)
    task = TransferTask(sources=[source], target=target, methods=["coral"], jobs=1, tune_proposal=4)
    with pytest.raises(ParamError, match="few known target labels"):
        run(task, out=tmp_path / "r")
    assert not (tmp_path / "r").exists()
    few = replace(task, target=world()[1], methods=["easytl"])
    prepared = Prepared.of_arrays(source, few.target)
    with pytest.raises(ParamError, match="'easytl': it has no numbers to tune"):
        candidates_for(prepared, few, plain_model("linear", "classification"))
    with pytest.raises(ParamError, match="'source_only': it is what they compare others with"):
        candidates_for(prepared, replace(few, methods=["source_only"]), plain_model("linear", "classification"))
    tuned = candidates_for(prepared, replace(few, methods=None, budget=160.0), plain_model("linear", "classification"))
    assert [(c.id, c.trials, c.seconds) for c in tuned if c.trials] == [("pooled-2", 4, 10.0)]


def test_options_are_checked_and_on_the_command_line():
    with pytest.raises(ParamError, match="tune_proposal must be at least 0"):
        TransferTask(sources=["a.csv"], target="b.csv", tune_proposal=-1)
    with pytest.raises(ParamError, match="tune_proposal must be left out where a model"):
        TransferTask(sources=[], target="b", model="timm:resnet18", tune_proposal=1)
    assert "tune_proposal" not in TransferTask(sources=["a.csv"], target="b.csv").options
    assert "--tune-proposal" in CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200"}).output
