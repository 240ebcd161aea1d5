"""Meta-learners in a run: named, with several sources and a few target labels; judged like any other; errors."""

import numpy as np
import pytest

import transferkit
from transferkit import Domain, DomainError, ParamError, TransferTask, catalogue, run
from transferkit.pipeline.define import define
from transferkit.pipeline.plain_models import plain_model
from transferkit.pipeline.prepare import prepare
from transferkit.pipeline.select import META_EPOCHS, TASKS, candidates_for

pytest.importorskip("torch")
LEARNERS = {c.name for c in catalogue.find(protocol="MetaLearner")}
FULL_FORESTS = True  # which candidate wins is what is tested


def rooms(n_sources=5, n=40, seed=0):
    """Two classes on the two sides of each room, which stands at an angle of its own; eight columns are noise."""
    rng = np.random.default_rng(seed)
    found = []
    for k in range(n_sources + 1):
        y = np.arange(n if k < n_sources else 100) % 2
        angle = 2 * np.pi * k / (n_sources + 1) + 0.3
        side = np.where(y, 2.0, -2.0)[:, None] * [np.cos(angle), np.sin(angle)]
        X = np.c_[side + 0.5 * rng.normal(size=(len(y), 2)), rng.normal(size=(len(y), 8))]
        found.append(Domain(X, np.array(["left", "right"])[y], name=f"room {k}"))
    return found


def task_of(methods, domains=None, **options):
    *sources, target = domains or rooms()
    given = {"target_labels": "few", "shots": 8, "jobs": 1, **options}
    return TransferTask(sources=sources, target=target, methods=methods, **given)


def listed(task):
    prepared = prepare(define(task))
    return {c.card.name: c for c in candidates_for(prepared, task, plain_model("linear", prepared.kind))}


def test_they_are_tried_where_they_are_named():
    assert LEARNERS & listed(task_of(None)).keys() == {"prototypical_networks"}  # five sources are many tasks
    assert "deep_source_only" not in listed(task_of(None))
    assert not LEARNERS & listed(task_of(None, rooms(4))).keys()
    assert not LEARNERS & listed(task_of(None, target_labels="test", shots=None)).keys()
    lacking = [Domain(rooms()[0].X, np.repeat("left", 40), name="room 0"), *rooms()[1:]]
    assert not LEARNERS & listed(task_of(None, lacking)).keys()
    found = listed(task_of(["maml", "prototypical_networks", "tim"]))
    assert LEARNERS & found.keys() == {"maml", "prototypical_networks", "tim"}
    assert {"deep_source_only", "pooled", "source_only"} <= found.keys()  # what they are compared with
    assert found["maml"].epochs == META_EPOCHS
    assert listed(task_of(["maml"], epochs=3))["maml"].epochs == 3
    inner = [found[name].build(7).method.method for name in ("maml", "tim")]
    assert [m.training.batch_size for m in inner] == [
        TASKS,
        32,
    ]  # the latter's network is trained on rows, not on tasks
    assert {m.random_state for m in inner} == {7}


def test_what_they_need_is_said():
    one = rooms(1)
    with pytest.raises(ParamError, match=r"'maml' must have two sources at least, each a task to learn from; .* Got 1"):
        listed(task_of(["maml"], one))
    with pytest.raises(ParamError, match=r"'r2d2' must have a few known target labels .*--target-labels few"):
        listed(task_of(["r2d2"], target_labels="test", shots=None))
    numbers = [Domain(d.X, d.X[:, 0] + 0.25) for d in rooms(2)]
    numbers = [Domain(d.X, d.y, name=f"room {k}") for k, d in enumerate(numbers)]
    with pytest.raises(ParamError, match="'prototypical_networks' must fit the task: regression"):
        listed(task_of(["prototypical_networks"], numbers))


def test_it_is_judged_by_the_known_labels_and_used(tmp_path):
    domains = rooms()
    result = run(task_of(["prototypical_networks"], domains, epochs=4), out=tmp_path / "r")
    facts = result.facts
    rows = {c["id"]: c for c in facts["candidates"]}
    assert facts["guard"]["proposal"] == facts["guard"]["winner"] == "prototypical_networks-1", facts["guard"]["reason"]
    assert facts["guard"]["mode"] == "few labels"
    assert rows["prototypical_networks-1"]["score"] > rows["source_only-1"]["score"] + 0.3
    X = domains[-1].X
    np.testing.assert_array_equal(transferkit.load(tmp_path / "r/model").predict(X), result.model.predict(X))


def test_a_class_that_a_source_lacks_is_named():
    domains = rooms(2)
    domains[1] = Domain(domains[1].X, np.repeat("left", 40), name="room 1")
    task = task_of(["maml"], domains, epochs=1)
    prepared = prepare(define(task))
    model = listed(task)["maml"].build(0)
    with pytest.raises(DomainError, match="source 'room 1' must have two rows of each class, 'right' among them"):
        model.fit(prepared.source.X, prepared.source.y, target=prepared.target, groups=prepared.groups)
