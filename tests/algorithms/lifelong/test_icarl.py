"""iCaRL: nearest mean of exemplars by hand, exemplars in their order, old answers distilled, what is remembered."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from continual_toys import TRAINING, second_task
from lifelong_checks import stream
from transferkit import Domain, ICaRL, Naive, ParamError
from transferkit.engine.training.settings import Training


def learned(**params):
    return ICaRL("small:mlp?hidden=16", **{"memory_size": 24, "training": TRAINING, **params})


def unit(Z):
    return Z / np.linalg.norm(Z, axis=1, keepdims=True)


def test_a_row_gets_the_nearest_mean_of_exemplars():
    tasks = stream()
    model = learned().fit(tasks)
    X = np.vstack([t.X for t in tasks])
    Z, memory = unit(model.transform(X).astype(float)), unit(model.transform(model.memory_.X).astype(float))
    means = unit(np.stack([memory[model.memory_.y == k].mean(axis=0) for k in range(4)]))
    nearest = np.square(Z[:, None] - means[None]).sum(axis=2).argmin(axis=1)
    np.testing.assert_array_equal(model.predict(X), np.array(model.outputs_.classes)[nearest])
    assert np.bincount(model.memory_.y).tolist() == [6, 6, 6, 6]


def test_the_first_exemplar_is_nearest_the_mean_and_old_classes_keep_their_first():
    tasks = stream()
    model = learned().partial_fit(tasks[0])
    first = [model.memory_.X[model.memory_.y == k] for k in range(2)]
    assert [len(f) for f in first] == [12, 12]
    Z = unit(model.transform(tasks[0].X).astype(float))
    for k, label in enumerate(model.outputs_.classes):
        own = tasks[0].y == label
        nearest = np.square(Z[own] - Z[own].mean(axis=0)).sum(axis=1).argmin()
        np.testing.assert_array_equal(first[k][0], tasks[0].X[own][nearest])
    model.partial_fit(tasks[1])
    for k in range(2):
        np.testing.assert_array_equal(model.memory_.X[model.memory_.y == k], first[k][:6])


def test_the_loss_asks_old_outputs_for_their_old_answers():
    tasks = stream()
    model = learned()

    def look(fit):
        objective = model._objective(fit)
        batch = {"target": next(iter(fit.rows.batches([np.arange(50)])))}  # new rows and exemplars
        with torch.no_grad():
            fit.network.head.out.bias.add_(0.3)
        parts = objective.steps()[0].loss(batch, 0.0)
        outputs = fit.network(batch["target"].x).detach()
        before = outputs[:, :2] - 0.3
        known = (
            functional.binary_cross_entropy_with_logits(outputs[:, :2], before.sigmoid(), reduction="none")
            .sum(1)
            .mean()
        )
        label = functional.one_hot(batch["target"].y, 4)[:, 2:].float()
        task = functional.binary_cross_entropy_with_logits(outputs[:, 2:], label, reduction="none").sum(1).mean()
        return parts, float(known), float(task), len(fit.rows)

    parts, known, task, n = second_task(model, tasks, look)
    assert n == 40 + 24
    assert float(parts["known"].detach()) == pytest.approx(known, rel=1e-4)
    assert float(parts["task"].detach()) == pytest.approx(task, rel=1e-4)


def test_it_remembers_classes_and_says_when_the_memory_is_too_small():
    tasks = stream()[:2]
    naive = Naive("small:mlp?hidden=16", training=TRAINING).fit(tasks).score(tasks[0].X, tasks[0].y)
    assert learned().fit(tasks).score(tasks[0].X, tasks[0].y) > naive + 0.2
    with pytest.raises(ParamError, match="memory_size must hold a row of each class"):
        learned(memory_size=3).fit(tasks)


def test_only_classes_whose_rows_come_again_get_labels():
    """Also where pieces go by one name: the others keep their old answers."""
    first, second = (Domain(t.X, t.y, name="one task") for t in stream()[:2])

    def fresh(piece):
        model = learned()
        return second_task(model, [first, piece], lambda fit: model._objective(fit).fresh.tolist())

    assert fresh(second) == [False, False, True, True]
    again = first.y == np.unique(first.y)[1]  # of the outputs before this is number 1
    more = Domain(np.vstack([second.X, first.X[again]]), np.append(second.y, first.y[again]), name="one task")
    assert fresh(more) == [False, True, True, True]


def test_a_class_whose_only_row_judges_the_epochs_is_never_answered():
    X = np.random.default_rng(0).normal(size=(20, 6))
    model = learned(training=Training(n_epochs=1, validation=0.5, progress=False))
    model.partial_fit(Domain(X[:2], np.array(["a", "b"]), name="two rows"))
    shares = model.predict_proba(X)
    assert sorted(shares[0].tolist()) == [0.0, 1.0]
    assert len(set(model.predict(X).tolist())) == 1
