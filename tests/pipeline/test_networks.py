"""Methods that train a network between domains: tried only where they are named."""

import numpy as np
import pytest

from transferkit import Domain, TransferTask, catalogue, run

pytest.importorskip("torch")
DEEP = {
    c.name for c in catalogue.find(protocol="Transfer", task="classification", data="vectors") if c.cost == "epochs"
}


def task_of(methods):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X, Xt = (4 * np.eye(3, 4)[y] + rng.normal(size=(60, 4)) for _ in range(2))
    return TransferTask(
        sources=[Domain(X, y, name="lab")], target=Domain(Xt + 1, name="clinic"), methods=methods, jobs=1
    )


def test_they_are_not_tried_unless_they_are_named(tmp_path):
    rows = {row["method"] for row in run(task_of(None), out=tmp_path / "r").facts["candidates"]}
    assert {"dann", "deep_source_only"} <= DEEP
    assert "source_only" in rows
    assert not DEEP & rows


@pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
def test_named_they_are_fitted_and_no_other_is_listed(tmp_path):
    facts = run(task_of(["mcc"]), out=tmp_path / "r").facts
    rows = {row["method"]: row["status"] for row in facts["candidates"]}
    assert rows["mcc"] == "fitted"
    assert not rows.keys() & (DEEP - {"mcc"})
