"""Relation networks: a learned comparison of a query and a class."""

import numpy as np
import torch

import meta_toys as toys
from meta_checks import settings
from transferkit import Domain, RelationNetworks


def learner():
    torch.manual_seed(3)
    return RelationNetworks(width=5)._learner(toys.network().float(), toys.CLASSES, 6).double()


def test_every_pair_is_compared_and_the_loss_is_the_squared_error_to_one_or_zero():
    found, batch = learner(), toys.stream(n_tasks=2)
    parts = found._loss({"tasks": batch}, 0.0)
    errors = []
    for task in range(2):
        z, y = found.network.features(batch.x[task]), batch.y[task]
        for q in range(6, len(y)):
            for k in range(3):
                known = z[:6][y[:6] == k].mean(0)
                r = torch.sigmoid(found.compare(known[None], z[q : q + 1]))[0]
                errors.append((r - float(y[q] == k)) ** 2)
    torch.testing.assert_close(parts["loss"], torch.stack(errors).mean())
    torch.testing.assert_close(*toys.slopes_along(found, batch), atol=1e-6, rtol=1e-5)


def test_all_tasks_at_once_are_one_after_the_other():
    found, batch = learner(), toys.stream()
    for k, outputs in enumerate(found.outputs(batch.x, batch.y[:, :6])):
        torch.testing.assert_close(
            outputs, found.answer(found.adapt(batch.x[k, :6], batch.y[k, :6], 3), batch.x[k, 6:])
        )


def test_maps_are_compared_by_convolutions():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(4), 6)
    X = (rng.normal(size=(4, 1, 8, 8))[y] + 0.3 * rng.normal(size=(24, 1, 8, 8))).astype(np.float32)
    given = settings({"backbone": "small:conv4?hidden=4,4&layers=1&pool=none", "n_episodes": 16})
    model = RelationNetworks(**given, random_state=0).fit([Domain(X, y)])
    learner, _ = model.task_learner()
    assert [type(m).__name__ for m in learner.compare.compare[:4]] == ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"]
    proba = model.adapt(Domain(X[::6], y[::6])).predict_proba(X)
    np.testing.assert_allclose(proba.sum(1), 1, rtol=1e-5)
