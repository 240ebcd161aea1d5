"""Methods that train a network between domains: tried only where they are named."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import transferkit
from transferkit import Domain, TransferTask, catalogue, run
from transferkit.core.scaling import NormScaler
from transferkit.pipeline import train
from transferkit.pipeline.define import define
from transferkit.pipeline.plain_models import plain_model
from transferkit.pipeline.prepare import prepare
from transferkit.pipeline.select import candidates_for, epochs_for, scaler_for

pytest.importorskip("torch")
FULL_FORESTS = True  # which candidate wins is what is tested
DEEP = {
    c.name for c in catalogue.find(protocol="Transfer", task="classification", data="vectors") if c.cost == "epochs"
}


def task_of(methods, scale=1.0, **options):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X, Xt = (4 * np.eye(3, 4)[y] + rng.normal(size=(60, 4)) for _ in range(2))
    return TransferTask(
        sources=[Domain(X * scale, y, name="lab")], target=Domain((Xt + 1) * scale, name="clinic"), methods=methods,
        jobs=1, **options,
    )  # fmt: skip


def listed(task):
    prepared = prepare(define(task))
    return prepared, {c.card.name: c for c in candidates_for(prepared, task, plain_model("linear", "classification"))}


def test_they_are_not_tried_unless_they_are_named():
    _, candidates = listed(task_of(None))
    assert {"dann", "deep_source_only"} <= DEEP
    assert "source_only" in candidates
    assert not DEEP & candidates.keys()


def test_named_they_bring_the_network_of_the_source_alone_and_no_other():
    _, candidates = listed(task_of(["mcc", "dann"]))
    assert DEEP & candidates.keys() == {"mcc", "dann", "deep_source_only"}
    assert candidates["deep_source_only"].role == "baseline"
    assert DEEP & listed(task_of(["coral"]))[1].keys() == set()


def test_a_budget_does_not_wait_for_a_network():
    _, candidates = listed(task_of(["mcc"]))
    assert train._is_waited_for(candidates["source_only"])
    assert not train._is_waited_for(candidates["deep_source_only"])
    assert not train._is_waited_for(candidates["mcc"])


def test_few_rows_are_passed_over_more_often():
    prepared, candidates = listed(task_of(["mcc"]))
    assert epochs_for(prepared) == 100
    assert candidates["mcc"].build(0).method.training.n_epochs == 100
    assert epochs_for(prepared, 7) == 7
    many = replace(prepared, target=Domain(np.zeros((1600, 4))))
    assert epochs_for(many) == 20  # 50 batches of 32 each
    assert epochs_for(replace(prepared, target=Domain(np.zeros((10**6, 4))))) == 10


def test_what_networks_get_has_no_units():
    """Columns are brought to one scale over both domains; a column that hardly varies in the source blows up nothing."""
    task = task_of(["deep_source_only"], scale=np.array([1, 1e-9, 1e6, 1e3]))
    task.sources[0].X[:, 3] = 0
    task.sources[0].X[0, 3] = 1e-6
    prepared, candidates = listed(task)
    assert np.abs(prepared.target.X).max() > 1e6
    model = replace(candidates["deep_source_only"], epochs=1).build(0)
    model.fit(prepared.source.X, prepared.source.y, target=prepared.target)
    both = np.vstack([model.transformer_.transform(X) for X in (prepared.source.X, prepared.target.X)])
    np.testing.assert_allclose(both.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(both.std(axis=0), 1)
    means = [model.transformer_.transform(X).mean() for X in (prepared.source.X, prepared.target.X)]
    assert means[1] - means[0] > 0.1  # what differs between the domains is left to the method


def test_components_and_features_keep_their_proportions():
    task = task_of(["dann"])
    prepared, candidates = listed(task)
    card = candidates["dann"].card
    assert isinstance(scaler_for(card, prepared), StandardScaler)
    assert isinstance(scaler_for(card, replace(prepared, model={"name": "m"})), NormScaler)
    reduced = Pipeline([*prepared.transformer.steps, ("reduce", "passthrough")])
    assert isinstance(scaler_for(card, replace(prepared, transformer=reduced)), NormScaler)
    assert scaler_for(candidates["source_only"].card, prepared) is None


@pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
def test_a_network_that_wins_is_shown_saved_and_used(tmp_path):
    rng = np.random.default_rng(1)
    y = np.arange(120) % 3
    X, Xt = (4 * np.eye(3, 4)[y] + rng.normal(size=(120, 4)) for _ in range(2))
    Xt, y = Xt * [1, 2, 1, 1] + 4, y.astype(str)
    task = TransferTask(
        sources=[Domain(X, y, name="lab")], target=Domain(Xt, y, name="clinic"), methods=["dann"], epochs=25, jobs=1,
        assume="same-priors",
    )  # fmt: skip
    told = []
    result = run(task, out=tmp_path / "r", progress=lambda step, done, total, text: told.append(text))
    facts = result.facts
    assert next(t for t in told if t).startswith("to do: source_only-1, source_only-2, source_only-3 and ")
    assert "to do: dann-1" in told

    assert facts["guard"]["winner"] == "dann-1"
    assert facts["verdict"]["expected"] > facts["verdict"]["baseline"]
    np.testing.assert_array_equal(transferkit.load(tmp_path / "r/model").predict(Xt), result.model.predict(Xt))

    learned = facts["learning"]
    assert {k: len(v) for k, v in learned.items()} == {"dann-1": 25, "deep_source_only-1": 25}
    assert {"train/loss", "train/task", "train/transfer", "train/critic", "domain/auc"} <= learned["dann-1"][0].keys()
    moves, changed = facts["moves"], next(r["changed"] for r in facts["candidates"] if r["id"] == "dann-1")
    for one, other, total in (("before", "after", 120), ("left", "joined", round(120 * changed))):
        assert sum(c[one] for c in moves["classes"]) == sum(c[other] for c in moves["classes"]) == total
    assert (moves["n"], moves["moved"]) == (120, round(120 * changed))
    page = (tmp_path / "r/report.html").read_text()
    for text in ("How the networks were trained", "the features of DeepSourceOnly", "as DANN sees them"):
        assert text in page


def test_a_network_that_has_learned_nothing_has_no_say(tmp_path, monkeypatch):
    """It is listed with the reason, and no vote counts it; the network without transfer stands for comparison as it is."""
    from transferkit.engine.adaptation import estimator as adaptation

    monkeypatch.setattr(adaptation, "collapse", lambda *args: {"collapsed": False, "diverged": True})
    found = run(task_of(["mcc"], epochs=1), out=tmp_path / "r").facts
    rows = {row["method"]: row for row in found["candidates"]}
    assert rows["mcc"]["status"] == "failed"
    assert "MCC: on its own source it must do better than one answer" in rows["mcc"]["reason"]
    assert rows["deep_source_only"]["status"] == "fitted"
    assert not any(name.startswith("mcc") for name in found["guard"].get("weights", {}))
