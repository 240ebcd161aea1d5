"""A small network, its objective and a loop over it, for tests of the engine."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from transferkit.engine.inputs.preprocessing.numbers import VectorPreprocess
from transferkit.engine.inputs.rows import Rows
from transferkit.engine.networks.backbone import Group
from transferkit.engine.training.freezing import make_plan
from transferkit.engine.training.loop import Loop
from transferkit.engine.training.objective import Objective, Step
from transferkit.engine.training.settings import Training

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


def rows(n=22, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)).astype(np.float32)
    return Rows(X, VectorPreprocess((3,)), torch.as_tensor((X[:, 0] > 0).astype(np.int64)))


def make(objective=None, plan="full", validate=None, streams=None, batch_norm="frozen", groups=GROUPS, **settings):
    settings = {"n_epochs": 4, "batch_size": 8, "lr": 0.05, "progress": False} | settings
    training = Training(**settings)
    objective = Classify() if objective is None else objective
    made = make_plan(groups, plan, n_epochs=training.n_epochs, batch_norm=batch_norm)
    return Loop(
        objective,
        {"target": rows()} if streams is None else streams,
        training,
        network=objective.net,
        groups=groups,
        plan=made,
        seed=3,
        validate=validate,
    )


def state(loop):
    return {name: value.clone() for name, value in loop.objective.state_dict().items()}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
