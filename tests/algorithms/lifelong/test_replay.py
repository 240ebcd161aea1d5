"""Experience replay: the loss is the mixture that is stated, the memory is a reservoir whatever the pieces."""

import numpy as np
import pytest

from continual_toys import TRAINING, accuracies, disagreeing, naive_on_disagreeing, second_task
from transferkit import Domain, Replay
from transferkit.engine.training.settings import Training

SHORT = Training(n_epochs=1, batch_size=16, progress=False)


def test_the_memory_does_not_depend_on_the_pieces():
    tasks = disagreeing(n=60)
    whole, cut = (Replay("small:mlp?hidden=4", memory_size=20, training=SHORT) for _ in range(2))
    for task in tasks:
        whole.partial_fit(task)
        for piece in (slice(0, 7), slice(7, 41), slice(41, 60)):
            cut.partial_fit(Domain(task.X[piece], task.y[piece], name=task.name))
    np.testing.assert_array_equal(whole.memory_.X, cut.memory_.X)
    np.testing.assert_array_equal(whole.memory_.y, cut.memory_.y)
    assert len(whole.memory_) == 20
    assert whole.memory_.seen == cut.memory_.seen == 120
    assert 4 <= (whole.memory_.X[:, 0] > 1).sum() <= 16  # rows of both tasks


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_the_loss_is_a_mixture(share):
    tasks = disagreeing(n=40)
    model = Replay("small:mlp?hidden=4", share=share, training=SHORT)

    def look(fit):
        objective = model._objective(fit)
        streams = model._all_streams(fit)
        assert list(streams) == ["target", "memory"]
        batch = {name: next(iter(rows.batches([np.arange(8)]))) for name, rows in streams.items()}
        parts = objective.steps()[0].loss(batch, 0.0)
        plain = [float(fit.labels.loss(fit.network(s.x), s.y).detach()) for s in batch.values()]
        return float(parts["loss"].detach()), plain

    loss, (new, old) = second_task(model, tasks, look)
    assert loss == pytest.approx((1 - share) * new + share * old, rel=1e-5)


def test_it_remembers():
    tasks = disagreeing()
    old, new = accuracies(Replay("small:mlp?hidden=16", training=TRAINING), tasks)
    assert old > naive_on_disagreeing() + 0.2
    assert new > 0.9
