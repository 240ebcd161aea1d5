"""MAS: the importance of a linear network in closed form; no label is used; what is remembered."""

import numpy as np
import torch

from continual_toys import TRAINING, accuracies, disagreeing, linear_body, naive_on_disagreeing
from transferkit import MAS
from transferkit.engine.training.settings import Training

SHORT = Training(n_epochs=2, batch_size=16, lr=0.02, progress=False)


def test_the_importance_of_a_linear_network():
    """The derivative of ``sum_c f_c^2`` by ``W_cj`` is ``2 f_c x_j``."""
    task = disagreeing()[0]
    model = MAS(linear_body(6), training=SHORT, importance_rows=1000).partial_fit(task)
    f = (
        task.X.astype(float) @ model.network_.head.out.weight.detach().numpy().T
        + model.network_.head.out.bias.detach().numpy()
    )
    wanted = 2 * np.abs(f).T @ np.abs(task.X) / len(task.X)
    np.testing.assert_allclose(model.importance_["head.out.weight"].numpy(), wanted, rtol=1e-4)
    np.testing.assert_allclose(model.importance_["head.out.bias"].numpy(), 2 * np.abs(f).mean(axis=0), rtol=1e-4)


def test_importance_is_summed_over_tasks_and_the_anchor_is_the_last():
    tasks = disagreeing(n=40)
    model = MAS(linear_body(6), training=SHORT)
    model.partial_fit(tasks[0])
    first = model.importance_["head.out.weight"]
    model.partial_fit(tasks[1])
    assert (model.importance_["head.out.weight"] >= first).all()
    torch.testing.assert_close(model.anchor_["head.out.weight"], model.network_.head.out.weight.detach())


def test_it_forgets_less_than_naive():
    tasks = disagreeing()
    old, _ = accuracies(MAS("small:mlp?hidden=16", reg=1.0, training=TRAINING), tasks)
    assert old > naive_on_disagreeing() + 0.1
