"""The loop: exact updates, exact resume, and what it refuses."""

import json

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from loops import GROUPS, Classify, equal, make, rows, state
from transferkit.core.errors import TrainingError, TransferWarning
from transferkit.engine.networks.backbone import Group
from transferkit.engine.training.checkpoint import FILE
from transferkit.engine.training.lr_finder import find_lr
from transferkit.engine.training.objective import Step


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


class Both(Classify):
    def loss(self, batch, progress):
        return {"loss": sum(functional.cross_entropy(self.net(s.x), s.y) for s in batch.values())}


def test_accumulation_is_one_large_batch_with_two_streams():
    def run(**settings):
        loop = make(Both(), streams={"target": rows(18), "source": rows(30, seed=1)}, n_epochs=2, **settings)
        loop.run()
        return state(loop)

    for a, b in zip(run(batch_size=16).values(), run(batch_size=4, accumulate=4).values()):
        torch.testing.assert_close(a, b)


def test_a_small_last_batch_is_not_cut_into_single_rows():
    sizes = []

    class Sizes(Classify):
        def loss(self, batch, progress):
            sizes.append(len(batch["target"]))
            return super().loss(batch, progress)

    make(Sizes(), streams={"target": rows(19)}, n_epochs=1, batch_size=8, accumulate=2).run()
    assert sizes == [8, 8, 3]


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


def test_a_resumed_run_equals_the_unbroken_one_in_any_memory_format(tmp_path):
    """A file keeps no strides; a fused update that takes contiguous momentum for channels-last would go astray."""

    class Conv(Classify):
        def __init__(self):
            super().__init__()
            self.net.first = nn.Sequential(nn.Unflatten(1, (3, 1, 1)), nn.Conv2d(3, 5, 3, padding=1), nn.Flatten())

    groups = (Group("first", ("first.1.weight", "first.1.bias"), ("first", "noise")), GROUPS[1])

    def stopper(event, facts):
        if facts["update"] == 5:
            raise Stop

    def loop(**settings):
        return make(Conv(), groups=groups, checkpoint_every=1, **settings)

    whole = loop(folder=tmp_path / "whole")
    whole.run()
    with pytest.raises(Stop):
        loop(folder=tmp_path / "broken", callbacks=[stopper]).run()
    again = loop(folder=tmp_path / "broken")
    again.run()
    assert equal(state(whole), state(again))


def test_a_checkpoint_of_other_samples_is_refused(tmp_path):
    make(folder=tmp_path).run()
    moved = rows()
    moved.X = moved.X[::-1]
    with pytest.raises(TrainingError, match="of the same data"):
        make(folder=tmp_path, streams={"target": moved}).run()


def test_numbers_of_numpy_are_numbers(tmp_path):
    make(folder=tmp_path, n_epochs=np.int64(1), weight_decay=np.float32(0.01)).run()
    make(folder=tmp_path, n_epochs=1, weight_decay=float(np.float32(0.01))).run()


def test_tensorboard_shows_each_epoch_once(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def stopper(event, facts):
        if event == "epoch" and len(facts["history"]) == 2:  # told, but not yet saved
            raise Stop

    with pytest.raises(Stop):
        make(folder=tmp_path, tensorboard=True, callbacks=[stopper]).run()
    make(folder=tmp_path, tensorboard=True).run()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [e.step for e in events.Scalars("train/loss")] == [1, 2, 3, 4]


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


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_steps_that_move_the_same_weights_share_the_optimizers_state(name):
    """The head moves in both steps: as by one optimizer a part that all steps use, which is the authors' code of MCD."""

    def steps(objective):
        def half(batch, progress):
            return {"loss": objective.loss(batch, progress)["loss"] / 2}

        return [
            Step("train", objective.loss, list(objective.parameters())),
            Step("head", half, list(objective.net.head.parameters()), repeat=2),
        ]

    given = {"n_epochs": 2, "batch_size": 22, "weight_decay": 0.0, "schedule": "constant", "warmup": 0.0}
    loop = make(Classify(steps=steps), optimizer=name, **given)
    loop.run()
    by_hand, data = Classify(), rows()
    first, head = by_hand.net.first.parameters(), by_hand.net.head.parameters()
    kind = {"sgd": lambda p: torch.optim.SGD(p, 0.05, 0.9, nesterov=True), "adam": lambda p: torch.optim.Adam(p, 0.05)}
    of_first, of_head = (kind[name](list(part)) for part in (first, head))
    for weight, moves in [(1.0, (of_first, of_head)), (0.5, (of_head,)), (0.5, (of_head,))] * 2:
        by_hand.zero_grad()
        (weight * functional.cross_entropy(by_hand.net(torch.as_tensor(data.X)), data.y)).backward()
        for optimizer in moves:
            optimizer.step()
    for p, q in zip(by_hand.parameters(), loop.objective.parameters()):
        torch.testing.assert_close(p, q)


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
    rate = find_lr(loop)
    assert equal(before, state(loop))
    assert loop.done == 0
    assert 1e-4 < rate < 1
    assert make(lr="auto", n_epochs=30).run().history[-1]["train/loss"] < 0.2


def test_the_finder_bears_a_loss_below_zero():
    """One that is shifted has the same gradients; its sign must not end the sweep."""

    class Below(Classify):
        def loss(self, batch, progress):
            return {"loss": super().loss(batch, progress)["loss"] - 5.0}

    assert 1e-4 < find_lr(make(Below(), lr="auto", n_epochs=30)) < 1


def test_the_callers_random_numbers_are_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    loop = make(Classify(dropout=0.5))
    torch.manual_seed(5)
    loop.run()
    assert torch.equal(torch.rand(3), expected)


def test_the_finder_sweeps_what_the_plan_frees_later():
    loop = make(plan={"first": 2}, lr="auto")
    start, moved, update = loop.objective.net.first.weight.detach().clone(), [], loop.update

    def watched(batch):
        found = update(batch)
        moved.append(not torch.equal(start, loop.objective.net.first.weight))
        return found

    loop.update = watched
    find_lr(loop)
    assert all(moved)


def test_the_exponential_average_by_hand():
    loop = make(average="ema", ema_decay=0.9)
    kept = []
    loop.training.callbacks = [lambda e, s: kept.append(state(loop)["net.head.weight"]) if e == "update" else None]
    loop.run()
    mean = kept[0]
    for n, value in enumerate(kept[1:], start=1):
        share = 1 - min(0.9, (1 + n) / (10 + n))
        mean = mean + share * (value - mean)
    torch.testing.assert_close(loop.objective.net.head.weight, mean)


def test_an_infinite_gradient_stops_before_the_step():
    def steps(objective):
        def loss(batch, progress):
            weight = objective.net.head.weight
            return {"loss": torch.sqrt((weight - weight.detach()).square().sum())}  # 0, with a gradient of 0 / 0

        return [Step("train", loss, list(objective.parameters()))]

    loop = make(Classify(steps=steps))
    before = state(loop)
    with pytest.raises(TrainingError, match=r"train: the gradient must be finite\. Got loss nan"):
        loop.run()
    assert equal(before, state(loop))
