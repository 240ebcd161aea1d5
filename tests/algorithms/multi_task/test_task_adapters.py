"""Task adapters: a frozen body stays, and then no task can touch another."""

import numpy as np
import torch

import multi_task_checks
import networks
from transferkit import TaskAdapters


def fitted(given, **params):
    training = networks.training(n_epochs=3, batch_size=48, progress=False)
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.ReLU())
    return net, TaskAdapters(networks.seeded(lambda: net), training=training, size=4, **params).fit(given)


def test_a_frozen_body_stays_as_it_came():
    for body in ("frozen", "train"):
        net, model = fitted(multi_task_checks.tasks(), body=body)
        stage = model.network_.body[0].inner.stage[0]
        assert torch.equal(stage.weight, net[0].weight) == (body == "frozen")
        assert any(own.up.weight.abs().max() > 0 for own in model.network_.body[0].inner.of_task)


def test_with_a_frozen_body_the_labels_of_one_task_do_not_matter_to_another():
    found = []
    for seed in (0, 1):
        given = multi_task_checks.tasks()
        rng = np.random.default_rng(seed)
        given[1] = type(given[1])(given[1].X, rng.normal(size=48), given[1].known, name="sum")
        _, model = fitted(given, body="frozen")
        found.append(model.decision_function(given[0].X, task="kind"))
    np.testing.assert_allclose(*found, atol=1e-6)
