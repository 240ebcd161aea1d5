"""The loop: exact updates, exact resume, and what it refuses."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from transferkit.core.errors import TrainingError, TransferWarning
from transferkit.engine.backbone import Group
from transferkit.engine.checkpoint import FILE
from transferkit.engine.freezing import make_plan
from transferkit.engine.loop import Loop
from transferkit.engine.objective import Objective, Step
from transferkit.engine.preprocessing.numbers import VectorPreprocess
from transferkit.engine.rows import Rows
from transferkit.engine.training import Training

GROUPS = (
    Group("first", ("first.weight", "first.bias"), ("first", "noise")),
    Group("head", ("head.weight", "head.bias"), ("head",)),
)


class Net(nn.Module):
    def __init__(self, dropout=0.0):
        super().__init__()
        self.first, self.noise, self.head = nn.Linear(3, 5), nn.Dropout(dropout), nn.Linear(5, 2)

    def forward(self, x):
        return self.head(self.noise(torch.tanh(self.first(x))))


class Classify(Objective):
    """Cross-entropy; `limit` rows at a time fit into memory; `break_at` makes the loss infinite."""

    def __init__(self, dropout=0.0, limit=None, steps=None):
        super().__init__()
        torch.manual_seed(0)
        self.net, self.limit, self.make_steps = Net(dropout), limit, steps
        self.poison = False

    def steps(self):
        return [Step("train", self.loss, list(self.parameters()))] if self.make_steps is None else self.make_steps(self)

    def loss(self, batch, progress):
        stream = batch["target"]
        if self.limit is not None and len(stream) > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        value = functional.cross_entropy(self.net(stream.x), stream.y)
        return {"loss": value / 0 if self.poison else value}

    def predict_step(self, x):
        return self.net(x)


def rows(n=22):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3)).astype(np.float32)
    return Rows(X, VectorPreprocess((3,)), torch.as_tensor((X[:, 0] > 0).astype(np.int64)))


def make(objective=None, plan="full", validate=None, **settings):
    settings = {"n_epochs": 4, "batch_size": 8, "lr": 0.05, "progress": False} | settings
    training = Training(**settings)
    objective = Classify() if objective is None else objective
    made = make_plan(GROUPS, plan, n_epochs=training.n_epochs)
    return Loop(
        objective,
        {"target": rows()},
        training,
        network=objective.net,
        groups=GROUPS,
        plan=made,
        seed=3,
        validate=validate,
    )


def state(loop):
    return {name: value.clone() for name, value in loop.objective.state_dict().items()}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_sgd_by_hand():
    loop = make(
        n_epochs=1, batch_size=22, optimizer="sgd", momentum=0.0, weight_decay=0.0, schedule="constant", warmup=0.0
    )
    by_hand = Classify()
    data = rows()
    functional.cross_entropy(by_hand.net(torch.as_tensor(data.X)), data.y).backward()
    loop.run()
    for p, q in zip(by_hand.parameters(), loop.objective.parameters()):
        torch.testing.assert_close(p - 0.05 * p.grad, q)


def test_accumulation_is_one_large_batch():
    wide, narrow = make(batch_size=8), make(batch_size=4, accumulate=2)
    wide.run(), narrow.run()
    for a, b in zip(state(wide).values(), state(narrow).values()):
        torch.testing.assert_close(a, b)


class Stop(Exception):
    pass


SETTINGS = {"average": "ema", "optimizer": "adamw", "schedule": "plateau", "checkpoint_every": 1, "clip": 1.0}


@pytest.mark.parametrize("stop", [1, 3, 5, 6, 11])
def test_a_resumed_run_equals_the_unbroken_one(tmp_path, stop):
    def loop(folder, callbacks=()):
        objective = Classify(dropout=0.3)
        found = make(
            objective, "gradual:1", n_epochs=4, validate=lambda: float(objective.net.head.bias[0].detach()),
            folder=folder, callbacks=callbacks, **SETTINGS,
        )  # fmt: skip
        return found

    def stopper(event, facts):
        if event == "update" and facts["update"] == stop:
            raise Stop

    whole = loop(tmp_path / "whole")
    done = whole.run()
    with pytest.raises(Stop):
        loop(tmp_path / "broken", [stopper]).run()
    again = loop(tmp_path / "broken")
    resumed = again.run()
    assert equal(state(whole), state(again))
    assert done.history == resumed.history
    assert (tmp_path / "whole/log.jsonl").read_text() == (tmp_path / "broken/log.jsonl").read_text()
    assert [json.loads(line) for line in (tmp_path / "whole/log.jsonl").read_text().splitlines()] == done.history


def test_a_finished_run_is_not_trained_again(tmp_path):
    first = make(folder=tmp_path)
    first.run()
    updates = []
    second = make(folder=tmp_path, callbacks=[lambda event, facts: updates.append(event)])
    second.run()
    assert "update" not in updates
    assert equal(state(first), state(second))


def test_a_checkpoint_of_another_fit_is_refused(tmp_path):
    make(folder=tmp_path).run()
    with pytest.raises(TrainingError, match="of the same data, weights and settings"):
        make(folder=tmp_path, lr=0.01).run()
    make(folder=tmp_path, lr=0.01, resume=False).run()


def test_what_a_killed_write_leaves_is_removed(tmp_path):
    (tmp_path / f".{FILE}.xyz").write_bytes(b"half")
    make(folder=tmp_path).run()
    assert sorted(p.name for p in tmp_path.iterdir()) == [FILE, "log.jsonl"]


def test_an_infinite_loss_stops_before_the_step():
    loop = make()
    loop.objective.poison = True
    before = state(loop)
    with pytest.raises(TrainingError, match=r"train: the loss must be finite\. Got loss inf at update 1 of 12"):
        loop.run()
    assert equal(before, state(loop))


def test_out_of_memory_halves_the_batch_and_keeps_the_update():
    small, free = make(Classify(limit=3)), make()
    with pytest.warns(TransferWarning, match="a batch now goes through in"):
        trained = small.run()
    free.run()
    assert trained.pieces == 4
    for a, b in zip(state(small).values(), state(free).values()):
        torch.testing.assert_close(a, b)
    with pytest.warns(TransferWarning), pytest.raises(TrainingError, match="memory must suffice for one row"):
        make(Classify(limit=0)).run()


def test_frozen_parts_do_not_move_before_their_epoch():
    start = Classify().net.first.weight
    seen = []
    loop = make(
        plan={"first": 2},
        callbacks=[lambda e, s: seen.append(torch.equal(s["network"].first.weight, start)) if e == "epoch" else None],
    )
    loop.run()
    assert seen == [True, True, False, False]


def test_nothing_to_train_is_said():
    with pytest.raises(TrainingError, match="leave something to train"):
        make(plan={"first": None, "head": None}).run()


def test_a_step_moves_its_parameters_only():
    def steps(objective):
        return [
            Step("head", objective.loss, list(objective.net.head.parameters())),
            Step(
                "first",
                lambda b, p: {"loss": objective.loss(b, p)["loss"] * 0},
                list(objective.net.first.parameters()),
                repeat=2,
            ),
        ]

    start = Classify()
    loop = make(Classify(steps=steps), weight_decay=0.0)
    loop.run()
    assert torch.equal(start.net.first.weight, loop.objective.net.first.weight)
    assert not torch.equal(start.net.head.weight, loop.objective.net.head.weight)


def test_an_aggregate_of_equal_weights_is_the_sum():
    def two(aggregate):
        def steps(objective):
            def loss(batch, progress):
                value = objective.loss(batch, progress)["loss"]
                both = torch.stack([value, 2 * value])
                return {"loss": both.sum() if aggregate is None else both}

            return [Step("train", loss, list(objective.parameters()), aggregate=aggregate)]

        return steps

    summed, aggregated = make(Classify(steps=two(None))), make(Classify(steps=two(lambda J: J.sum(dim=0))))
    summed.run(), aggregated.run()
    for a, b in zip(state(summed).values(), state(aggregated).values()):
        torch.testing.assert_close(a, b)


def test_patience_stops_and_keeps_the_best():
    scores = iter([0.1, 0.9, 0.5, 0.4, 0.3])
    loop = make(n_epochs=5, validate=lambda: next(scores), patience=2, validation=0.5)
    kept = []
    loop.training.callbacks = [lambda e, s: kept.append(state(loop)) if e == "epoch" else None]
    trained = loop.run()
    assert trained.stopped_early
    assert trained.best_epoch == 2
    assert len(trained.history) == 4
    assert equal(state(loop), kept[1])


def test_swa_is_the_mean_of_the_last_quarter():
    loop = make(average="swa")
    kept = []
    loop.training.callbacks = [lambda e, s: kept.append(state(loop)) if e == "update" else None]
    loop.run()
    mean = torch.stack([k["net.head.weight"] for k in kept[9:]]).mean(dim=0)
    torch.testing.assert_close(loop.objective.net.head.weight, mean)


def test_the_finder_leaves_the_loop_as_it_was_and_finds_a_rate():
    loop = make(lr="auto", n_epochs=30)
    before = state(loop)
    from transferkit.engine.lr_finder import find_lr

    rate = find_lr(loop)
    assert equal(before, state(loop))
    assert loop.done == 0
    assert 1e-4 < rate < 1
    assert make(lr="auto", n_epochs=30).run().history[-1]["train/loss"] < 0.2


def test_the_callers_random_numbers_are_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    loop = make(Classify(dropout=0.5))
    torch.manual_seed(5)
    loop.run()
    assert torch.equal(torch.rand(3), expected)


SCRIPT = """
import sys, pathlib
sys.path.insert(0, {tests!r})
import numpy as np, torch
torch.set_num_threads(1)
import importlib.util
spec = importlib.util.spec_from_file_location("test_loop", {file!r})
module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)
import safetensors.torch
import torch.distributed as dist
"""


def test_two_processes_equal_one(tmp_path):
    """Same global batch, gradients added up: what torchrun starts is one training."""
    script = tmp_path / "train.py"
    script.write_text(
        SCRIPT.format(tests=str(tmp_path), file=__file__)
        + f"""
loop = module.make(optimizer="sgd", batch_size=8, device="cpu")
loop.run()
if loop.processes.rank == 0:
    safetensors.torch.save_file(module.state(loop), {str(tmp_path / "two.safetensors")!r})
assert loop.processes.world == 2
dist.destroy_process_group()
"""
    )
    found = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr[-2000:]
    import safetensors.torch

    two = safetensors.torch.load_file(tmp_path / "two.safetensors")
    one = make(optimizer="sgd", batch_size=8)
    one.run()
    for name, value in state(one).items():
        torch.testing.assert_close(value, two[name], rtol=1e-5, atol=1e-6)
