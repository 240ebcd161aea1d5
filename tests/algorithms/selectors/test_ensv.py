"""EnsV: a table by hand, the bound that certifies it, and how copies fool it."""

import numpy as np
import pytest

from transferkit import Domain, EnsV
from transferkit.core.errors import ParamError


class Says:
    """A fitted classifier that says given probabilities, whatever the rows."""

    def __init__(self, proba, classes=None):
        self.proba = np.asarray(proba, dtype=float)
        self.classes_ = np.arange(self.proba.shape[1]) if classes is None else np.asarray(classes)

    def predict_proba(self, X):
        return self.proba

    def predict(self, X):
        return self.classes_[self.proba.argmax(axis=1)]


class Certain:
    """Labels without probabilities."""

    def __init__(self, labels):
        self.labels = np.asarray(labels)

    def predict(self, X):
        return self.labels


def target(n):
    return Domain(np.zeros((n, 1)))


def test_a_table_by_hand():
    one = Says([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.6, 0.4]])
    two = Says([[0.4, 0.6], [0.3, 0.7], [0.1, 0.9], [0.45, 0.55]])
    # Means (0.65, 0.45, 0.15, 0.525) for class 0, so the ensemble says 0, 1, 1, 0.
    ensv = EnsV([one, two])
    assert [ensv.score(m, None, target(4)) for m in (one, two)] == [0.75, 0.5]
    assert ensv.score(Certain([0, 1, 1, 0]), None, target(4)) == 1.0


def test_columns_are_put_in_order():
    one = Says([[0.9, 0.1], [0.2, 0.8]], ["b", "c"])
    two = Says([[0.1, 0.9], [0.1, 0.9]], ["a", "b"])
    assert EnsV([one, two]).score(Certain(["b", "b"]), None, target(2)) == 1.0
    assert EnsV([one, two]).score(Certain(["z", "a"]), None, target(2)) == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_the_ensemble_is_never_worse_than_the_worst(seed):
    """Negative log-likelihood of the mean is at most the mean of theirs, which is what certifies it."""
    rng = np.random.default_rng(seed)
    probas, y = rng.dirichlet(np.full(4, 0.5), (6, 200)), rng.integers(0, 4, 200)
    losses = -np.log(probas[:, np.arange(200), y]).mean(axis=1)
    ensemble = -np.log(probas.mean(axis=0)[np.arange(200), y]).mean()
    assert ensemble <= losses.mean() <= losses.max()


def test_the_worst_is_not_chosen():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    models = [Says(0.8 * np.eye(3)[np.where(rng.random(300) < q, rng.integers(0, 3, 300), y)] + 0.2 / 3) for q in
              (0.1, 0.3, 0.5, 1.0)]  # fmt: skip
    scores = [EnsV(models).score(m, None, target(300)) for m in models]
    assert scores == sorted(scores, reverse=True)


def test_copies_of_a_wrong_model_carry_the_mean_along():
    y = np.arange(90) % 3
    right, wrong = Says(np.eye(3)[y]), Says(np.eye(3)[(y + 1) % 3])
    ensv = EnsV([right, wrong, wrong])
    assert (ensv.score(right, None, target(90)), ensv.score(wrong, None, target(90))) == (0.0, 1.0)


def test_it_needs_candidates():
    with pytest.raises(ParamError, match=r"^EnsV\.score: candidates must hold"):
        EnsV().score(Certain([0, 1]), None, target(2))
