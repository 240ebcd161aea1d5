"""How labels follow clusters and neighbours, and the rank-weighted vote."""

import numpy as np
import pytest
from scipy import stats

from transferkit.ops.evidence.consensus import Structure, ranked_vote


def structure(seed=0, n=120):
    rng = np.random.RandomState(seed)
    y = np.arange(n) % 3
    return Structure(6 * np.eye(3)[y] + rng.normal(size=(n, 3)), True, 3, 2, rng), y


def test_true_labels_follow_and_random_ones_do_not():
    found, y = structure()
    assert found.follow_clusters(y)[:2] == pytest.approx([1.0, 1.0], abs=0.05)
    assert len(found.follow_clusters(y)) == 8
    assert found.follow_neighbors(y) > 0.95
    values = [found.follow_neighbors(np.random.default_rng(s).permutation(y)) for s in range(50)]
    assert np.mean(values) == pytest.approx(0.0, abs=0.02)
    assert found.follow_clusters(np.random.default_rng(0).permutation(y)).max() < 0.1


def test_one_label_for_all_follows_nothing():
    found, y = structure()
    assert found.follow_neighbors(np.zeros_like(y)) == 0.0
    assert found.follow_clusters(np.zeros_like(y)) == pytest.approx(np.zeros(8), abs=1e-9)


def test_names_of_the_labels_do_not_matter():
    found, y = structure()
    assert found.follow_clusters((y + 1) % 3) == pytest.approx(found.follow_clusters(y))


def test_the_vote_is_the_weighted_mean_of_the_formula():
    found, y = structure()
    rng = np.random.default_rng(0)
    guesses = [np.where(rng.random(120) < noise, rng.permutation(y), y) for noise in (0.1, 0.3, 0.5, 0.9)]
    probas = np.eye(3)[np.array(guesses)] * 0.7 + 0.1
    r1 = stats.rankdata([(g == np.eye(3)[np.array(guesses)].sum(axis=0).argmax(axis=1)).mean() for g in guesses])
    r2 = stats.rankdata([found.follow_clusters(g).mean() for g in guesses])
    weights = np.exp(6 * (r1 + r2) / (2 * 4))
    vote = ranked_vote(probas, found, np.arange(120))
    assert vote == pytest.approx(np.einsum("m,mnk->nk", weights, probas) / weights.sum())
    assert vote.sum(axis=1) == pytest.approx(np.ones(120))
    assert (vote.argmax(axis=1) == y).mean() > 0.9
