"""LwF over many tasks: the term is the cross-entropy to recorded answers, of each old task by itself; what is remembered."""

import numpy as np
import torch

from continual_toys import TRAINING, accuracies, disagreeing, second_task
from transferkit import ContinualLwF, Domain, Naive
from transferkit.engine.training.objective import Stream
from transferkit.engine.training.settings import Training


def look(model, tasks):
    def term(fit):
        term = model._terms(fit)[0]
        rows = torch.arange(len(tasks[1].X))
        batch = {"target": Stream(None, None, rows)}
        outputs = fit.network.eval()(torch.as_tensor(tasks[1].X)).detach()
        return term, float(term(batch, outputs, outputs, 0.0)["known"]), outputs.double().numpy()

    return second_task(model, tasks, term)


def test_at_the_start_the_term_is_the_entropy_of_the_softened_answers():
    tasks = disagreeing(n=40)
    model = ContinualLwF("small:mlp?hidden=8", reg=3.0, temperature=4.0, training=TRAINING)
    _, known, outputs = look(model, tasks)
    p = np.exp(outputs / 4)
    p /= p.sum(axis=1, keepdims=True)
    assert np.isclose(known, -3.0 * (p * np.log(p)).sum(axis=1).mean(), rtol=1e-5)


def test_old_tasks_with_outputs_of_their_own_are_groups_and_a_task_that_goes_on_is_none():
    tasks = disagreeing(n=40)
    model = ContinualLwF("small:mlp?hidden=8", heads="separate", training=TRAINING)
    model.partial_fit(tasks[0])
    term, _, _ = look(model, [tasks[1], Domain(tasks[0].X, tasks[0].y, name="third")])
    assert [g.tolist() for g in term.groups] == [[0, 1], [2, 3]]
    model = ContinualLwF("small:mlp?hidden=8", heads="separate", training=TRAINING)
    term, known, _ = look(model, [tasks[0], Domain(tasks[1].X, tasks[1].y, name=tasks[0].name)])
    assert term.groups == []
    assert known == 0


def test_it_forgets_less_than_naive_where_tasks_have_outputs_of_their_own():
    """Two questions about the same rows: the old network's answers say what is to be kept."""
    X = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
    tasks = [Domain(X, X[:, k] * X[:, k + 1] > 0, name=str(k)) for k in (0, 2)]
    settings = Training(n_epochs=40, batch_size=60, lr=0.05, schedule="constant", weight_decay=0.0, progress=False)
    naive, lwf = (
        accuracies(cls("small:mlp?hidden=16", heads="separate", training=settings), tasks, told=True)
        for cls in (Naive, ContinualLwF)
    )
    assert lwf[0] > naive[0] + 0.1
