"""MTAN: masks on every stage, each of one task; the shared features go on as they are."""

import numpy as np
import torch

import networks
from transferkit import MTAN, Domain


def test_on_images_the_masks_are_convolutions():
    X = np.random.default_rng(0).normal(size=(16, 1, 20, 20)).astype(np.float32)
    given = [Domain(X, np.arange(16) % 2, name="a"), Domain(X, X[:, 0, 0, 0].astype(float), name="b")]
    model = MTAN("small:lenet", training=networks.training(n_epochs=1, progress=False), balancing="pcgrad").fit(given)
    stages = [m for m in model.network_.body.modules() if hasattr(m, "carry")]
    assert [len(stage.of_task) for stage in stages] == [2, 2, 2]
    first, second = stages[0], stages[1]
    assert first.carry is None
    assert isinstance(first.of_task[0][0], torch.nn.Conv2d)
    assert first.of_task[0][0].kernel_size == (1, 1)
    assert second.carry[0].kernel_size == (3, 3)
    assert second.of_task[0][0].in_channels == 2 * second.of_task[0][3].in_channels
    assert isinstance(stages[-1].of_task[1][0], torch.nn.Linear)
    assert model.predict(X, task="b").shape == (16,)
