"""ATC: by hand with both confidences, exact on the source itself, a fall where confidence falls."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from transferkit import ATC, Domain, SourceOnly
from transferkit.core.errors import DomainError


class Says:
    """A fitted classifier that says given probabilities of the source's and of the target's rows."""

    def __init__(self, source, target):
        self.source, self.target = np.asarray(source), np.asarray(target)
        self.classes_ = np.arange(self.source.shape[1])

    def predict_proba(self, X):
        return self.source if X[0, 0] == 0 else self.target

    def predict(self, X):
        return self.predict_proba(X).argmax(axis=1)


def score(own, y, other, confidence="entropy"):
    source, target = Domain(np.zeros((len(own), 1)), np.asarray(y)), Domain(np.ones((len(other), 1)))
    return ATC(confidence).score(Says(own, other), source, target)


def test_by_hand():
    own, y = [[0.9, 0.1, 0], [0.6, 0.4, 0], [0.2, 0.8, 0], [0.3, 0.7, 0]], [0, 1, 1, 1]
    # One of four is wrong, so the threshold on the maximum is midway between .6 and .7.
    other = [[0.66, 0.34, 0], [0.64, 0.36, 0], [0.66, 0.17, 0.17], [0.01, 0.99, 0]]
    assert score(own, y, other, "maximum") == 3 / 4
    # On the negative entropy it is at -.642, that is at (.66, .34, 0); two equal other classes make .66 less certain.
    assert score(own, y, other, "entropy") == 2 / 4


@pytest.mark.parametrize("confidence", ["entropy", "maximum"])
@pytest.mark.parametrize("seed", range(3))
def test_on_the_source_itself_it_is_the_accuracy(confidence, seed):
    rng = np.random.default_rng(seed)
    own, y = rng.dirichlet(np.ones(4), 50), rng.integers(0, 4, 50)
    assert score(own, y, own, confidence) == (own.argmax(axis=1) == y).mean()


def test_none_right_and_all_right():
    own = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert score(own, [1, 0], own) == 0
    assert score(own, [0, 1], own) == 1


def test_two_classes_make_no_difference_between_the_confidences():
    p, q = np.random.default_rng(0).random((2, 60))
    own, other, y = np.c_[p, 1 - p], np.c_[q, 1 - q], (np.random.default_rng(1).random(60) > p).astype(int)
    assert score(own, y, other, "maximum") == pytest.approx(score(own, y, other, "entropy"), abs=1 / 60)


def blobs(seed, n=200):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return rng.normal(size=(n, 2)) + 2.5 * y[:, None], y


def test_it_falls_as_the_target_moves_between_the_classes():
    X, y = blobs(0)
    model = SourceOnly().fit(X, y, target=Domain(X))
    scores = []
    for share in (0.0, 0.5, 0.9):
        Xt, yt = blobs(1)
        scores.append(ATC(random_state=0).score(model, Domain(X, y), Domain(Xt - share * 2.5 * (yt[:, None] - 0.5))))
    assert scores[0] > scores[1] > scores[2]


def test_certainty_of_wrong_labels_fools_it():
    X, y = blobs(0)
    model = SourceOnly().fit(X, y, target=Domain(X))
    assert ATC(random_state=0).score(model, Domain(X, y), Domain(X + 20)) == 1


def test_rows_that_a_model_knows_by_heart_do_not_count():
    X, _ = blobs(0)
    y = np.random.default_rng(0).permutation(np.arange(200) % 2)
    model = SourceOnly(KNeighborsClassifier(1)).fit(X, y, target=Domain(X))
    assert model.score(X, y) == 1
    assert ATC(random_state=0).score(model, Domain(X, y), Domain(X)) < 0.65


def test_it_needs_a_labelled_source():
    X, y = blobs(0)
    model = SourceOnly().fit(X, y, target=Domain(X))
    with pytest.raises(DomainError, match=r"^ATC.score: source must be"):
        ATC().score(model, Domain(X), Domain(X))
