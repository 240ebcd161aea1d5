"""Joint training: nothing is forgotten, and the last task's training is that on all rows from first weights."""

import numpy as np

from continual_toys import TRAINING, accuracies, disagreeing
from transferkit import Domain, Joint, Naive


def test_it_does_not_forget():
    old, new = accuracies(Joint("small:mlp?hidden=16", training=TRAINING), disagreeing())
    assert old > 0.95
    assert new > 0.95


def test_it_is_a_training_on_all_rows_at_once():
    tasks = disagreeing(n=40)
    model = Joint("small:mlp?hidden=8", training=TRAINING)
    for task in tasks:
        model.partial_fit(task)
    assert len(model.memory_) == 80
    np.testing.assert_array_equal(model.memory_.X, np.vstack([t.X for t in tasks]))
    assert model.history_[-1]["epoch"] == TRAINING.n_epochs
    # Whatever was learned of the first task alone leaves no trace: the start is the same.
    start = {k: v.numpy() for k, v in model.start_.body.state_dict().items()}
    fresh = Joint("small:mlp?hidden=8", training=TRAINING).partial_fit(tasks[1])
    for name, value in fresh.start_.body.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), start[name])


def test_one_task_is_plain_training():
    task = disagreeing(n=40)[0]
    pair = [cls("small:mlp?hidden=8", training=TRAINING).partial_fit(task) for cls in (Joint, Naive)]
    np.testing.assert_array_equal(*(m.decision_function(task.X) for m in pair))


def test_texts_are_kept_as_they_came():
    import networks

    source = networks.KINDS["text"].fresh()
    texts, topic, _, _ = networks.text_rows(16, 0)
    names = np.array(["sea", "sky", "ore", "oak"])[topic]
    model = Joint(source, training=networks.training(n_epochs=1))
    for name, wanted in (("water", ["sea", "sky"]), ("ground", ["ore", "oak"])):
        rows = np.flatnonzero(np.isin(names, wanted))
        model.partial_fit(Domain([texts[i] for i in rows], names[rows], name=name))
    assert sorted(model.memory_.X) == sorted(texts)
    assert np.isin(model.predict(texts, task="ground"), ["ore", "oak"]).all()
