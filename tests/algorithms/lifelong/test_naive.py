"""Naive fine-tuning: plain training on each task; it forgets where the next one disagrees."""

import numpy as np

from continual_toys import TRAINING, accuracies, disagreeing
from transferkit import Naive
from transferkit.engine.training.settings import Training


def test_it_forgets_a_task_that_the_next_one_contradicts():
    old, new = accuracies(Naive("small:mlp?hidden=16", training=TRAINING), disagreeing())
    assert old < 0.7
    assert new > 0.95


def test_outputs_of_their_own_keep_tasks_apart():
    tasks = disagreeing()
    model = Naive("small:mlp?hidden=16", heads="separate", training=TRAINING)
    model.partial_fit(tasks[0])
    head = model.network_.head.out.weight.detach().numpy().copy()
    model.partial_fit(tasks[1])
    assert model.network_.head.out.weight.shape[0] == 4
    assert model.outputs_.tasks == {"task 0": [0, 1], "task 1": [2, 3]}
    np.testing.assert_array_equal(model.network_.head.out.weight.detach().numpy()[:2], head)  # no gradient reaches them
    assert model.classes_.tolist() == ["no", "yes"]
    assert model.predict_proba(tasks[1].X, task="task 1").shape == (len(tasks[1].X), 2)


def test_a_training_that_was_cut_goes_on_exactly(tmp_path):
    tasks = disagreeing()

    def make(folder=None, **extra):
        settings = Training(n_epochs=4, batch_size=16, lr=0.02, progress=False, folder=folder, **extra)
        return Naive("small:mlp?hidden=8", training=settings).partial_fit(tasks[0])

    def stop(event, state):
        if event == "update" and state["update"] == 20:
            raise KeyboardInterrupt

    whole, cut = make().partial_fit(tasks[1]), make(tmp_path)
    before = cut.predict(tasks[0].X)
    cut.training.callbacks = (stop,)
    try:
        cut.partial_fit(tasks[1])
    except KeyboardInterrupt:
        assert cut.n_fits_ == 1
        np.testing.assert_array_equal(cut.predict(tasks[0].X), before)
    cut.training.callbacks = ()
    cut.partial_fit(tasks[1])
    np.testing.assert_array_equal(cut.decision_function(tasks[0].X), whole.decision_function(tasks[0].X))
