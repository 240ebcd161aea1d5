"""Majority agreement: votes by hand, independent voters are ranked right, copies are not."""

import numpy as np
import pytest

from transferkit import Domain, MajorityAgreement
from transferkit.core.errors import ParamError


class Says:
    """A fitted classifier that says given labels, with given probabilities where there are any."""

    def __init__(self, labels, proba=None):
        self.labels = np.asarray(labels)
        if proba is not None:
            self.classes_ = np.arange(np.shape(proba)[1])
            self.predict_proba = lambda X: np.asarray(proba)

    def predict(self, X):
        return self.labels


def target(n):
    return Domain(np.zeros((n, 1)))


def test_votes_by_hand():
    models = [Says(list("aab")), Says(list("abb")), Says(list("bbb"))]  # the vote is a, b, b
    selector = MajorityAgreement(models)
    assert [selector.score(m, None, target(3)) for m in models] == pytest.approx([2 / 3, 1, 2 / 3])
    assert selector.score(Says(["c", "c", "b"]), None, target(3)) == pytest.approx(1 / 3)


def test_a_tie_goes_to_the_surer_side():
    sure, unsure = Says([0], [[0.9, 0.1]]), Says([1], [[0.4, 0.6]])
    selector = MajorityAgreement([unsure, sure])
    assert (selector.score(sure, None, target(1)), selector.score(unsure, None, target(1))) == (1.0, 0.0)


def test_how_sure_a_model_is_does_not_outweigh_a_vote():
    sure, unsure = Says([0], [[1.0, 0.0]]), [Says([1], [[0.49, 0.51]]) for _ in range(2)]
    assert MajorityAgreement([sure, *unsure]).score(sure, None, target(1)) == 0.0


def test_independent_voters_are_scored_by_their_accuracy():
    rng = np.random.default_rng(0)
    y, accuracies = rng.integers(0, 4, 2000), np.linspace(0.4, 0.9, 21)
    models = [Says(np.where(rng.random(2000) < a, y, (y + rng.integers(1, 4, 2000)) % 4)) for a in accuracies]
    selector = MajorityAgreement(models)
    found = [selector.score(m, None, target(2000)) for m in models]
    np.testing.assert_allclose(found, accuracies, atol=0.04)


def test_copies_outvote_the_truth():
    y = np.arange(90) % 3
    right, wrong = Says(y), Says((y + 1) % 3)
    selector = MajorityAgreement([right, wrong, wrong])
    assert (selector.score(right, None, target(90)), selector.score(wrong, None, target(90))) == (0.0, 1.0)


def test_it_needs_candidates():
    with pytest.raises(ParamError, match=r"^MajorityAgreement\.score: candidates must hold"):
        MajorityAgreement().score(Says([0]), None, target(1))
