"""Runs on data that guards fall over: nothing to tell, nothing to learn, hardly any rows, candidates that crash."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import transferkit
from transferkit import Domain, DomainError, TransferTask, run
from transferkit.cli.app import app

METHODS = ["coral", "subspace_alignment"]


def classes(n=60, k=3, seed=0, shift=0.0, d=4):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    return 4 * np.eye(k, d)[y] + rng.normal(size=(n, d)) + shift, y


def facts_of(folder, source, target, **options):
    task = TransferTask(sources=[source], target=target, **{"methods": METHODS, "jobs": 1, **options})
    facts = run(task, out=folder).facts
    assert facts == json.loads((folder / "run.json").read_text())  # no NaN, nothing but plain values
    assert "<html" in (folder / "report.html").read_text()
    return facts


def kept(facts):
    return (facts["guard"]["winner"], facts["guard"]["state"]) == ("source_only-1", "keep")


def test_a_target_that_is_the_source(tmp_path):
    X, y = classes()
    facts = facts_of(tmp_path / "r", (X, y), (X, y))
    assert kept(facts)
    assert "there is nothing to gain" in facts["guard"]["reason"]
    assert facts["verdict"]["expected"] == facts["verdict"]["baseline"]


def test_a_target_of_noise(tmp_path):
    X, y = classes()
    Xt = np.random.default_rng(1).normal(size=(60, 4)) * 3
    facts = facts_of(tmp_path / "r", (X, y), Xt)
    # Clusters of noise follow no class: no label was ever going to tell, so nothing replaces source-only.
    assert not facts["guard"]["adapted"]


def test_a_class_is_missing_in_the_target(tmp_path):
    X, y = classes(90)
    Xt, yt = classes(90, seed=1, shift=3.0)
    there = yt != 2
    facts = facts_of(tmp_path / "r", (X, y), (Xt[there], yt[there]))
    guard = facts["guard"]
    before, after = facts["verdict"]["baseline"], facts["verdict"]["expected"]
    assert after >= before - 0.01
    assert guard["evidence"]["n_classes"] == 3


def test_three_target_rows_are_the_fewest(tmp_path):
    X, y = classes()
    Xt, _ = classes(seed=1, shift=4.0)
    facts = facts_of(tmp_path / "r", (X, y), Xt[:3])
    assert kept(facts)
    assert facts["task"]["target"]["n"] == 3
    with pytest.raises(DomainError, match=r"a target must have at least 3 rows\. Got 2"):
        facts_of(tmp_path / "s", (X, y), Xt[:2])
    assert not (tmp_path / "s").exists()


def test_constant_predictions(tmp_path):
    """A source class of 97 %: the plain models say it of every row, and every number of the evidence is one still."""
    rng = np.random.default_rng(0)
    y = (np.arange(100) < 3).astype(int)
    X = rng.normal(size=(100, 3))
    facts = facts_of(tmp_path / "r", (X, y), rng.normal(size=(60, 3)) + 2.0)
    assert all(np.isfinite(v) for v in facts["guard"]["evidence"].values())
    assert facts["guard"]["state"] in ("keep", "ambiguous")


@pytest.mark.parametrize("where", ["fit", "predict", "nan"])
def test_candidates_that_crash_are_recorded_and_the_rest_goes_on(tmp_path, monkeypatch, where):
    from transferkit.algorithms.feature.coral import CORAL

    def broken(self, *args, **kwargs):
        raise IndexError("index 3 is out of bounds")

    def nothing(self, X):
        return np.full((len(X), 3), np.nan)

    method = {"fit": "fit", "predict": "predict_proba", "nan": "predict_proba"}[where]
    monkeypatch.setattr(CORAL, method, nothing if where == "nan" else broken)
    facts = facts_of(tmp_path / "r", classes(), classes(seed=1, shift=4.0))
    rows = {row["id"]: row for row in facts["candidates"]}
    assert rows["coral-1"]["status"] == "failed"
    assert ("must be finite" if where == "nan" else "IndexError: index 3") in rows["coral-1"]["reason"]
    assert rows["subspace_alignment-1"]["status"] == "fitted"
    assert not any(name.startswith("coral") for name in facts["guard"]["weights"])


def test_all_candidates_crash(tmp_path, monkeypatch):
    from transferkit.algorithms.feature.coral import CORAL

    def broken(self, *args, **kwargs):
        raise RuntimeError("no")

    monkeypatch.setattr(CORAL, "fit", broken)
    facts = facts_of(tmp_path / "r", classes(), classes(seed=1, shift=4.0), methods=["coral"])
    assert kept(facts)
    assert "could not be fitted" in facts["guard"]["reason"]


def test_all_candidates_say_the_same(tmp_path):
    """Far apart classes and a small move: whoever is asked, every row is clear."""
    X, y = classes()
    Xt, yt = classes(seed=1)
    facts = facts_of(tmp_path / "r", (10 * X, y), (10 * Xt + 2, yt))
    assert kept(facts)
    assert facts["guard"]["disputed"]["n"] == 0
    assert "there is nothing to gain" in facts["guard"]["reason"]


def test_several_sources_and_more_than_ten_classes(tmp_path):
    X, y = classes(120, k=12, d=12)
    sources = [Domain(X[:60], y[:60], name="one"), Domain(X[60:] + 0.3, y[60:], name="two")]
    Xt, yt = classes(72, k=12, seed=1, d=12, shift=1.5)
    task = TransferTask(sources=sources, target=(Xt, yt), methods=METHODS, jobs=1)
    facts = run(task, out=tmp_path / "r").facts
    assert facts["guard"]["evidence"]["n_classes"] == 12
    assert facts["verdict"]["expected"] >= facts["verdict"]["baseline"] - 0.01


def test_a_regression_has_its_own_guard(tmp_path):
    rng = np.random.default_rng(0)
    X, Xt = rng.normal(size=(60, 3)), rng.normal(size=(60, 3))
    facts = facts_of(tmp_path / "r", (X, X @ [1.0, 2.0, 3.0]), Xt, methods=["coral"])
    assert facts["guard"]["selector"] == "regression_guard"
    assert facts["guard"]["mode"] == "nothing"
    assert kept(facts)


def test_a_vote_that_wins_is_saved_resumed_served_and_shown(tmp_path):
    """Adopted, it is one model: the same bits from the folder, after a resume, and through the command line."""
    rng = np.random.default_rng(0)
    X, y = classes(90)
    Xt, yt = 4 * np.eye(3, 4)[np.arange(90) % 3] + rng.normal(size=(90, 4)), np.arange(90) % 3
    Xt = Xt * [1, 2, 1, 1] + 4
    names = np.array(["ash", "elm", "oak"])
    task = TransferTask(
        sources=[Domain(X, names[y], name="s")], target=Domain(Xt, names[yt], name="t"), methods=METHODS, jobs=1
    )
    result = run(task, out=tmp_path / "r")
    facts = result.facts
    assert facts["guard"]["winner"] == "vote"
    assert facts["verdict"]["expected"] > facts["verdict"]["baseline"]
    row = next(r for r in facts["candidates"] if r["id"] == "vote")
    assert (row["class"], row["status"]) == ("Vote", "fitted")
    assert row["score"] == facts["verdict"]["expected"]
    np.testing.assert_array_equal(transferkit.load(tmp_path / "r/model").predict(Xt), result.model.predict(Xt))
    kept_files = ("run.json", "predictions.csv", "candidates.csv", "report.html", "MODEL_CARD.md")
    before = [(tmp_path / "r" / f).read_bytes() for f in kept_files]
    run(replace(task), out=tmp_path / "r", resume=True)
    assert [(tmp_path / "r" / f).read_bytes() for f in kept_files] == before
    assert "Vote" in (tmp_path / "r/MODEL_CARD.md").read_text()
    np.savez(tmp_path / "new.npz", X=Xt[:7])
    done = CliRunner().invoke(
        app, ["predict", str(tmp_path / "r"), str(tmp_path / "new.npz"), "-o", str(tmp_path / "p.csv")]
    )
    assert done.exit_code == 0, done.output
    told = [line.split(",")[0] for line in (tmp_path / "p.csv").read_text().splitlines()[1:]]
    assert told == result.model.predict(Xt[:7]).tolist()
