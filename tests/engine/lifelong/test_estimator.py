"""The base of networks that learn one task after the other: seeds, texts and images, validation, and what is kept of rows."""

import copy

import numpy as np
import pytest
import torch

import networks
import transferkit
from continual_toys import disagreeing
from lifelong_checks import same, stream
from transferkit import DERpp, Domain, ICaRL, Naive, ParamError, Replay
from transferkit.engine.inputs.rows import Rows
from transferkit.engine.lifelong.memory import Joined, Memory, raw_rows, reservoir
from transferkit.engine.training.settings import Training

SHORT = Training(n_epochs=1, batch_size=8, progress=False)


class Numbers:
    """A sequence that is no array."""

    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def __getitem__(self, i):
        return self.values[i]


def test_every_task_has_a_seed_of_its_own_that_follows_from_the_first():
    tasks = disagreeing(n=40)
    model = Naive("small:mlp?hidden=4", training=SHORT, random_state=3).partial_fit(tasks[0])
    seed = model.seed_
    model.random_state = 99  # what is decided is decided
    other = Naive("small:mlp?hidden=4", training=SHORT, random_state=3).fit(tasks)
    same(model.partial_fit(tasks[1]), other, tasks[0].X, "the seed is drawn once")
    assert model.seed_ == seed
    drawn = [Naive("small:mlp?hidden=4", training=SHORT, random_state=None).partial_fit(tasks[0]) for _ in range(2)]
    assert drawn[0].seed_ != drawn[1].seed_


@pytest.mark.parametrize("kind", ["text", "images"])
@pytest.mark.parametrize("cls", [Replay, ICaRL, DERpp])
def test_texts_and_images_are_remembered_and_saved(cls, kind, tmp_path):
    X, topic, _, _ = networks.KINDS[kind].rows(24, 0)
    names = np.array(["a", "b", "c", "d"])[topic]
    source = networks.KINDS[kind].fresh()

    def task(wanted, name):
        rows = np.flatnonzero(np.isin(names, wanted))
        return Domain([X[i] for i in rows] if kind == "text" else X[rows], names[rows], name=name)

    settings = networks.training(n_epochs=1)
    first, second = task(["a", "b"], "one"), task(["c", "d"], "two")
    whole = cls(source, memory_size=8, training=settings).fit([first, second])
    half = cls(source, memory_size=8, training=settings).partial_fit(first)
    modules = {} if isinstance(source, str) else {type(source).__name__: copy.deepcopy(source)}
    half = transferkit.load(transferkit.save(half, tmp_path / "model"), modules=modules)
    same(half.partial_fit(second), whole, X, "loaded and gone on with")
    assert len(whole.memory_) <= 8
    assert isinstance(whole.memory_.X, list if kind == "text" else np.ndarray)


def test_a_module_is_not_needed_any_more_once_the_method_was_loaded(tmp_path):
    """The store names it only; a task that comes later begins from the network, not from the module."""
    tasks = disagreeing(n=40)
    body = networks.seeded(lambda: torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU()))
    model = Naive(body, training=SHORT).partial_fit(tasks[0])
    other = networks.seeded(lambda: torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU()))
    torch.nn.init.zeros_(other[0].weight)
    loaded = transferkit.load(transferkit.save(model, tmp_path / "model"), modules={"Sequential": other})
    assert loaded.backbone is None
    same(loaded.partial_fit(tasks[1]), model.partial_fit(tasks[1]), tasks[0].X, "from the network")


def test_rows_may_judge_the_epochs():
    settings = Training(n_epochs=6, lr=0.02, validation=0.25, keep="best", progress=False)
    model = Naive("small:mlp?hidden=8", training=settings).fit(stream()[:2])
    scores = [row["validation"] for row in model.history_]
    assert len(scores) == 12
    assert all(0 <= s <= 1 for s in scores)
    assert {row["task"] for row in model.history_} == {"first", "second"}
    with pytest.raises(ParamError, match=r"Naive\.partial_fit: training\.validation must be above 0"):
        Naive(training=Training(keep="best")).partial_fit(stream()[0])


def test_facts_say_what_is_kept():
    model = Replay("small:mlp?hidden=4", memory_size=12, training=SHORT).fit(stream())
    assert model.facts_["memory"] == 12
    assert model.n_fits_ == 3
    assert model.n_updates_ == sum(-(-len(t.y) // 8) for t in stream())
    assert model.memory_.seen == 100


def test_a_memory_keeps_rows_of_any_kind_apart_from_their_source():
    preprocess = Naive("small:mlp?hidden=4", training=SHORT).partial_fit(stream()[0]).network_.backbone.preprocess
    X = np.arange(60.0).reshape(10, 6)
    rows = Rows(X, preprocess, torch.arange(10))
    memory = reservoir(Memory(), rows, 4, 0, said=np.arange(10))
    assert memory.X.shape == (4, 6)
    np.testing.assert_array_equal(memory.notes["said"], memory.y)
    np.testing.assert_array_equal(memory.X, X[memory.y])
    X[:] = 0
    assert memory.X.max() > 0, "a memory is a copy"
    later = reservoir(
        memory, Rows(Numbers(list(np.ones((90, 6)))), preprocess, torch.arange(90)), 4, 0, said=np.arange(90)
    )
    assert later.seen == 100
    assert len(later) == 4
    joined = Joined(["a", "b"], ["c"])
    assert [joined[i] for i in range(3)] == ["a", "b", "c"]
    assert raw_rows(Rows(joined, preprocess), np.array([2, 0])) == ["c", "a"]
    assert len(Memory().take(np.arange(0))) == 0
