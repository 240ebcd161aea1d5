"""The six steps as one: leak-free, resumable, repeatable, and no worse than source-only where nothing shifted."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import transferkit
from transferkit import DataError, Domain, ParamError, TransferTask, run

METHODS = ["coral", "subspace_alignment", "linear_monge"]
# What a process of its own runs; it finds the forests of the tests beside them.
IN_SMALL_FORESTS = f"""import runpy, sys
sys.path.append({os.path.dirname(os.path.dirname(__file__))!r})
from small_forests import small_forests
with small_forests():
    {{}}
"""


def shifted(seed=0, n=90, shift=4.0):
    """Three classes in four dimensions; the target is moved, turned and stretched."""
    rng = np.random.default_rng(seed)
    centres = 4 * np.eye(3, 4)
    y, yt = np.arange(n) % 3, np.arange(n) % 3
    X, Xt = (centres[labels] + rng.normal(size=(n, 4)) for labels in (y, yt))
    return X, y, Xt * [1, 2, 1, 1] + shift, yt


def task_of(shift=4.0, **options):
    X, y, Xt, yt = shifted(shift=shift)
    options = {"methods": METHODS, "jobs": 1, **options}
    return TransferTask(sources=[Domain(X, y, name="lab")], target=Domain(Xt, yt, name="clinic"), **options)


def test_a_run_leaves_everything(tmp_path):
    result = run(task_of(), out=tmp_path / "r")
    there = {p.name for p in result.folder.iterdir()}
    assert {
        "run.toml", "run.json", "report.html", "candidates.csv", "predictions.csv", "MODEL_CARD.md", "model", "log.jsonl",
    } <= there  # fmt: skip
    facts = json.loads((tmp_path / "r/run.json").read_text())
    assert facts == json.loads(json.dumps(result.facts))
    _, _, Xt, _ = shifted()
    np.testing.assert_array_equal(transferkit.load(tmp_path / "r/model").predict(Xt), result.model.predict(Xt))


def test_hidden_labels_reach_neither_a_fit_nor_the_choice(tmp_path):
    """Permute the held-back labels: everything but the final score is the same to the last bit."""
    X, y, Xt, yt = shifted()
    garbled = np.random.default_rng(1).permutation(yt)
    found = []
    for k, labels in enumerate((yt, garbled)):
        task = TransferTask(
            sources=[(X, y)], target=Domain(Xt, labels, name="t"), methods=METHODS, jobs=1, target_labels="test"
        )
        facts = json.loads(json.dumps(run(task, out=tmp_path / str(k)).facts))
        for row in facts["candidates"]:
            del row["score"], row["score_interval"]
        for key in ("verdict", "per_class", "confusion"):
            del facts[key]
        found.append((facts, (tmp_path / str(k) / "predictions.csv").read_bytes()))
    assert found[0] == found[1]


def test_few_labels_are_used_and_the_others_are_not(tmp_path):
    X, y, Xt, yt = shifted()
    known = np.arange(len(yt)) < 12
    found = []
    for k, hidden in enumerate((yt, (yt + 1) % 3)):
        target = Domain(Xt, np.where(known, yt, hidden), known=known, name="t")
        task = TransferTask(sources=[(X, y)], target=target, methods=METHODS, jobs=1)
        run(task, out=tmp_path / str(k))
        found.append((tmp_path / str(k) / "run.json").read_bytes())
    assert found[0] == found[1]
    facts = json.loads(found[0])
    assert facts["guard"]["selector"] == "paired_shots"
    assert {"pooled-1", "target_only-1"} <= {row["id"] for row in facts["candidates"]}


def test_the_same_seed_gives_the_same_files_whatever_the_jobs(tmp_path):
    for name, jobs in (("a", 1), ("b", 2)):
        run(task_of(jobs=jobs), out=tmp_path / name)
    for file in ("run.json", "predictions.csv", "candidates.csv", "report.html"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_resume_after_a_stop_gives_the_same_result(tmp_path, monkeypatch):
    """Stop in the middle of training, as Ctrl-C does; go on; compare with a run that was never stopped."""
    run(task_of(), out=tmp_path / "whole")

    def stop_after_two(step, done, total, text):
        if step == "train" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(task_of(), out=tmp_path / "stopped", progress=stop_after_two)
    assert not (tmp_path / "stopped/run.json").exists()
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "stopped/candidates").glob("*/done.json")}
    assert len(kept) == 2
    run(task_of(), out=tmp_path / "stopped", resume=True)
    assert all(p.stat().st_mtime_ns == before for p, before in kept.items())  # not fitted again
    for file in ("run.json", "predictions.csv"):
        assert (tmp_path / "stopped" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


@pytest.mark.slow
def test_resume_after_a_kill(tmp_path):
    X, y, Xt, yt = shifted(n=60)
    np.savez(tmp_path / "lab.npz", X=X, y=y)
    np.savez(tmp_path / "clinic.npz", X=Xt, y=yt)
    python = [sys.executable, "-c", IN_SMALL_FORESTS.format("runpy.run_module('transferkit', run_name='__main__')")]
    command = [*python, "run", "lab.npz", "clinic.npz", "-j", "1", "--json", "-m", "coral", "-m", "linear_monge"]
    whole = subprocess.run([*command, "-o", "whole"], cwd=tmp_path, capture_output=True, check=True)
    stopped = subprocess.Popen([*command, "-o", "killed"], cwd=tmp_path, stdout=subprocess.DEVNULL)
    deadline = time.time() + 60
    while not list((tmp_path / "killed").glob("candidates/*/done.json")) and time.time() < deadline:
        time.sleep(0.005)
    stopped.send_signal(signal.SIGKILL)
    stopped.wait()
    resumed = subprocess.run(
        [*python, "run", "--resume", "killed", "--json"],
        cwd=tmp_path, capture_output=True, check=True,
    )  # fmt: skip
    facts, expected = json.loads(resumed.stdout), json.loads(whole.stdout)
    facts.pop("command"), expected.pop("command")
    assert facts == expected


def test_nothing_shifted_nothing_adapted(tmp_path):
    rng = np.random.default_rng(3)
    y = np.arange(200) % 2
    X = rng.normal(size=(200, 5)) + 2 * y[:, None]
    facts = run(TransferTask(sources=[(X[:100], y[:100])], target=(X[100:], y[100:]), jobs=1), out=tmp_path / "r").facts
    assert not facts["guard"]["adapted"]
    assert facts["verdict"]["sentence"].startswith("Keep source-only")


def test_a_failing_method_is_listed_and_does_not_end_the_run(tmp_path, monkeypatch):
    from transferkit.algorithms.feature.coral import CORAL

    def broken(self, *args, **kwargs):
        raise np.linalg.LinAlgError("singular")

    monkeypatch.setattr(CORAL, "fit", broken)
    facts = run(task_of(), out=tmp_path / "r").facts
    rows = {row["id"]: row for row in facts["candidates"]}
    assert rows["coral-1"]["status"] == "failed"
    assert "singular" in rows["coral-1"]["reason"]


def test_a_used_up_budget_still_runs_the_baselines(tmp_path):
    facts = run(task_of(budget=1e-9), out=tmp_path / "r").facts
    by_status = {row["id"]: row["status"] for row in facts["candidates"]}
    assert by_status["source_only-1"] == "fitted"
    assert by_status["coral-1"] == "skipped"
    assert facts["guard"]["proposal"] in ("vote", "source_only-1")
    # A later resume with time to spare fits them.
    again = run(task_of(), out=tmp_path / "r", resume=True).facts
    assert {row["status"] for row in again["candidates"]} == {"fitted"}


def test_several_sources(tmp_path):
    X, y, Xt, _ = shifted()
    sources = [Domain(X[:45], y[:45], name="one"), Domain(X[45:] + 0.3, y[45:], name="two")]
    facts = run(TransferTask(sources=sources, target=Xt, methods=METHODS, jobs=1), out=tmp_path / "r").facts
    assert [s["name"] for s in facts["task"]["sources"]] == ["one", "two"]
    assert facts["verdict"]["basis"] == "label-free estimate"


def test_a_regression(tmp_path):
    rng = np.random.default_rng(0)
    X, Xt = rng.normal(size=(80, 3)), rng.normal(size=(60, 3))
    y, yt = X @ [1.0, 2.0, 3.0], Xt @ [1.0, 2.0, 3.0]
    facts = run(TransferTask(sources=[(X, y)], target=(Xt, yt), methods=METHODS, jobs=1), out=tmp_path / "r").facts
    assert facts["task"]["metric"] == "r2"
    assert facts["verdict"]["baseline"] > 0.95
    assert not facts["guard"]["adapted"]


def test_a_folder_that_holds_a_run_is_not_overwritten(tmp_path):
    run(task_of(), out=tmp_path / "r")
    with pytest.raises(DataError, match="holds a run already"):
        run(task_of(), out=tmp_path / "r")


def test_resume_refuses_other_data_options_versions_and_folders(tmp_path):
    run(task_of(), out=tmp_path / "r")
    with pytest.raises(DataError, match="the data changed"):
        run(task_of(shift=5.0), out=tmp_path / "r", resume=True)
    with pytest.raises(DataError, match="Different now: seed"):
        run(task_of(seed=1), out=tmp_path / "r", resume=True)
    with pytest.raises(DataError, match="must be the folder of a run"):
        run(task_of(), out=tmp_path / "nothing", resume=True)
    X, y, Xt, yt = shifted()
    other = TransferTask(
        sources=[Domain(X, y, name="lab")], target=Domain(Xt, yt[::-1].copy(), name="clinic"), methods=METHODS, jobs=1
    )
    with pytest.raises(DataError, match="the held-back target labels changed"):
        run(other, out=tmp_path / "r", resume=True)
    state = json.loads((tmp_path / "r/state.json").read_text())
    (tmp_path / "r/state.json").write_text(json.dumps({**state, "schema": 99, "transferkit": "9.9"}))
    with pytest.raises(DataError, match=r"schema 99, written by transferkit 9.9"):
        run(task_of(), out=tmp_path / "r", resume=True)


def test_a_method_that_does_not_fit_is_refused_before_any_work(tmp_path):
    with pytest.raises(ParamError, match="Did you mean"):
        run(task_of(methods=["corl"]), out=tmp_path / "r")
    with pytest.raises(ParamError, match=r"'tradaboost' must fit the task"):
        run(task_of(methods=["tradaboost"]), out=tmp_path / "r")


@pytest.mark.skipif(os.geteuid() == 0 and not os.path.exists("/proc"), reason="needs a read-only place")
def test_a_read_only_place_is_named(tmp_path):
    with pytest.raises(DataError, match="cannot be"):
        run(task_of(), out="/proc/transferkit-run")


def test_a_full_disk_leaves_a_clear_error_and_no_run_json(tmp_path, monkeypatch):
    import errno

    from transferkit.core import files

    real = files.os.fsync

    def full(handle):
        if len(list(tmp_path.glob("r/candidates/*/done.json"))) >= 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(DataError, match="No space left"):
        run(task_of(), out=tmp_path / "r")
    assert not (tmp_path / "r/run.json").exists()
    assert not [p for p in (tmp_path / "r").rglob(".*") if p.is_file()]  # no half-written neighbour


def test_the_result_does_not_depend_on_the_threads_of_the_library(tmp_path):
    """The reduction of wide data and the test statistics run on one thread, whatever the machine offers."""
    code = (
        "import numpy as np, transferkit as tk; rng = np.random.default_rng(0); X = rng.normal(size=(120, 1100));"
        "y = np.arange(120) % 2; t = tk.TransferTask(sources=[(X, y)], target=X + 1, methods=['coral'], jobs=1);"
        "tk.run(t, out='r')"
    )
    found = []
    for threads in ("1", "2"):
        (tmp_path / threads).mkdir()
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        command = [sys.executable, "-c", IN_SMALL_FORESTS.format(code)]
        subprocess.run(command, cwd=tmp_path / threads, env=environment, check=True)
        found.append((tmp_path / threads / "r/run.json").read_bytes())
    assert found[0] == found[1]


def test_a_run_says_so_where_the_guard_was_wrong():
    """The sentence is made from what was measured, not from what was hoped."""
    from types import SimpleNamespace

    from transferkit.pipeline.evaluate import _sentence

    winner = SimpleNamespace(candidate=SimpleNamespace(id="coral-1", card=SimpleNamespace(cls="CORAL")))
    guard = {"adapted": True, "state": "adapt", "reason": "r", "anchor": "source_only-1"}
    arguments = (winner, guard, (0.7, (0.6, 0.8)), (0.8, (0.7, 0.9)))
    assert "the guard was wrong here" in _sentence(*arguments, "held-back labels", "classification")
    assert "speaks against it" in _sentence(*arguments, "label-free estimate", "classification")


def test_a_method_named_alone_is_what_few_labels_test(tmp_path):
    X, y, Xt, yt = shifted()
    known = np.arange(len(yt)) < 12
    task = TransferTask(sources=[(X, y)], target=Domain(Xt, yt, known=known), methods=["linear_monge"], jobs=1)
    facts = run(task, out=tmp_path / "r").facts
    assert facts["guard"]["proposal"] == "linear_monge-1"
    assert any("linear_monge-1 only" in step for step in facts["next_steps"])


@pytest.mark.parametrize("n_held", [1, 3])
def test_a_regression_with_hardly_any_held_back_row(tmp_path, n_held):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    target = Domain(X, X @ [1.0, 2.0, 3.0], known=np.arange(40) >= n_held, name="t")
    shots = TransferTask(
        sources=[(X, X @ [1.0, 2.0, 3.0])], target=Domain(X, target.y, name="t"), target_labels="few", shots=40 - n_held,
        methods=["coral"], jobs=1,
    )  # fmt: skip
    facts = run(shots, out=tmp_path / "r").facts
    assert facts["task"]["target"]["n_held_back"] == n_held
    assert (facts["verdict"]["baseline"] is None) == (n_held == 1)


def test_a_class_with_a_single_source_row_is_refused_by_name(tmp_path):
    X, y, Xt, _ = shifted()
    y = y.copy()
    y[0] = 7
    with pytest.raises(transferkit.DomainError, match=r"Class .*7.* has 1"):
        run(TransferTask(sources=[(X, y)], target=Xt, methods=METHODS, jobs=1), out=tmp_path / "r")
    # Left out in turn, two sources get past that; the run then has no label-free estimate, and ends well.
    sources = [Domain(X[:45], y[:45], name="one"), Domain(X[45:], y[45:], name="two")]
    facts = run(TransferTask(sources=sources, target=Xt, methods=["coral"], jobs=1), out=tmp_path / "s").facts
    assert facts["verdict"]["basis"] == "none"


def test_of_two_runs_in_one_folder_the_second_is_told(tmp_path, monkeypatch):
    """Both look before either has written: the one that comes second is refused when it wants to begin."""
    import transferkit.pipeline.run as module

    real = module.select

    def slow(*arguments):
        found = real(*arguments)
        if not (tmp_path / "r/state.json").exists():
            monkeypatch.setattr(module, "select", real)
            run(task_of(), out=tmp_path / "r")  # the other run, meanwhile
        return found

    monkeypatch.setattr(module, "select", slow)
    with pytest.raises(DataError, match="another run began in this folder"):
        run(task_of(), out=tmp_path / "r")
    assert (tmp_path / "r/run.json").exists()


def test_a_state_of_another_shape_is_refused(tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r/state.json").write_text('{"schema": 1, "command": "x"}')
    with pytest.raises(DataError, match="must be the folder of a run"):
        run(task_of(), out=tmp_path / "r", resume=True)
