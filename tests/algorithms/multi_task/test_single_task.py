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


def test_a_name_of_a_task_leads_nowhere(tmp_path):
    """Its folder lies in the training's, whatever it is called."""
    training = networks.training(folder=tmp_path / "here")
    names = ("../other", "..", "/root", "sum")
    folders = [SingleTask()._alone(training, name).training.folder for name in names]
    assert [f.resolve().parent for f in folders] == [tmp_path / "here"] * 4
    assert len(set(folders)) == 4
