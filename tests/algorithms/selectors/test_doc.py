"""DoC: by hand, source accuracy without a shift, a fall where confidence falls, and honest source rows."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from transferkit import DoC, Domain, SourceOnly
from transferkit.core.errors import DomainError, ParamError


class Says:
    """A fitted classifier that says given probabilities of the source's and of the target's rows."""

    def __init__(self, source, target):
        self.source, self.target = np.asarray(source), np.asarray(target)
        self.classes_ = np.arange(self.source.shape[1])

    def predict_proba(self, X):
        return self.source if X[0, 0] == 0 else self.target

    def predict(self, X):
        return self.predict_proba(X).argmax(axis=1)


def test_by_hand():
    own = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]
    model = Says(own, [[0.55, 0.45], [0.5, 0.5]])
    source, target = Domain(np.zeros((4, 1)), np.array([0, 1, 1, 1])), Domain(np.ones((2, 1)))
    # accuracy 3/4, mean confidence .75 on the source and .525 on the target
    assert DoC().score(model, source, target) == pytest.approx(0.75 + 0.525 - 0.75)


def blobs(seed, n=200, at=0.0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return rng.normal(size=(n, 2)) + 2.5 * y[:, None] * [1, 1] + at, y


def test_it_falls_as_the_target_moves_between_the_classes():
    X, y = blobs(0)
    model = SourceOnly().fit(X, y, target=Domain(X))
    estimates, truths = [], []
    for share in (0.0, 0.5, 0.9):
        Xt, yt = blobs(1)
        Xt = Xt - share * 2.5 * (yt[:, None] - 0.5)  # the classes draw together
        estimates.append(DoC(random_state=0).score(model, Domain(X, y), Domain(Xt)))
        truths.append(model.score(Xt, yt))
    assert estimates[0] > estimates[1] > estimates[2]
    assert truths[0] > truths[1] > truths[2]
    assert estimates[0] == pytest.approx(truths[0], abs=0.03)


def test_certainty_of_wrong_labels_fools_it():
    X, y = blobs(0)
    model = SourceOnly().fit(X, y, target=Domain(X))
    far = Domain(X + 20)  # all rows on one side, all of them sure: half is wrong
    assert DoC(random_state=0).score(model, Domain(X, y), far) > 0.95


def test_rows_that_a_model_knows_by_heart_do_not_count():
    X, _ = blobs(0)
    y = np.random.default_rng(0).permutation(np.arange(200) % 2)
    model = SourceOnly(KNeighborsClassifier(1)).fit(X, y, target=Domain(X))
    assert model.score(X, y) == 1
    assert DoC(random_state=0).score(model, Domain(X, y), Domain(X)) < 0.65


def test_what_it_needs():
    X, y = blobs(0)
    model = SourceOnly().fit(X, y, target=Domain(X))
    for bad in (None, Domain(X)):
        with pytest.raises(DomainError, match=r"^DoC.score: source must be"):
            DoC().score(model, bad, Domain(X))
    with pytest.raises(ParamError, match=r"^DoC.score: candidate must have predict_proba"):
        DoC().score(object(), Domain(X, y), Domain(X))
