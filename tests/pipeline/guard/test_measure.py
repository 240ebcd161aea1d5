"""The evidence: each number means what it says, on ballots made by hand."""

from functools import cache

import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score
from sklearn.utils import check_random_state

from transferkit.ops.label_shift.known_shares import share_gap, share_noise
from transferkit.ops.label_shift.shares import em_prior
from transferkit.pipeline.guard.consensus import propose
from transferkit.pipeline.guard.measure import Ballots, look, measure
from transferkit.pipeline.guard.structure import Clusterings

CENTRES = 6 * np.eye(3, 5)


def sure(labels, confidence=0.9, n_classes=3):
    rest = (1 - confidence) / (n_classes - 1)
    return np.where(np.arange(n_classes) == np.asarray(labels)[:, None], confidence, rest)


def made_up(shift=0.0, wrong=0.3, n=90, seed=0):
    """The anchor gives class 0 to a part of the rows of class 1; two other models are right."""
    rng = np.random.default_rng(seed)
    ys, yt = np.arange(n) % 3, np.arange(n) % 3
    Xs, Xt = CENTRES[ys] + rng.normal(size=(n, 5)), CENTRES[yt] + rng.normal(size=(n, 5)) + shift
    taken = np.where((yt == 1) & (rng.random(n) < wrong), 0, yt)
    probas = np.stack([sure(taken), sure(yt), sure(yt, 0.8)])
    return Ballots(Xs, ys, Xt, probas, np.array([0]), sure(ys)[None]), taken, yt


@cache
def seen():
    """The costly part, once."""
    return look(made_up(shift=4.0)[0], 0)


def test_every_number_is_what_it_says():
    ballots, taken, yt = made_up(shift=4.0)
    view = seen()
    evidence, proposal = measure(ballots, view)
    np.testing.assert_array_equal(proposal.labels, yt)
    assert (evidence.n_target, evidence.n_classes) == (90, 3)
    assert evidence.disputed == (taken != yt).mean()
    even = np.full(3, 1 / 3)
    assert evidence.surplus == pytest.approx(share_gap(taken, even) - share_noise(even, 90))
    assert evidence.surplus_after == pytest.approx(-share_noise(even, 90))
    assert evidence.surplus + share_noise(even, 90) <= (taken != yt).mean() + 1e-12  # the theorem
    rows = taken != yt
    assert evidence.lead == pytest.approx((proposal.proba[rows, yt[rows]] - proposal.proba[rows, taken[rows]]).mean())
    assert evidence.cluster_gain > 0.1
    assert evidence.cluster_steady == 1.0
    assert evidence.auc > 0.95
    assert evidence.auc_p == 0.001
    assert view.skill.tolist() == [1.0]


def test_other_shares_are_weighted_away():
    """Only class 2 became common: the plain classifier sees it, the weighted one hardly."""
    rng = np.random.default_rng(1)
    ys, yt = np.arange(240) % 3, np.r_[np.full(180, 2), np.arange(60) % 3]
    Xs, Xt = (CENTRES[y] + rng.normal(size=(240, 5)) for y in (ys, yt))
    ballots = Ballots(Xs, ys, Xt, sure(yt)[None], np.array([0]), sure(ys)[None])
    view = look(ballots, 0)
    assert view.auc_plain > 0.65
    assert view.auc < 0.6
    truth = np.bincount(yt, minlength=3) / 240
    assert view.moved == pytest.approx(0.5, abs=0.05)
    np.testing.assert_allclose(view.corrected.mean(axis=0), truth, atol=0.02)


def test_the_corrected_anchor_is_the_fixed_point_of_em():
    view = seen()
    shares = view.corrected.mean(axis=0)
    np.testing.assert_allclose(view.corrected.sum(axis=1), 1)
    again = em_prior(view.corrected, shares, start=shares)
    np.testing.assert_allclose(again, shares, atol=1e-4)


def test_given_shares_replace_the_sources():
    ballots, taken, _ = made_up(shift=4.0)
    view = seen()
    own = np.bincount(taken, minlength=3) / 90
    assumed = measure(ballots, view)[0]
    given = measure(ballots, view, own)[0]
    assert given.surplus < 0 < assumed.surplus
    assert given.auc == assumed.auc


def test_a_named_model_stands_in_for_the_vote():
    ballots, taken, yt = made_up(shift=4.0)
    view = seen()
    found = measure(ballots, view, named=1)[0]
    assert found.disputed == (taken != yt).mean()
    anchor = measure(ballots, view, named=0)[0]
    assert (anchor.disputed, anchor.lead, anchor.cluster_gain, anchor.cluster_steady, anchor.spread) == (0, 0, 0, 0, 1)


def test_a_proposal_of_one_class_has_a_small_spread():
    ballots, _, yt = made_up(shift=4.0)
    one = Ballots(ballots.Xs, ballots.ys, ballots.Xt, np.stack([sure(yt), sure(0 * yt)]), ballots.plain, ballots.held)
    assert measure(one, seen(), named=1)[0].spread == pytest.approx(1 / 3)


def test_the_same_seed_gives_the_same_evidence():
    ballots, _, _ = made_up(shift=4.0)
    assert measure(ballots, look(ballots, 0))[0] == measure(ballots, seen())[0]


@pytest.mark.parametrize("n", [3, 5])
def test_a_handful_of_rows_has_evidence_but_no_shift(n):
    rng = np.random.default_rng(n)
    ys = np.arange(30) % 3
    Xs, Xt = CENTRES[ys] + rng.normal(size=(30, 5)), rng.normal(size=(n, 5))
    probas = rng.dirichlet(np.ones(3), size=(4, n))
    ballots = Ballots(Xs, ys, Xt, probas, np.array([0, 1]), np.stack([sure(ys), sure(ys, 0.6)]))
    evidence, proposal = measure(ballots, look(ballots, 0))
    assert all(np.isfinite(v) for v in vars(evidence).values())
    assert proposal.proba.shape == (n, 3)


def test_weights_are_half_the_plain_models_and_half_all_by_rank():
    ballots, _, yt = made_up()
    rng = np.random.default_rng(2)
    bad = sure(rng.integers(0, 3, 90))
    probas = np.stack([sure(yt), sure(yt, 0.7), bad])
    clusterings = Clusterings(ballots.Xt, 3, check_random_state(0))
    found = propose(probas, np.array([0]), np.array([0.8]), np.full(3, 1 / 3), clusterings)
    assert found.weights.sum() == pytest.approx(1)
    # Both right models tie in each rank: 2.5 of 3, twice; the bad one has 1 and 1.
    heavy, light = np.exp(6 * 5 / 6), np.exp(6 * 2 / 6)
    by_rank = np.array([heavy, heavy, light]) / (2 * heavy + light) / 2
    np.testing.assert_allclose(found.weights, by_rank + np.array([0.5, 0, 0]))
    np.testing.assert_allclose(found.proba.mean(axis=0), np.full(3, 1 / 3), atol=0.01)
    better = propose(probas, np.array([0, 1]), np.array([0.80, 0.81]), np.full(3, 1 / 3), clusterings)
    plain = better.weights[:2] - by_rank[:2]
    assert plain[1] / plain[0] == pytest.approx(np.exp(0.2))  # a point of accuracy is a factor of 1.2


def test_clusterings_are_twelve_and_agreement_is_scikit_learns():
    ballots, _, yt = made_up()
    found = Clusterings(ballots.Xt, 3, check_random_state(0))
    assert len(found.labels) == 12
    assert sorted({int(c.max()) + 1 for c in found.labels}) == [3, 4, 6]
    np.testing.assert_allclose(found.information(yt), [adjusted_mutual_info_score(yt, c) for c in found.labels])
    assert found.rand(yt) == pytest.approx(np.mean([adjusted_rand_score(yt, c) for c in found.labels]))


@pytest.mark.parametrize("wide", [5, 60])
def test_rows_that_repeat_have_as_many_clusters_as_they_have_values(wide):
    """Two different rows in forty, moved through components and back: no more than two clusters, and no warning."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2, wide))[np.arange(40) % 2]
    found = Clusterings(X, 3, check_random_state(0))
    assert all(c.max() == 1 for c in found.labels)
    same = Clusterings(np.repeat(X[:1], 40, axis=0), 3, check_random_state(0))
    assert all(c.max() == 0 for c in same.labels)
    assert np.isfinite(same.information(np.arange(40) % 3)).all()
    assert same.rand(np.arange(40) % 3) == 0
