"""GDumb: classes are balanced whatever comes, and the network knows the memory alone."""

import numpy as np

from continual_toys import TRAINING, accuracies, disagreeing, naive_on_disagreeing
from transferkit import Domain, GDumb
from transferkit.engine.training.settings import Training

SHORT = Training(n_epochs=1, batch_size=16, progress=False)


def lopsided():
    """A class of many rows, one of few, and one that comes last."""
    rng = np.random.default_rng(0)
    y = np.array([0] * 90 + [1] * 12 + [2] * 30)
    X = rng.normal(size=(len(y), 4))
    return [
        Domain(X[:60], y[:60], name="a"),
        Domain(X[60:102], y[60:102], name="a"),
        Domain(X[102:], y[102:], name="b"),
    ]


def test_classes_are_balanced():
    model = GDumb("small:mlp?hidden=4", memory_size=30, training=SHORT)
    counts = []
    for task in lopsided():
        model.partial_fit(task)
        counts.append(np.bincount(model.memory_.y, minlength=3).tolist())
    assert counts == [[30, 0, 0], [18, 12, 0], [10, 10, 10]]


def test_pieces_do_not_matter():
    tasks = lopsided()
    whole = GDumb("small:mlp?hidden=4", memory_size=30, training=SHORT).fit(tasks)
    X, y = np.vstack([t.X for t in tasks]), np.concatenate([t.y for t in tasks])
    cut = GDumb("small:mlp?hidden=4", memory_size=30, training=SHORT)
    for k in range(0, len(y), 33):
        cut.partial_fit(Domain(X[k : k + 33], y[k : k + 33], name="any"))
    np.testing.assert_array_equal(whole.memory_.X, cut.memory_.X)


def test_it_remembers_with_the_memory_alone():
    tasks = disagreeing()
    old, _ = accuracies(GDumb("small:mlp?hidden=16", training=TRAINING), tasks)
    assert old > naive_on_disagreeing() + 0.2
