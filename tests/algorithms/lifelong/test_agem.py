"""A-GEM: the update does not oppose the memory's gradient, and is left alone where it does not; what is remembered."""

import numpy as np
import torch

from continual_toys import TRAINING, accuracies, disagreeing, second_task
from transferkit import AGEM, Naive
from transferkit.engine.training.gradients import jacobian_of
from transferkit.engine.training.settings import Training


def directions(tasks):
    """Gradients on new and old rows, and the direction of the update, for several batches."""
    model = AGEM("small:mlp?hidden=8", memory_size=60, training=TRAINING)

    def look(fit):
        step = model._objective(fit).steps()[0]
        streams, found = model._all_streams(fit), []
        for k in range(0, 48, 8):
            batch = {name: next(iter(rows.batches([np.arange(k, k + 8)]))) for name, rows in streams.items()}
            rows = jacobian_of(step.loss(batch, 0.0)["loss"], step.params)
            found.append((*rows, step.aggregate(rows)))
        return found

    return second_task(model, tasks, look)


def test_an_update_does_not_oppose_the_memory():
    tasks = disagreeing()
    for new, old, taken in directions(tasks):
        assert new @ old < 0, "the second task contradicts the first"
        assert taken @ old >= -1e-6 * old.norm() * new.norm()
        # The nearest such direction: what was taken away lies along the memory's gradient.
        assert torch.allclose((new - taken) / (new - taken).norm(), -old / old.norm(), atol=1e-3)


def test_without_a_conflict_nothing_changes():
    task = disagreeing()[0]
    same = [g for g in directions([task, task]) if g[0] @ g[1] >= 0]
    assert same
    for new, _, taken in same:
        assert torch.equal(new, taken)


def test_it_forgets_less_than_naive():
    tasks = disagreeing()
    settings = Training(
        n_epochs=12, batch_size=16, lr=0.1, optimizer="sgd", momentum=0.0, schedule="constant", progress=False
    )
    naive, agem = (accuracies(cls("small:mlp?hidden=16", training=settings), tasks) for cls in (Naive, AGEM))
    assert agem[0] > naive[0] + 0.1
