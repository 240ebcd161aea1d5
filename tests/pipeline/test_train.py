"""Step 4: a budget ends what does not come back."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import ClassVar

import numpy as np
import pytest

from transferkit import Domain, SourceOnly, TransferTask
from transferkit.core.files import make_folder
from transferkit.pipeline import attempts
from transferkit.pipeline.define import define
from transferkit.pipeline.plain_models import plain_model
from transferkit.pipeline.prepare import prepare
from transferkit.pipeline.progress import silent
from transferkit.pipeline.select import Candidate, candidates_for
from transferkit.pipeline.train import train

train_module = import_module("transferkit.pipeline.train")


class _Endless(SourceOnly):
    """A method that never comes back."""

    def fit(self, X, y=None, *, target, groups=None):
        while True:
            time.sleep(0.1)


class _EndlessCandidate(Candidate):
    def build(self, seed):
        return _Endless()


def test_a_candidate_that_takes_forever_is_ended_by_the_budget(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = rng.normal(size=(60, 3)) + 3 * y[:, None]
    task = TransferTask(sources=[Domain(X, y, name="a")], target=Domain(X + 2, name="b"), methods=["coral"], jobs=2)
    prepared = prepare(define(task))
    listed = candidates_for(prepared, task, plain_model("linear", "classification"))
    listed = [_EndlessCandidate(**vars(c)) if c.id == "coral-1" else replace(c) for c in listed]
    trained = train(listed, prepared, tmp_path / "c", seed=0, jobs=2, budget=10.0, progress=silent)
    found = {t.candidate.id: t for t in trained}
    assert found["coral-1"].status == "skipped"
    assert "budget" in found["coral-1"].reason
    assert all(found[f"source_only-{k}"].status == "fitted" for k in (1, 2, 3, 4))
    assert not (tmp_path / "c" / "coral-1" / "done.json").exists()


class _Dying(SourceOnly):
    """A method that takes its process with it, as one that wants more memory than there is."""

    def fit(self, X, y=None, *, target, groups=None):
        os.kill(os.getpid(), signal.SIGKILL)


class _DyingCandidate(Candidate):
    def build(self, seed):
        return _Dying()


def with_a_killer():
    """A baseline, a candidate that kills its process, and two more."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = rng.normal(size=(60, 3)) + 3 * y[:, None]
    task = TransferTask(sources=[Domain(X, y, name="a")], target=Domain(X + 2, name="b"), methods=["coral", "tca"])
    listed = {c.id: c for c in candidates_for(prepare(define(task)), task, plain_model("linear", "classification"))}
    killer = _DyingCandidate(**vars(listed["coral-1"]))
    return prepare(define(task)), [listed["source_only-1"], killer, listed["coral-2"], listed["tca-1"]]


def _in_this_process(folder):
    prepared, listed = with_a_killer()
    train(listed, prepared, folder, seed=0, jobs=1, budget=None, progress=silent)


@pytest.mark.parametrize("budget", [None, pytest.param(600.0, marks=pytest.mark.slow)])
def test_a_candidate_that_ends_its_process_is_recorded_and_the_rest_goes_on(tmp_path, budget):
    prepared, listed = with_a_killer()
    told = []

    def progress(step, done, total, text):
        told.append((done, total))

    trained = train(listed, prepared, tmp_path / "c", seed=0, jobs=2, budget=budget, progress=progress)
    assert [t.status for t in trained] == ["fitted", "failed", "fitted", "fitted"]
    assert "it ended the process that fitted it" in trained[1].reason
    assert "delete its folder" in trained[1].reason
    assert told == [(k, 4) for k in range(5)]
    assert not list((tmp_path / "c").glob("*/started.json"))


def test_a_run_that_a_candidate_killed_goes_on_without_it(tmp_path):
    """One fit at a time is in the run's own process: it dies, and the resumed run knows by which candidate."""
    home = tmp_path / "c"
    with pytest.raises(BrokenExecutor):
        attempts.alone(_in_this_process, home)
    assert attempts.tries(home / "coral-1") == 1
    assert (home / "source_only-1" / "done.json").exists()
    prepared, listed = with_a_killer()
    resumed = train(listed, prepared, home, seed=0, jobs=1, budget=None, progress=silent)
    assert [t.status for t in resumed] == ["fitted", "failed", "fitted", "fitted"]
    assert [t.status for t in train(listed, prepared, home, seed=0, jobs=1, budget=None, progress=silent)] == [
        "fitted", "failed", "fitted", "fitted",
    ]  # fmt: skip


def test_a_candidate_under_which_the_whole_run_ended_three_times_is_not_begun_again(tmp_path, monkeypatch):
    prepared, listed = with_a_killer()
    attempts.begin(make_folder(tmp_path / "coral-1"), attempts.TRIES - 1)
    monkeypatch.setattr(train_module.attempts, "alone", lambda *a: pytest.fail("it was begun again"))
    trained = train(listed[:3], prepared, tmp_path, seed=0, jobs=1, budget=None, progress=silent)
    assert [t.status for t in trained] == ["fitted", "failed", "fitted"]
    attempts.begin(
        tmp_path / "source_only-1", attempts.TRIES - 1
    )  # ended after its result was written, before the note went
    assert train(listed[:1], prepared, tmp_path, seed=0, jobs=1, budget=None, progress=silent)[0].status == "fitted"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_what_the_user_or_a_full_disk_stops_is_no_try(tmp_path, monkeypatch, stop):
    prepared, listed = with_a_killer()

    def save(*args):
        raise stop

    monkeypatch.setattr(train_module.store, "save", save)
    with pytest.raises(stop):
        train(listed[:1], prepared, tmp_path, seed=0, jobs=1, budget=None, progress=silent)
    assert attempts.tries(tmp_path / "source_only-1") == 0


class _TellingCandidate(Candidate):
    told: ClassVar[list[str]] = []

    def build(self, seed):
        self.told.append("build")
        return super().build(seed)


def test_libraries_that_a_method_loads_are_there_when_their_threads_are_limited(tmp_path, monkeypatch):
    """Else the first network of a process would run on more threads than those after it, and a resumed run differ."""

    told, plain = _TellingCandidate.told, SourceOnly.fit

    @contextmanager
    def limited(limits):
        told.append(f"limit {limits}")
        yield

    def fit(*args, **kwargs):
        told.append("fit")
        return plain(*args, **kwargs)

    monkeypatch.setattr(train_module, "threadpool_limits", limited)
    monkeypatch.setattr(SourceOnly, "fit", fit)
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = rng.normal(size=(60, 3)) + 3 * y[:, None]
    task = TransferTask(sources=[Domain(X, y, name="a")], target=Domain(X + 2, name="b"), methods=["coral"])
    prepared = prepare(define(task))
    first = candidates_for(prepared, task, plain_model("linear", "classification"))[0]
    told.clear()
    train([_TellingCandidate(**vars(first))], prepared, tmp_path / "c", seed=0, jobs=1, budget=None, progress=silent)
    assert told == ["build", "limit 1", "fit"]
