"""SI: the path integral is the fall of the loss; importance is what the paper's formula makes of it."""

import numpy as np
import pytest
import torch

from continual_toys import TRAINING, accuracies, disagreeing, linear_body, naive_on_disagreeing
from transferkit import SI, ParamError
from transferkit.algorithms.lifelong.si import _Paths
from transferkit.engine.training.settings import Training

PLAIN = {
    "optimizer": "sgd",
    "momentum": 0.0,
    "schedule": "constant",
    "warmup": 0.0,
    "weight_decay": 0.0,
    "progress": False,
}


def test_the_path_integral_sums_to_the_fall_of_the_loss():
    """Full batches and small steps: the first-order sum is exact up to the step's length."""
    task = disagreeing(n=60)[0]
    model = SI("small:mlp?hidden=8", training=Training(n_epochs=100, batch_size=60, lr=0.01, **PLAIN)).partial_fit(task)
    fall = model.history_[0]["train/task"] - model.history_[-1]["train/task"]
    assert fall > 0.1
    assert model.facts_["path"] == pytest.approx(fall, rel=0.03)


def test_on_a_quadratic_each_weight_has_its_own_share():
    """With the pull alone as a loss the falls of single weights are known: that of the task's loss is not mixed with it."""
    tasks = disagreeing(n=60)
    settings = Training(n_epochs=40, batch_size=60, lr=0.01, **PLAIN)
    model = SI(linear_body(6), reg=50.0, training=settings)
    model.partial_fit(tasks[0])
    before = len(model.history_)
    model.partial_fit(tasks[1])
    rows = model.history_[before:]
    assert rows[-1]["train/known"] > 0
    # The task's loss falls by what its own gradient has brought, though the pull bent the way.
    assert model.facts_["path"] == pytest.approx(rows[0]["train/task"] - rows[-1]["train/task"], rel=0.05)


def test_importance_is_path_over_movement():
    task = disagreeing(n=60)[0]
    settings = Training(n_epochs=1, batch_size=60, lr=0.01, **PLAIN)
    model = SI(linear_body(6), damping=0.5, training=settings).partial_fit(task)
    start = SI(linear_body(6), training=Training(n_epochs=1, batch_size=60, lr=1e-9, **PLAIN)).partial_fit(task)
    moved = model.network_.head.out.weight.detach() - start.network_.head.out.weight.detach()
    # One plain step: w moves by -lr g, so that omega = lr g^2 = moved^2 / lr.
    wanted = moved.square() / 0.01 / (moved.square() + 0.5)
    torch.testing.assert_close(model.importance_["head.out.weight"], wanted, rtol=1e-3, atol=1e-7)


def test_a_path_that_raised_the_loss_takes_importance_away_but_not_below_zero(monkeypatch):
    """Only the sum over the tasks stops at zero: the paper's eq. 5 has the falls and the rises of every task."""
    paths = iter([2.0, -0.5, -9.0])

    def path(objective, event, state):  # in the place of what was summed
        if event == "update":
            for k in range(len(objective.params)):
                getattr(objective, f"path_{k}").fill_(now)

    monkeypatch.setattr(_Paths, "moved", path)
    model, wanted = SI(linear_body(6), reg=0.0, training=Training(n_epochs=1, lr=1e-12, **PLAIN)), []
    for task in disagreeing(n=20)[:1] * 3:
        now = next(paths)
        wanted.append(float(model.partial_fit(task).importance_["head.out.weight"].mean()))
    assert wanted == pytest.approx([20.0, 15.0, 0.0], abs=1e-4)


def test_a_cut_training_has_the_same_path(tmp_path):
    task = disagreeing(n=60)[0]

    def stop(event, state):
        if event == "epoch" and state["update"] == 8:
            raise KeyboardInterrupt

    def make(**extra):
        return SI("small:mlp?hidden=8", training=Training(n_epochs=5, batch_size=16, progress=False, **extra))

    whole, cut = make().partial_fit(task), make(folder=tmp_path, callbacks=(stop,), checkpoint_every=1)
    with pytest.raises(KeyboardInterrupt):
        cut.partial_fit(task)
    cut.training.callbacks = ()
    cut.partial_fit(task)
    for name, value in whole.importance_.items():
        np.testing.assert_array_equal(cut.importance_[name].numpy(), value.numpy())


def test_it_forgets_less_than_naive_and_refuses_scaled_gradients():
    tasks = disagreeing()
    old, _ = accuracies(SI("small:mlp?hidden=16", reg=10.0, training=TRAINING), tasks)
    assert old > naive_on_disagreeing() + 0.1
    with pytest.raises(ParamError, match="precision"):
        SI("small:mlp", training=Training(precision="fp16")).partial_fit(tasks[0])
