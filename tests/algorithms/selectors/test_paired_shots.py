"""PairedShots: counts wins and losses on labels that were hidden from both, and needs a lead of two."""

import numpy as np
import pytest
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression, Ridge

from transferkit import CORAL, Domain, PairedShots, SourceOnly
from transferkit.algorithms.selectors.paired_shots import _smallest_lead
from transferkit.core.errors import ParamError


class Scripted(BaseEstimator):
    """A Transfer method that is right on given rows (their index is the only feature); it records what it was shown."""

    def __init__(self, right=(), truth=(), log=None, classes=True):
        self.right, self.truth, self.log, self.classes = right, truth, log, classes

    def fit(self, X, y=None, *, target, groups=None):
        if self.classes:
            self.classes_ = np.unique(y)
        if self.log is not None:
            self.log.append(target.known_rows)
        return self

    def predict(self, X):
        rows = X[:, 0].astype(int)
        truth = np.asarray(self.truth)[rows]
        return np.where(np.isin(rows, self.right), truth, 1 - truth)

    def __sklearn_clone__(self):
        return Scripted(self.right, self.truth, self.log, self.classes)


def scripted(right_before, right_after, m=9):
    truth = np.arange(m) % 2
    source = Domain(np.array([[0.0], [1.0]]), np.array([0, 1]))
    target = Domain(np.arange(float(m))[:, None], truth)
    models = [Scripted(list(r), truth, []).fit(source.X, source.y, target=target) for r in (right_before, right_after)]
    return source, target, *models


@pytest.mark.parametrize(
    ("before", "after", "lead"), [([0, 1], [0, 1, 2, 3], 2), ([0], [1, 2, 3], 2), ([0, 1], [2, 3, 4], 1), ([0], [0], 0)]
)
def test_the_score_is_the_lead_minus_one_over_m(before, after, lead):
    source, target, anchor, candidate = scripted(before, after)
    score = PairedShots(anchor, random_state=0).score(candidate, source, target)
    assert score == pytest.approx((lead - 1) / 9)
    assert (score > 0) == (lead >= 2)


def test_no_row_is_judged_by_a_model_that_was_shown_its_label():
    source, target, anchor, candidate = scripted([0], [1, 2, 3, 4])
    candidate.log.clear()
    PairedShots(anchor, n_splits=3, random_state=0).score(candidate, source, target)
    shown = candidate.log
    assert [len(s) for s in shown] == [6, 6, 6]
    hidden = [np.setdiff1d(np.arange(9), s) for s in shown]
    assert sorted(np.concatenate(hidden)) == list(range(9))


def domains(seed, shift, task, shots=12, n=120):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X, Z = rng.normal(size=(2, n, 3)) + 3 * y[None, :, None]
    ys, yt = (y, y) if task == "classification" else (X.sum(axis=1), Z.sum(axis=1))
    return Domain(X, ys), Domain(Z + shift, yt, known=np.arange(n) < shots)


@pytest.mark.parametrize(
    ("task", "inner"), [("classification", LogisticRegression()), ("regression", Ridge())], ids=["classes", "numbers"]
)
def test_lets_a_gain_through_and_nothing_at_zero_shift(task, inner):
    for seed in range(3):
        for shift in (5.0, 0.0):
            source, target = domains(seed, shift, task)
            anchor = SourceOnly(inner).fit(source.X, source.y, target=target)
            moved = CORAL(centre=True, estimator=inner).fit(source.X, source.y, target=target.hide())
            guard = PairedShots(anchor, [moved], random_state=0)
            assert (guard.score(moved, source, target) > 0) == (shift > 0)
            assert guard.score(anchor, source, target) == 0.0
            (check,) = guard.explain(moved, source, target)
            assert check["passed"] == (shift > 0)


def test_hidden_labels_change_nothing():
    source, target = domains(0, 5.0, "classification")
    other = Domain(target.X, np.where(target.mask, target.y, 1 - target.y), known=target.known)
    anchor = SourceOnly().fit(source.X, source.y, target=target)
    moved = CORAL(centre=True).fit(source.X, source.y, target=target)
    guard = PairedShots(anchor, random_state=0)
    assert guard.score(moved, source, target) == guard.score(moved, source, other)


def test_the_models_given_stay_as_they_are():
    source, target = domains(0, 5.0, "classification")
    anchor = SourceOnly().fit(source.X, source.y, target=target)
    moved = CORAL(centre=True).fit(source.X, source.y, target=target)
    before = moved.predict(target.X), moved.estimator_
    PairedShots(anchor, random_state=0).score(moved, source, target)
    assert (moved.predict(target.X) == before[0]).all()
    assert moved.estimator_ is before[1]


def test_smallest_lead_is_that_of_the_sign_test():
    for n in range(1, 30):
        lead = _smallest_lead(n, 0.10)
        if lead > n:
            assert stats.binomtest(n, n, alternative="greater").pvalue > 0.10
            continue
        wins = (n + lead) // 2
        assert stats.binomtest(wins, n, alternative="greater").pvalue <= 0.10
        assert wins == 0 or stats.binomtest(wins - 1, n, alternative="greater").pvalue > 0.10


def test_too_few_labels_keep_the_anchor():
    source, target = domains(0, 5.0, "classification", shots=1)
    anchor = SourceOnly().fit(source.X, source.y, target=target)
    moved = CORAL().fit(source.X, source.y, target=target)
    guard = PairedShots(anchor, random_state=0)
    assert guard.score(moved, source, target) == 0.0
    assert "too few" in guard.explain(moved, source, target)[0]["says"]


def test_a_model_that_takes_no_target_is_named():
    source, target = domains(0, 5.0, "classification")
    plain = LogisticRegression().fit(source.X, source.y)
    with pytest.raises(
        ParamError, match=r"candidate must be a Transfer method, with target in fit\. Got LogisticRegression"
    ):
        PairedShots(SourceOnly().fit(source.X, source.y, target=target)).score(plain, source, target)
