"""PairedShots: counts wins and losses on labels that were hidden from both, and asks the sign test."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression, Ridge

from transferkit import CORAL, Domain, PairedShots, SourceOnly
from transferkit.algorithms.selectors.paired_shots import _smallest_lead
from transferkit.core.errors import ParamError
from transferkit.ops.evidence.paired_test import sign_test


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


def test_refits_are_told_the_source_of_each_row():
    seen = []

    class Grouped(Scripted):
        def fit(self, X, y=None, *, target, groups=None):
            seen.append(groups)
            return super().fit(X, y, target=target, groups=groups)

        def __sklearn_clone__(self):
            return Grouped(self.right, self.truth, self.log, self.classes)

    source, target, before, after = scripted([], [1, 2, 3, 4])
    candidate = Grouped(after.right, after.truth).fit(source.X, source.y, target=target)
    for groups in (None, ["a", "b"]):
        seen.clear()
        assert PairedShots(before, groups=groups, random_state=0).score(candidate, source, target) > 0
        assert seen == [groups] * 3
    with pytest.raises(ParamError, match=r"PairedShots.score: groups must be one a source row \(2\). Got 1"):
        PairedShots(before, groups=["a"]).score(candidate, source, target)


# Of 9 labels; four decided rows are the fewest that pass (p = 1/32).
@pytest.mark.parametrize(
    ("before", "after", "lead", "need"),
    [
        ([], [1, 2, 3, 4], 4, 4),
        ([], [1, 2, 3], 3, 5),
        ([0], [1, 2, 3, 4], 3, 5),
        ([0], range(1, 9), 7, 7),
        ([0], [0], 0, 2),
    ],
)
def test_the_score_is_positive_from_the_smallest_significant_lead_on(before, after, lead, need):
    source, target, anchor, candidate = scripted(before, after)
    guard = PairedShots(anchor, random_state=0)
    score = guard.score(candidate, source, target)
    assert score == pytest.approx((lead - need + 1) / 9)
    wins, losses = len(set(after) - set(before)), len(set(before) - set(after))
    assert (score > 0) == (sign_test(wins, losses) <= 0.05)
    (check,) = guard.explain(candidate, source, target)
    assert (check["value"], check["threshold"], check["passed"]) == (lead, need, score > 0)


def test_a_stricter_level_lets_less_through():
    source, target, anchor, candidate = scripted([], [1, 2, 3, 4])
    passed = [
        PairedShots(anchor, level=a, random_state=0).score(candidate, source, target) > 0 for a in (0.1, 1 / 32, 0.03)
    ]
    assert passed == [True, True, False]


def test_numbers_must_also_be_nearer_on_average():
    """Eight small wins and one large loss: the sign test passes, the mean error does not."""
    truth = np.arange(9.0)

    class Off(BaseEstimator):
        def __init__(self, by=()):
            self.by = by

        def fit(self, X, y=None, *, target, groups=None):
            return self

        def predict(self, X):
            rows = X[:, 0].astype(int)
            return truth[rows] + np.asarray(self.by)[rows]

        def __sklearn_clone__(self):
            return Off(self.by)

    source, target = Domain(np.arange(3.0)[:, None], truth[:3]), Domain(truth[:, None], truth)
    anchor = Off([1.0] * 9)
    for last, passes in ((1.5, True), (30.0, False)):
        guard = PairedShots(anchor, random_state=0)
        candidate = Off([0.5] * 8 + [last])
        assert (guard.score(candidate, source, target) > 0) == passes
        assert guard.explain(candidate, source, target)[0]["passed"] == passes


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
    for level in (0.05, 0.10):
        for n in range(30):
            lead = _smallest_lead(n, level)
            if lead > n:
                assert sign_test(n, 0) > level
                continue
            wins = (n + lead) // 2
            assert sign_test(wins, n - wins) <= level
            assert sign_test(wins - 1, n - wins + 1) > level


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


class _Fixed(SourceOnly):
    """Says what it is told, by the row's number in the only column."""

    def predict(self, X):
        return np.asarray(self.says)[np.asarray(X)[:, 0].astype(int)]


def _says(labels):
    class Says(_Fixed):
        says = labels

    return Says


def test_per_class_a_win_of_one_class_is_not_enough():
    y = np.arange(40) % 2
    X = np.arange(40.0)[:, None]
    source, target = Domain(X, y), Domain(X, y)
    nothing = _says(np.zeros(40, int))().fit(X, y, target=target)  # right on class 0 alone
    other = _says(np.ones(40, int))().fit(X, y, target=target)
    wrong = _says(1 - y)().fit(X, y, target=target)
    mostly = _says(np.where(np.arange(40) < 28, y, 1 - y))().fit(X, y, target=target)
    one_class = _says(np.where((y == 1) & (np.arange(40) < 30), 1, np.where(np.arange(40) < 3, 1, 0)))().fit(
        X, y, target=target
    )
    loose, strict = (PairedShots(nothing, per_class=p, random_state=0) for p in (False, True))
    assert loose.score(one_class, source, target) > 0, "15 rows of class 1 won, 2 of class 0 lost"
    assert strict.score(one_class, source, target) <= 0
    assert strict.score(other, source, target) <= 0
    against = PairedShots(wrong, per_class=True, random_state=0)
    assert against.score(mostly, source, target) > 0, "both classes won"
    assert "each class alone" in against.explain(mostly, source, target)[0]["says"]


def test_per_class_a_class_without_a_label_shows_nothing():
    y = np.arange(40) % 2
    X = np.arange(40.0)[:, None]
    source, target = Domain(X, y), Domain(X, y, known=y == 1)
    nothing = _says(np.zeros(40, int))().fit(X, y, target=target)
    right = _says(y)().fit(X, y, target=target)
    assert PairedShots(nothing, random_state=0).score(right, source, target) > 0
    assert PairedShots(nothing, per_class=True, random_state=0).score(right, source, target) <= 0
