import numpy as np
import pytest

from transferkit.ops.trees.boosting import add_trees, boost, boosting_loss


@pytest.mark.parametrize("k", [1, 3])
def test_every_round_lowers_the_loss_of_classes(k):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 2)).astype(np.float32), rng.integers(0, max(k, 2), 40)
    start = rng.normal(size=(40, k))
    rounds = boost(X, start, y, True, 8, np.random.RandomState(0), learning_rate=0.2, max_depth=3)
    losses = [boosting_loss(start + add_trees(rounds[:m], X, k), y, True) for m in range(9)]
    assert (np.diff(losses) < 0).all()


def test_whole_steps_of_whole_trees_leave_no_error():
    X, y = np.arange(10.0, dtype=np.float32)[:, None], np.cos(np.arange(10.0))
    rounds = boost(X, np.ones((10, 1)), y, False, 5, np.random.RandomState(0), learning_rate=1.0, max_depth=None)
    assert len(rounds) == 1
    np.testing.assert_allclose(1 + add_trees(rounds, X, 1)[:, 0], y)


def test_labels_may_be_as_small_as_they_like():
    X, y = np.arange(10.0, dtype=np.float32)[:, None], 1e-13 * np.cos(np.arange(10.0))
    rounds = boost(X, np.zeros((10, 1)), y, False, 5, np.random.RandomState(0), learning_rate=1.0, max_depth=None)
    np.testing.assert_allclose(add_trees(rounds, X, 1)[:, 0], y)
    assert not boost(X, np.zeros((10, 1)), 0 * y, False, 5, np.random.RandomState(0), learning_rate=1.0, max_depth=2)
