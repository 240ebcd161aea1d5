"""ConsensusGuard: lets a real gain through, keeps the anchor at zero shift, on collapse and on a bad candidate."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from transferkit import CORAL, ConsensusGuard, Domain
from transferkit.core.errors import DomainError, ParamError


class Says:
    """A fitted model that says given labels, without probabilities."""

    def __init__(self, labels):
        self.labels = np.asarray(labels)

    def predict(self, X):
        return self.labels


def blobs(seed, shift, n=180, K=3, shares=None):
    rng = np.random.default_rng(seed)
    centres = 5 * np.eye(K, 4)
    ys, yt = np.arange(n) % K, rng.choice(K, n, p=shares)
    X, Z = centres[ys] + rng.normal(size=(n, 4)), centres[yt] + rng.normal(size=(n, 4)) + shift
    names = np.array(["ant", "bee", "cat", "dog"])[:K]
    return Domain(X, names[ys]), Domain(Z, names[yt], known=np.zeros(n, dtype=bool))


def fitted(source, target, *more):
    anchor = LogisticRegression().fit(source.X, source.y)
    moved = [CORAL(centre=True, reg=r).fit(source.X, source.y, target=target) for r in (1.0, 0.1)]
    return anchor, moved, ConsensusGuard(anchor, [*moved, *more], random_state=0)


SHIFT = np.array([4.0, 1.0, -2.0, 3.0])


@pytest.mark.parametrize("seed", range(3))
def test_adapts_where_source_only_is_lost_and_the_candidate_is_right(seed):
    source, target = blobs(seed, SHIFT)
    anchor, moved, guard = fitted(source, target)
    assert (anchor.predict(target.X) == target.y).mean() + 0.1 < (moved[0].predict(target.X) == target.y).mean()
    assert guard.score(moved[0], source, target) > 0
    checks = guard.explain(moved[0], source, target)
    assert [c["check"] for c in checks] == ["shift", "clusters", "neighbours", "vote", "spread", "class shares"]
    assert all(c["passed"] and c["says"].endswith(".") for c in checks)
    assert guard.score(anchor, source, target) == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_scores_nothing_above_zero_without_a_shift(seed):
    source, target = blobs(seed, 0.0)
    rng = np.random.default_rng(seed)
    noisy = np.where(rng.random(180) < 0.3, rng.permutation(target.y), target.y)
    _, moved, guard = fitted(source, target, Says(noisy))
    assert all(guard.score(m, source, target) == 0.0 for m in (*moved, Says(noisy)))


@pytest.mark.parametrize("seed", range(3))
def test_a_mere_change_of_shares_is_no_covariate_shift(seed):
    source, target = blobs(seed, 0.0, n=400, shares=[0.8, 0.15, 0.05])
    _, moved, guard = fitted(source, target)
    assert all(guard.score(m, source, target) == 0.0 for m in moved)


def test_refuses_a_candidate_that_collapses_or_guesses():
    source, target = blobs(0, SHIFT)
    rng = np.random.default_rng(99)
    for labels in (np.full(180, "ant"), rng.choice(["ant", "bee", "cat"], 180)):
        bad = Says(labels)
        _, _, guard = fitted(source, target, bad)
        assert guard.score(bad, source, target) < 0


def test_refuses_to_leave_a_good_anchor():
    source, target = blobs(0, SHIFT)
    _, moved, _ = fitted(source, target)
    wrong = LogisticRegression().fit(source.X, source.y)
    guard = ConsensusGuard(moved[0], [moved[1], wrong], random_state=0)
    assert guard.score(wrong, source, target) < 0


def test_better_candidates_score_higher():
    source, target = blobs(0, SHIFT)
    worse = np.where(np.arange(180) % 4 == 0, "ant", target.y)
    _, _, guard = fitted(source, target, Says(worse), Says(target.y))
    assert guard.score(Says(target.y), source, target) > guard.score(Says(worse), source, target)


def test_never_reads_target_labels():
    source, target = blobs(0, SHIFT)
    _, moved, guard = fitted(source, target)
    score = guard.score(moved[0], source, target)
    other = Domain(target.X, np.random.default_rng(0).permutation(target.y), known=np.ones(180, dtype=bool))
    for same in (other, target.hide()):
        assert guard.score(moved[0], source, same) == score


def test_strict_mode_refuses_where_shares_seem_to_have_moved():
    source, target = blobs(0, SHIFT / 3, n=400, shares=[0.9, 0.05, 0.05])
    _, moved, guard = fitted(source, target)
    guard.set_params(assume="nothing", max_share_shift=0.2)
    last = guard.explain(moved[0], source, target)[-1]
    assert (last["check"], last["passed"]) == ("class shares", False)
    assert last["value"] > 0.2
    assert guard.score(moved[0], source, target) <= 0


def test_two_classes_are_not_refused_as_such():
    source, target = blobs(0, SHIFT, K=2)
    _, moved, guard = fitted(source, target)
    assert guard.score(moved[0], source, target) > 0


def test_measures_once_for_a_pair_and_again_for_another():
    source, target = blobs(0, SHIFT)
    _, moved, guard = fitted(source, target)
    guard.score(moved[0], source, target)
    first = guard._known[1]
    guard.score(moved[1], source, target.hide())
    assert guard._known[1] is first
    guard.score(moved[1], source, Domain(target.X + 0.0))
    assert guard._known[1] is not first


def test_columns_that_are_components_are_not_whitened():
    source, target = blobs(0, SHIFT)
    noise = np.random.default_rng(1).normal(size=(2, 180, 120)) * 0.01
    wide_s, wide_t = (Domain(np.c_[d.X, e], d.y) for d, e in zip((source, target.hide()), noise))
    _, moved, guard = fitted(wide_s, wide_t)
    assert guard.score(moved[0], wide_s, wide_t) > 0


@pytest.mark.parametrize("n", [3, 10])
def test_tiny_domains(n):
    X, y = np.arange(2.0 * n).reshape(n, 2), np.arange(n) % 2
    source, target = Domain(X, y), Domain(X + 30)
    anchor, moved, guard = fitted(source, target)
    assert guard.score(anchor, source, target) == 0.0
    assert np.isfinite(guard.score(moved[0], source, target))


def test_bad_input_is_named():
    source, target = blobs(0, SHIFT)
    anchor, moved, guard = fitted(source, target)
    with pytest.raises(ParamError, match=r"ConsensusGuard\.score: anchor must be the fitted model"):
        ConsensusGuard().score(anchor, source, target)
    with pytest.raises(ParamError, match=r"ConsensusGuard\.score: candidates must be a sequence of fitted models"):
        ConsensusGuard(anchor, [3]).score(anchor, source, target)
    with pytest.raises(DomainError, match=r"target must be a Domain\. Got ndarray"):
        guard.score(moved[0], source, target.X)
    with pytest.raises(DomainError, match="source must be labelled"):
        guard.score(moved[0], source.hide(), target)
    with pytest.raises(DomainError, match="features of the source"):
        guard.score(moved[0], source, Domain(target.X[:, :2]))
    with pytest.raises(DomainError, match="must predict classes of the source"):
        guard.score(Says(np.full(180, "yak")), source, target)
