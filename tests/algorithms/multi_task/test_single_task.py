"""Single-task: what one task learns does not depend on the others."""

import numpy as np

import multi_task_checks
import networks
from transferkit import SingleTask


def test_the_other_tasks_change_nothing(tmp_path):
    given = multi_task_checks.tasks()
    training = networks.training(n_epochs=2, progress=False, folder=tmp_path)
    together = SingleTask("small:mlp?hidden=8", training=training).fit(given)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kind", "sign", "sum"], "each has checkpoints of its own"
    assert not hasattr(together, "transform")
    for task in given:
        alone = SingleTask("small:mlp?hidden=8", training=networks.training(n_epochs=2, progress=False)).fit([task])
        found = [m.decision_function(task.X, task=task.name) for m in (together, alone)]
        np.testing.assert_array_equal(*found)
        assert together.history_[task.name] == alone.history_[task.name]
