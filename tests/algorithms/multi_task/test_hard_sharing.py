"""Hard sharing: tasks that have few labels are helped by one that has many; the objective is the sum of the losses."""

import numpy as np
import pytest

import multi_task_checks
import networks
from transferkit import Domain, HardSharing, SingleTask


def test_the_loss_is_the_sum_of_the_tasks():
    training = networks.training(n_epochs=1, progress=False)
    row = HardSharing("small:mlp?hidden=8", training=training).fit(multi_task_checks.tasks()).history_[0]
    assert row["train/loss"] == pytest.approx(
        sum(row[f"train/{name}/loss"] for name in ("kind", "sum", "sign")), rel=1e-5
    )


def test_a_task_with_few_labels_takes_from_one_with_many():
    """Two tasks of one hidden direction among thirty: eight labels do not find it, two hundred of the other task do."""
    gains = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X, X_new = rng.normal(size=(200, 30)), rng.normal(size=(200, 30))
        w = rng.normal(size=30)
        few = np.arange(200) < 10
        given = [Domain(X, X @ w, name="many"), Domain(X, (X @ w > 0).astype(int), few, name="few")]
        training = networks.training(n_epochs=12, batch_size=25, progress=False)
        fitted = [
            c("small:mlp?hidden=8", training=training, random_state=seed).fit(given) for c in (HardSharing, SingleTask)
        ]
        ours, alone = (m.score(X_new, (X_new @ w > 0).astype(int), task="few") for m in fitted)
        gains.append(ours - alone)
    assert np.mean(gains) > 0.05
