"""Runs between tables with columns of their own: noticed, tied by pairs or labels, judged against the target alone."""

import json
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from transferkit import (
    CanonicalCorrelation,
    DataError,
    Domain,
    DomainError,
    ParamError,
    TransferTask,
    catalogue,
    load,
    run,
)
from transferkit.cli.app import app
from transferkit.pipeline.define import define
from transferkit.pipeline.guard import relation as relation_guard
from transferkit.pipeline.pairs import read_pairs
from transferkit.pipeline.prepare import prepare
from transferkit.pipeline.relation import column_ties
from transferkit.pipeline.spaces import select_between

N = 120


@pytest.fixture(autouse=True)
def _few_shuffles(monkeypatch):
    monkeypatch.setattr(relation_guard, "N_PERMUTATIONS", 19)


def sensors(seed=0, related=True):
    """Two devices see two hidden numbers; what the target's alone has of the class is buried in columns of noise."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(N, 2))
    other = hidden if related else rng.normal(size=(N, 2))
    y = np.where(hidden[:, 0] > 0, "worn", "new")
    X = hidden @ rng.normal(size=(2, 4)) + 0.05 * rng.normal(size=(N, 4))
    return X, np.hstack([other + 0.05 * rng.normal(size=(N, 2)), rng.normal(size=(N, 20))]), y


def files(folder, related=True, labelled=()):
    X, Xt, y = sensors(related=related)
    source = pl.DataFrame({f"volt{k}": X[:, k] for k in range(4)}).with_columns(state=pl.Series(y))
    target = pl.DataFrame({f"amp{k}": Xt[:, k] for k in range(22)})
    if len(labelled):
        target = target.with_columns(state=pl.Series([v if k in labelled else None for k, v in enumerate(y)]))
    source.write_csv(folder / "old.csv")
    target.write_csv(folder / "new.csv")
    pl.DataFrame({"source": range(40), "target": range(40)}).write_csv(folder / "pairs.csv")
    return [str(folder / name) for name in ("old.csv", "new.csv", "pairs.csv")]


def test_pairs_tie_two_tables(tmp_path):
    old, new, pairs = files(tmp_path)
    args = ["run", old, new, "--label", "state", "--pairs", pairs, "-m", "cca", "-j", "1", "-o", str(tmp_path / "r")]
    said = CliRunner().invoke(app, args)
    assert said.exit_code == 0, said.output
    facts = json.loads((tmp_path / "r/run.json").read_text())
    assert facts["guard"]["adapted"], facts["verdict"]["sentence"]
    assert facts["task"]["way"] == "spaces"
    assert facts["gap"] == {}
    relation = facts["relation"]
    assert relation["found"]
    assert relation["tie"] == "pairs"
    assert relation["p_value"] <= 0.05
    assert (relation["n_pairs"], relation["of"]) == (40, "CanonicalCorrelation")
    assert {c["target"] for c in relation["columns"][:2]} == {"amp0", "amp1"}, "these alone are of both"
    assert all(c["source"].startswith("volt") for c in relation["columns"])
    page = (tmp_path / "r/report.html").read_text()
    assert 'id="relation"' in page
    assert "amp0" in page
    assert "A relation between the two feature spaces was found" in page
    assert "target-only" not in facts["verdict"]["sentence"]
    # The model takes new rows of the target as they come.
    done = CliRunner().invoke(app, ["predict", str(tmp_path / "r"), new, "-o", str(tmp_path / "p.csv")])
    assert done.exit_code == 0, done.output
    predicted = pl.read_csv(tmp_path / "p.csv")["prediction"].to_numpy()
    assert (predicted == sensors()[2]).mean() > 0.8
    again = run(resume=True, out=tmp_path / "r")
    assert again.facts["relation"] == relation


def test_pairs_that_are_none_leave_the_target_alone(tmp_path):
    """The negative control: the two devices have seen different things."""
    old, new, pairs = files(tmp_path, related=False, labelled=range(24))
    task = TransferTask(sources=[old], target=new, label="state", pairs=pairs, methods=["cca"], jobs=1)
    result = run(task, out=tmp_path / "r")
    relation = result.facts["relation"]
    assert not relation["found"]
    assert relation["p_value"] > 0.05
    assert result.facts["guard"]["winner"] == "target_only-1"
    assert result.facts["verdict"]["sentence"].startswith("Keep target-only: ")
    assert "Keep target-only" in (tmp_path / "r/report.html").read_text()
    assert "Keep target-only" in (tmp_path / "r/MODEL_CARD.md").read_text()
    own = load(tmp_path / "r/model")
    assert type(own.method_).__name__ == "TargetAlone"
    assert own.predict(pl.read_csv(new).drop("state")).shape == (N,)


def test_labels_tie_and_the_held_back_are_not_seen(tmp_path):
    X, Xt, y = sensors()
    found = []
    for k, labels in enumerate((y, y[::-1].copy())):
        known = np.arange(N) < 12
        target = Domain(Xt, np.where(known, y, labels), known, name="t")
        task = TransferTask(sources=[Domain(X, y, name="s")], target=target, methods=["cca"], jobs=1)
        run(task, out=tmp_path / str(k))
        found.append((tmp_path / str(k) / "run.json").read_bytes())
    assert found[0] == found[1]
    facts = json.loads(found[0])
    assert facts["guard"]["selector"] == "relation_guard"
    assert facts["relation"]["tie"] == "labels"
    assert [c["id"] for c in facts["candidates"]] == ["target_only-1", "cca-1"]
    assert facts["relation"]["columns"][0]["source"].startswith("source x"), (
        "columns of arrays have no names to meet by"
    )


def test_what_cannot_be_tied_is_refused_before_anything_is_written(tmp_path):
    old, new, pairs = files(tmp_path)
    for options, words in (
        ({}, r"must be tied, by a few known target labels .*--pairs.*The source has volt0, .*the target has amp0"),
        ({"pairs": pairs, "methods": ["coral"]}, "must be one between feature spaces"),
    ):
        with pytest.raises((DomainError, ParamError), match=words):
            run(TransferTask(sources=[old], target=new, label="state", jobs=1, **options), out=tmp_path / "r")
        assert not (tmp_path / "r").exists()
    said = CliRunner().invoke(app, ["gap", old, new, "--label", "state"])
    assert isinstance(said.exception, DataError) or "column in common" in said.output
    X, Xt, y = sensors()
    with pytest.raises(DomainError, match="All 120 labels are held back for the final score"):
        run(TransferTask(sources=[(X, y)], target=(Xt, y)), out=tmp_path / "r")
    with pytest.raises(ParamError, match="TransferTask: pairs must go with source and target"):
        TransferTask(sources=[], target=old, model="auto", pairs=pairs)


def test_files_of_pairs_are_checked(tmp_path):
    path = tmp_path / "p.csv"
    for text, words in (
        ("source,row\n0,1\n", "must have the columns source and target. Got source, row"),
        ("source,target\n0,x\n", "line 2: target must be a whole number. Got 'x'"),
        ("source,target\n0,9\n", r"of the target \(0 to 8\)"),
        ("source,target\n", "must hold a pair or more"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=words):
            read_pairs(path, 5, 9)
    path.write_text("note, source ,target\na,4,8\n")
    np.testing.assert_array_equal(read_pairs(path, 5, 9), [[4, 8]])
    with pytest.raises(DataError, match="must be a readable CSV file"):
        read_pairs(tmp_path / "none.csv", 5, 9)


def test_one_method_without_a_guard(tmp_path):
    """`fit` takes pairs too; rows of the source without a label, and their pairs, are left out."""
    old, new, pairs = files(tmp_path)
    table = pl.read_csv(old).with_columns(state=pl.when(pl.int_range(N) < 5).then(None).otherwise(pl.col("state")))
    table.write_csv(old)
    args = ["fit", "cca", old, new, "--label", "state", "--pairs", pairs, "-o", str(tmp_path / "f"), "--json"]
    said = CliRunner().invoke(app, args)
    assert said.exit_code == 0, said.output
    assert any("5 of 40 pairs are left out" in note for note in json.loads(said.stdout)["notes"])
    model = load(tmp_path / "f/model")
    assert (model.predict(pl.read_csv(new)) == sensors()[2]).mean() > 0.8
    refused = CliRunner().invoke(app, ["fit", "coral", old, new, "--label", "state", "-o", str(tmp_path / "g")])
    assert refused.exit_code != 0


def test_tables_that_share_a_column_use_all_where_that_is_asked_for(tmp_path):
    """By default what is not shared is dropped; a method between spaces that is told the shared columns keeps it."""
    X, Xt, y = sensors()
    source = pl.DataFrame({"volt": X[:, 0], "both": X[:, 1], "state": y})
    target = pl.DataFrame({"amp": Xt[:, 0], "both": X[:, 1], "state": [v if k < 20 else None for k, v in enumerate(y)]})
    task = {"sources": [source], "target": target, "label": "state", "jobs": 1}
    assert prepare(define(TransferTask(**task))).feature_names == ["both"]
    facts = run(TransferTask(**task, methods=["partly_shared"]), out=tmp_path / "b").facts
    assert (facts["task"]["way"], facts["task"]["n_features"], facts["task"]["n_features_source"]) == ("spaces", 2, 2)
    assert facts["candidates"][1]["params"] == {"shared": [[1, 1]]}


def test_columns_that_are_the_same_are_found():
    class Twins:
        """A common space that is the columns themselves, the target's in another order and one turned round."""

        def transform(self, X, domain):
            return X if domain == "source" else X[:, [2, 0, 1]] * [1, -1, 1]

    X = np.random.default_rng(0).normal(size=(50, 3)) * [1, 10, 0.1]
    found = column_ties(Twins(), X, X[:, [1, 2, 0]] * [-1, 1, 1], ["a", "b", "c"], ["u", "v", "w"])
    agreed = {(c["source"], c["target"]): round(c["agreement"]) for c in found}
    assert agreed == {("b", "u"): -1, ("c", "v"): 1, ("a", "w"): 1}


def test_some_methods_do_numbers_where_rows_are_paired():
    """CCA needs pairs for a regression, which its card says: it is a candidate with them, and skipped without."""
    X, Xt, _ = sensors()
    y, known = X[:, 0], np.arange(N) < 12
    for pairs in (None, np.column_stack([np.arange(20), np.arange(20)])):
        prepared = SimpleNamespace(
            kind="regression", pairs=pairs, source=Domain(X, y), target=Domain(Xt, y, known),
            source_names=None, feature_names=[],
        )  # fmt: skip
        task = TransferTask(sources=[Domain(X, y)], target=Domain(Xt))
        found = {c.card.name: c.skip for c in select_between(prepared, task).candidates}
        assert (
            found["cca"] == found["kcca"] == ("" if pairs is not None else "needs pairs of rows, and none were given")
        )
    with pytest.raises(DomainError, match="pairs"):
        CanonicalCorrelation().fit(X, y, target=Domain(Xt, y, known))
    card = catalogue.card_of("cca")
    assert card.task_names == ("classification", "regression with pairs")
    assert card in catalogue.find(task="regression")


def test_couplings_take_anchors_where_rows_are_many():
    """Beyond 3,000 rows a domain what grows with their cube is skipped, unless the method has a form for many."""
    X = np.random.default_rng(0).normal(size=(3_001, 2))
    y, known = np.arange(3_001) % 2, np.arange(3_001) < 6
    for rows, params in ((3_000, {}), (3_001, {"approx": "anchors"})):
        prepared = SimpleNamespace(
            kind="classification", pairs=None, source=Domain(X[:rows], y[:rows]), target=Domain(X[:9], y[:9], known[:9]),
            source_names=None, feature_names=[],
        )  # fmt: skip
        task = TransferTask(sources=[Domain(X, y)], target=Domain(X))
        found = {c.card.name: c for c in select_between(prepared, task).candidates}
        assert (found["gromov_wasserstein"].params, found["gromov_wasserstein"].skip) == (params, "")
        assert ("cost grows with n^3" in found["co_optimal_transport"].skip) == (rows > 3_000)
