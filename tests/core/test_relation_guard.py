"""The permutation test is exact where nothing is related, finds what is, and the guard keeps the target alone elsewhere."""

import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.neighbors import KNeighborsClassifier

import spaces
import transferkit
from transferkit import (
    CanonicalCorrelation,
    Domain,
    DomainError,
    ParamError,
    RelationGuard,
    SpectralSpaceTransformation,
    TransferPipeline,
    TransferWarning,
    relation_test,
)
from transferkit.core.relation_guard import Against, TargetAlone
from transferkit.core.relation_test import Judged, held_out_losses

PAIRS = np.column_stack([np.arange(16), np.arange(16)])
NEAREST = KNeighborsClassifier(1)


def board(n=400, n_pairs=40, seed=0):
    """A board of 16 fields in two colours, seen through two sets of columns: few labels do not tell its pattern."""
    rng = np.random.default_rng(seed)
    hidden = rng.uniform(0, 4, size=(n, 2))
    y = np.where(np.floor(hidden).sum(axis=1) % 2, "black", "white")
    return (
        hidden @ rng.normal(size=(2, 3)),
        hidden @ rng.normal(size=(2, 2)),
        y,
        np.column_stack([np.arange(n_pairs)] * 2),
    )


class Guess(BaseEstimator):
    """Between two spaces by their first columns: cheap, and it says something only where these are one."""

    def fit(self, X, y, *, target, pairs=None):
        self.classes_, self.means_ = np.unique(y), np.array([X[y == c, 0].mean() for c in np.unique(y)])
        return self

    def transform(self, X, domain="target"):
        return X[:, :1]

    def predict(self, X):
        return self.classes_[np.abs(X[:, :1] - self.means_).argmin(axis=1)]

    def predict_proba(self, X):
        closeness = np.exp(-((X[:, :1] - self.means_) ** 2))
        return closeness / closeness.sum(axis=1, keepdims=True)


def p_values(kind, n=150, m=4):
    """Of `Guess` where source and target have nothing to do with each other."""
    found = []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        X, Xt = rng.normal(size=(24, 1)), rng.normal(size=(12, 1))
        y, yt = np.arange(24) % 6, np.arange(12) % 6
        more = {"pairs": np.column_stack([np.arange(12)] * 2)} if kind == "pairs" else {"shuffle": kind}
        found.append(
            relation_test(
                Guess(), X, y, Domain(Xt, yt), n_permutations=m, n_splits=2, random_state=seed, **more
            ).p_value
        )
    return np.array(found)


@pytest.mark.parametrize("kind", ["pairs", "classes", "rows"])
def test_without_a_relation_p_is_uniform(kind):
    p = p_values(kind)
    counts = np.bincount(np.round(p * 5).astype(int), minlength=6)[1:]
    assert counts.sum() == 150
    assert stats.chisquare(counts).pvalue > 0.01, f"{counts} of every fifth"


def test_stopping_early_keeps_the_level():
    """Besag & Clifford: at every level at most so many p-values; and what is settled is refused with fewer shuffles."""
    rng = np.random.default_rng(0)
    found = []
    for seed in range(60):
        X, Xt = rng.normal(size=(24, 1)), rng.normal(size=(12, 1))
        y, yt = np.arange(24) % 6, np.arange(12) % 6
        found.append(
            relation_test(Guess(), X, y, Domain(Xt, yt), n_permutations=19, level=0.1, n_splits=2, random_state=seed)
        )
    p = np.array([t.p_value for t in found])
    for level in (0.05, 0.1, 0.3, 0.6):
        assert stats.binomtest(int((p <= level).sum()), 60, level, alternative="greater").pvalue > 0.01
    refused = [t for t in found if t.p_value > 0.1]
    assert np.mean([len(t.of_shuffled) for t in refused]) < 10


def test_a_relation_is_found_by_pairs_and_by_labels():
    world = spaces.seen_twice(0)
    for method in (CanonicalCorrelation(), SpectralSpaceTransformation(3)):
        test = relation_test(method, world.X, world.y, Domain(world.Xt), pairs=PAIRS, n_permutations=19, random_state=0)
        assert (test.shuffled, test.p_value, test.n_judged) == ("pairs", 0.05, 16)
        assert test.statistic > 0.9 > test.of_shuffled.max()
        assert abs(test.of_shuffled.mean() - 0.5) < 0.15, "partners put together at random are no nearer than others"
        assert "Over 16 held-out pairs the tie reaches 0.9" in test.says
    rng = np.random.default_rng(1)
    y, yt = np.arange(120) % 8, np.arange(60) % 8
    target = Domain(np.column_stack([3.0 * yt + 0.3 * rng.normal(size=60)]), yt, np.arange(60) < 24)
    X = np.column_stack([3.0 * y + 0.3 * rng.normal(size=120), rng.normal(size=120)])
    test = relation_test(Guess(), X, y, target, n_permutations=39, random_state=0)
    assert (test.shuffled, test.p_value) == ("classes", 0.025)
    assert relation_test(Guess(), X, y, target, shuffle="rows", n_permutations=39, random_state=0).p_value == 0.025


def test_pairs_with_a_row_in_common_are_held_out_together():
    """A pair that is there twice, or a partner's other partner, would be learned from where it is judged."""
    rng = np.random.default_rng(0)
    X, Xt, y = rng.normal(size=(40, 8)), rng.normal(size=(40, 8)), np.arange(40) % 2  # nothing relates them
    seen = []

    class Spy(Guess):
        def fit(self, X, y, *, target, pairs=None):
            seen.append(pairs)
            return super().fit(X, y, target=target)

    of_two = np.array([[k, t] for k in range(12) for t in (2 * k, 2 * k + 1)])
    test = relation_test(Spy(), X, y, Domain(Xt), pairs=np.vstack([of_two, of_two]), n_permutations=1, random_state=0)
    assert test.n_judged == 24
    for pairs in seen[:3]:
        assert len(pairs) == 16
        assert (np.bincount(pairs[:, 0], minlength=12) % 2 == 0).all()
    twice = np.vstack([PAIRS[:10]] * 2)
    method = CanonicalCorrelation(reg=0.0)
    assert relation_test(method, X, y, Domain(Xt), pairs=twice, n_permutations=19, random_state=0).p_value > 0.1
    for pairs, target, words in (
        ([1, 2, 3], Domain(Xt), "pairs must hold two"),
        (twice, Xt, "target must be a Domain"),
    ):
        with pytest.raises(DomainError, match=f"^relation_test: {words}"):
            relation_test(method, X, y, target, pairs=pairs)


def test_all_shuffles_are_gone_through_where_they_are_few():
    rng = np.random.default_rng(0)
    X, Xt, y = rng.normal(size=(30, 1)), rng.normal(size=(30, 1)), np.arange(30) % 4
    test = relation_test(Guess(), X, y, Domain(Xt, y), n_permutations=99, random_state=0)
    assert len(test.of_shuffled) == 23, "4! - 1"
    assert (24 * test.p_value) == pytest.approx(round(24 * test.p_value))
    assert relation_test(Guess(), X, y % 3, Domain(Xt, y % 3), n_permutations=9, random_state=0).shuffled == "rows"


def test_hidden_labels_do_not_count_and_seeds_repeat():
    world = spaces.scrambled(0, 60)
    known = np.arange(60) < 15
    results = [
        relation_test(
            CanonicalCorrelation(), world.X, world.y, Domain(world.Xt, labels, known), n_permutations=4, random_state=3
        )
        for labels in (world.yt, np.where(known, world.yt, 2 - world.yt))
    ]
    np.testing.assert_array_equal(results[0].of_shuffled, results[1].of_shuffled)
    assert results[0].statistic == results[1].statistic


def test_what_cannot_be_tested_is_named():
    world = spaces.scrambled(0, 60)
    few = Domain(world.Xt, np.arange(60) % 3, np.arange(60) < 3)
    with pytest.raises(DomainError, match=r"^relation_test: target must have two known labels of a class.*Got 3 known"):
        relation_test(CanonicalCorrelation(), world.X, world.y, few)
    with pytest.raises(
        ParamError, match=r"^relation_test: n_permutations must be a whole number in \[1, inf\)\. Got 0\."
    ):
        relation_test(CanonicalCorrelation(), world.X, world.y, few, n_permutations=0)
    with pytest.raises(DomainError, match=r"^RelationGuard\.fit: target must have a few known labels, or pairs"):
        RelationGuard(CanonicalCorrelation()).fit(world.X, world.y, target=Domain(world.Xt))


def test_a_pair_that_is_held_out_takes_its_source_row_with_it():
    """Else the source row, which is the same thing and has the label, would give it away."""
    seen = []

    class Spy(Guess):
        def fit(self, X, y, *, target, pairs=None):
            seen.append((set(X[:, 0]), pairs))
            assert len(X) == len(y)
            np.testing.assert_array_equal(X[pairs[:, 0], 0], target.X[pairs[:, 1], 0])
            return super().fit(X, y, target=target)

    X = np.arange(30.0)[:, None]
    judged = Judged(PAIRS[:, 1], PAIRS[:, 1] % 2, np.arange(16) % 3, False)
    losses = held_out_losses(Spy(), X, np.arange(30) % 2, Domain(X), judged, pairs=PAIRS)
    assert len(losses) == 16
    assert len(seen) == 3
    for fold, (rows, pairs) in enumerate(seen):
        held = set(PAIRS[np.arange(16) % 3 == fold, 0].astype(float))
        assert not rows & held
        assert len(rows) == 30 - len(held)
        assert len(pairs) == 16 - len(held)


def test_the_guard_keeps_what_beats_the_target_alone(tmp_path):
    X, Xt, y, pairs = board()
    method = TransferPipeline([], CanonicalCorrelation(reg=0, estimator=NEAREST), fit_on="each")
    guard = RelationGuard(method, NEAREST, n_permutations=19, random_state=0).fit(X, y, target=Domain(Xt), pairs=pairs)
    assert (guard.kept_, guard.p_value_, guard.relation_.shuffled) == ("method", 0.05, "pairs")
    assert guard.wins_ - guard.losses_ > 5
    assert guard.p_better_ < 0.05
    assert guard.score(Xt[40:], y[40:]) > 0.85
    again = transferkit.load(transferkit.save(guard, tmp_path / "g"))
    np.testing.assert_array_equal(again.predict_proba(Xt), guard.predict_proba(Xt))
    with pytest.raises(DomainError, match=r"^RelationGuard\.predict: X must be usable rows"):
        guard.predict(X)


def test_the_guard_says_where_the_target_alone_stays():
    X, Xt, y, pairs = board()
    rng = np.random.default_rng(0)
    method = CanonicalCorrelation(reg=0, estimator=NEAREST)
    odd = np.column_stack([pairs[:, 0], rng.permutation(pairs[:, 1])])
    with pytest.warns(TransferWarning, match="the target alone is kept. No relation was found"):
        guard = RelationGuard(method, NEAREST, random_state=0).fit(
            X, y, target=Domain(Xt, y, np.arange(400) < 60), pairs=odd
        )
    assert (guard.kept_, guard.p_value_ > 0.05) == ("target_only", True)
    alone = NEAREST.fit(Xt[:60], y[:60])
    np.testing.assert_array_equal(guard.predict(Xt), alone.predict(Xt))
    # A relation that is there and of no use: the labels say it all.
    world = spaces.seen_twice(0, noise=0.01)
    with pytest.warns(TransferWarning, match="A relation was found"):
        useless = RelationGuard(CanonicalCorrelation(), n_permutations=19, random_state=0).fit(
            world.X, world.y, target=Domain(world.Xt, world.yt, np.arange(60) < 40), pairs=PAIRS
        )
    assert (useless.kept_, useless.p_value_) == ("target_only", 0.05)
    # One label a class cannot be held out, and no method needs no test.
    with pytest.warns(TransferWarning, match="No relation could be tested: target must have two"):
        untested = RelationGuard(CanonicalCorrelation()).fit(
            world.X,
            world.y,
            target=Domain(world.Xt, world.yt, np.isin(np.arange(60), [0, int(np.argmax(world.yt != world.yt[0]))])),
        )
    assert untested.relation_ is None
    nothing = RelationGuard().fit(world.X, world.y, target=Domain(world.Xt, world.yt))
    assert (nothing.kept_, nothing.says_) == ("target_only", "No method was given.")


def test_numbers_are_judged_by_their_error():
    """Many small wins do not outweigh a large loss."""
    world = spaces.seen_twice(1, noise=0.05)
    values = world.X[:, 0]
    guard = RelationGuard(SpectralSpaceTransformation(3), n_permutations=19, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TransferWarning)  # whichever is kept
        guard.fit(world.X, values, target=Domain(world.Xt), pairs=PAIRS)
    assert not hasattr(guard, "classes_")
    assert guard.p_value_ == 0.05
    assert not Against(9, 1, 10, 0.01, False, True).passes(0.05)
    assert Against(9, 1, 10, 0.01, True, True).passes(0.05)
    assert "Its mean error is not smaller" in Against(9, 1, 10, 0.01, False, True).says
    own = TargetAlone().fit(world.X, values, target=Domain(world.Xt), pairs=PAIRS)
    assert own.score(world.Xt, values) > 0.5
    with pytest.raises(DomainError, match=r"^TargetAlone\.fit: target must have known labels of two classes"):
        TargetAlone().fit(world.X, world.y, target=Domain(world.Xt, np.zeros(60, int)))
