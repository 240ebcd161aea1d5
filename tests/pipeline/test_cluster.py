"""A run and a pass over chunks on a dask cluster of two worker processes, one of which is killed midway."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import ModuleType

import joblib
import numpy as np
import polars as pl
import pytest
from joblib._parallel_backends import ThreadingBackend
from numpy.testing import assert_array_equal

import transferkit
from cluster_toys import KillsItsWorker
from transferkit import Domain, MissingExtraError, ParamError, TransferTask
from transferkit.data.chunks import ParquetChunks
from transferkit.ops.moments import chunk_moments, merge_moments
from transferkit.pipeline import cluster as cluster_module
from transferkit.pipeline.cluster import on_engine
from transferkit.pipeline.define import define
from transferkit.pipeline.plain_models import plain_model
from transferkit.pipeline.prepare import prepare
from transferkit.pipeline.progress import silent
from transferkit.pipeline.select import candidates_for
from transferkit.pipeline.train import train

# Of distributed, about connections to the worker that was killed.
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.filterwarnings("ignore:.*unraisable")]


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as found:
        yield found


def task(**options):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = rng.normal(size=(60, 3)) + 2 * y[:, None]
    source, target = Domain(X, y, name="a"), Domain(X[::-1] + 1, name="b")
    return TransferTask([source], target, methods=["coral", "domain_classifier"], jobs=1, **options)


def fitted(folder, **options):
    """Step 4 alone, of a task."""
    prepared = prepare(define(task()))
    listed = candidates_for(prepared, task(), plain_model("linear", "classification"))
    listed = [c for c in listed if c.id in ("source_only-1", "source_only-2", "coral-1", "domain_classifier-1")]
    usual = {"seed": 0, "jobs": 1, "budget": None, "progress": silent}
    return prepared, train(listed, prepared, folder, **{**usual, **options})


@pytest.mark.slow
def test_fits_on_a_cluster_are_the_local_ones_though_a_worker_dies(cluster, tmp_path):
    prepared, here = fitted(tmp_path / "here")
    with cluster.get_client() as client:
        pids = list(client.run(os.getpid).values())
    done = []

    def kill_once(step, n_done, total, text):
        done.append(n_done)
        if n_done == 2:
            os.kill(pids.pop(), signal.SIGKILL)

    with on_engine("dask", cluster.scheduler_address, tmp_path):
        _, there = fitted(tmp_path / "there", cluster=True, progress=kill_once)
    assert len(pids) == 1
    assert done == list(range(len(there) + 1))
    for a, b in zip(here, there, strict=True):
        assert (a.candidate.id, a.status, a.reason) == (b.candidate.id, b.status, b.reason)
        assert_array_equal(a.model.predict_proba(prepared.target.X), b.model.predict_proba(prepared.target.X))
    assert not list((tmp_path / "there").rglob("*rows.npz"))


def test_what_has_not_begun_at_the_deadline_is_called_off(cluster, tmp_path):
    with on_engine("dask", cluster.scheduler_address, tmp_path):
        _, there = fitted(tmp_path / "there", cluster=True, budget=1e-9)
    assert {t.status for t in there if t.candidate.role == "baseline"} == {"fitted"}
    assert {t.status for t in there if t.candidate.role != "baseline"} == {"skipped"}


def test_a_run_asks_for_the_engine_of_its_task(tmp_path, monkeypatch):
    class Asked(Exception):
        pass

    def on_engine(*asked):
        raise Asked(*asked)

    monkeypatch.setattr("transferkit.pipeline.run.on_engine", on_engine)
    with pytest.raises(Asked) as caught:
        transferkit.run(task(engine="dask", address="tcp://a:1"), out=tmp_path / "run")
    assert caught.value.args == ("dask", "tcp://a:1", (tmp_path / "run").resolve())


def test_a_pass_over_chunks_loses_nothing_with_a_worker(cluster, tmp_path):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(rng.normal(size=(100, 4)) + 5, schema=list("abcd"))
    frame.write_parquet(tmp_path / "rows.parquet", row_group_size=9)
    chunks = ParquetChunks(tmp_path / "rows.parquet", chunk_rows=4)
    with cluster.get_client() as client, joblib.parallel_config(backend="dask", client=client):
        found = chunks.reduce(KillsItsWorker(tmp_path / "mark"), merge_moments)
        answer = chunks.apply(np.negative)
    assert (tmp_path / "mark").exists()
    alone = chunk_moments(chunks)
    assert_array_equal(found.scatter, alone.scatter)
    assert_array_equal(found.mean, alone.mean)
    assert_array_equal(answer, -frame.to_numpy())


def test_a_cluster_that_cannot_be_used_says_why(cluster, tmp_path, monkeypatch):
    address = cluster.scheduler_address
    monkeypatch.setattr(cluster_module, "_CONNECT", 0.5)
    with (
        pytest.raises(ParamError, match="dask scheduler that answers"),
        on_engine("dask", "tcp://127.0.0.1:9", tmp_path),
    ):
        pass
    nowhere = pytest.raises(ParamError, match=r"must see the run's folder.*none/at/all")
    with nowhere, on_engine("dask", address, Path("none/at/all")):
        pass
    monkeypatch.setattr(cluster_module, "__version__", "0")
    monkeypatch.setattr(cluster_module, "_CONNECT", 15)
    with pytest.raises(ParamError, match="must have transferkit 0"), on_engine("dask", address, tmp_path):
        pass


def test_what_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match="pip install ray"), on_engine("ray", None, tmp_path):
        pass
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"transferkit\[cluster\]"), on_engine("dask", "tcp://a:1", tmp_path):
        pass


def test_ray_is_asked_by_its_joblib_backend(tmp_path, monkeypatch):
    """Ray itself is not installed here: what is called of it, in which order, and a backend that gives no generator."""
    calls = []
    ray, util, module = ModuleType("ray"), ModuleType("ray.util"), ModuleType("ray.util.joblib")
    ray.init = lambda **options: calls.append(options["address"])
    ray.shutdown = lambda: calls.append("shutdown")

    class Backend(ThreadingBackend):
        supports_return_generator = False

    def register():
        calls.append("register")
        joblib.register_parallel_backend("ray", Backend)

    module.register_ray = register
    for name, made in (("ray", ray), ("ray.util", util), ("ray.util.joblib", module)):
        monkeypatch.setitem(sys.modules, name, made)
    with on_engine("ray", None, tmp_path):
        _, there = fitted(tmp_path / "there", cluster=True, jobs=2)
    assert calls == ["auto", "register", "shutdown"]
    assert {t.status for t in there} == {"fitted"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "spark"}, "engine must be one of local, dask, ray"),
        ({"engine": "dask"}, "address must be"),
        ({"address": "tcp://a:1"}, "address must be"),
    ],
)
def test_options_that_do_not_go_together(options, message):
    with pytest.raises(ParamError, match=message):
        task(**options)
