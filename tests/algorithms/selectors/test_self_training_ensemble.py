"""Self-training ensemble: the share it disputes is the error where the vote is right; shared errors are not seen."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from transferkit import Domain, SelfTrainingEnsemble
from transferkit.core.errors import ParamError


class Says:
    """A fitted classifier that says given labels."""

    def __init__(self, labels):
        self.labels = np.asarray(labels)

    def predict(self, X):
        return self.labels


def blobs(shift=0.0, n=150, distance=6.0):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    X, Xt = (rng.normal(size=(n, 3)) + distance * np.eye(3)[y] for _ in range(2))
    names = np.array(["ash", "birch", "cedar"])
    return Domain(X, names[y]), Domain(Xt + np.array([shift, 0, 0])), names[y], names


@pytest.mark.parametrize("wrong", [0.0, 0.2, 0.6])
def test_it_counts_the_errors_where_the_vote_is_right(wrong):
    source, target, yt, names = blobs()
    rng = np.random.default_rng(1)
    said = yt.copy()
    rows = rng.permutation(150)[: int(150 * wrong)]
    said[rows] = names[(np.searchsorted(names, yt[rows]) + 1) % 3]
    assert SelfTrainingEnsemble(random_state=0).score(Says(said), source, target) == pytest.approx(1 - wrong, abs=0.02)


def test_learning_from_the_disputed_rows_finds_more_errors():
    """The target moved; the candidate names the class that it moved towards too often, as do the check models at first."""
    source, target, yt, _ = blobs(shift=3.5, distance=4.0)
    said = np.where((target.X[:, 0] > 3.0) & (yt != "ash"), "ash", yt)
    true = (said == yt).mean()
    plain, trained = (SelfTrainingEnsemble(gamma=g, random_state=0).score(Says(said), source, target) for g in (0, 1))
    assert true < trained < plain


def test_without_weight_more_rounds_change_nothing():
    source, target, yt, _ = blobs(shift=2.0, distance=3.0)
    one, five = (
        SelfTrainingEnsemble(gamma=0, n_rounds=r, random_state=0).score(Says(yt), source, target) for r in (1, 5)
    )
    assert one == five


def test_errors_that_the_check_models_share_are_not_seen():
    """Two classes traded places in the target: all that learned from the source are wrong alike."""
    source, target, yt, names = blobs()
    rows = target.X.copy()
    rows[:, [0, 1]] = rows[:, [1, 0]]
    said = names[rows.argmax(axis=1)]
    assert (said == yt).mean() < 0.4
    assert SelfTrainingEnsemble(random_state=0).score(Says(said), source, Domain(rows)) > 0.98


def test_a_check_model_without_weights_is_refused():
    source, target, yt, _ = blobs()
    with pytest.raises(ParamError, match=r"^SelfTrainingEnsemble\.score: estimator must take sample_weight"):
        SelfTrainingEnsemble(KNeighborsClassifier()).score(Says(yt), source, target)
