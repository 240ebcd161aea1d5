"""Which rows a memory keeps: a uniform reservoir, balanced classes, exemplars that stand for the mean."""

import numpy as np
import pytest

from transferkit.ops.memory import greedy_balance, herding, keep_smallest, row_keys


def test_a_reservoir_is_a_uniform_sample():
    counts = np.zeros(20)
    for seed in range(2000):
        counts[keep_smallest(row_keys(seed, 0, 20), 5)] += 1
    assert np.abs(counts / 2000 - 0.25).max() < 0.05  # five standard deviations of a share of 2000 draws


def test_what_a_reservoir_keeps_does_not_depend_on_the_pieces():
    whole = set(keep_smallest(row_keys(3, 0, 100), 10).tolist())
    kept, keys = np.arange(0), np.empty(0)
    for start, stop in ((0, 4), (4, 50), (50, 51), (51, 100)):
        keys = np.concatenate([keys, row_keys(3, start, stop - start)])
        kept = np.concatenate([kept, np.arange(start, stop)])
        chosen = keep_smallest(keys, 10)
        kept, keys = kept[chosen], keys[chosen]
    assert set(kept.tolist()) == whole
    assert keep_smallest(keys, 0).tolist() == []


def test_greedy_balancing_by_hand():
    """Room for four: two zeros and two ones stay; the first two replaces a row of the largest class."""
    y = np.array([0, 0, 0, 0, 1, 1, 1, 2])
    kept = greedy_balance(y, 0, np.zeros(8), 4)
    # Key 0 throws out the first row of the largest class: 0, then 1; the third one has its share; the two replaces 2.
    assert kept.tolist() == [3, 4, 5, 7]
    assert greedy_balance(y[:3], 0, np.zeros(3), 4).tolist() == [0, 1, 2]


@pytest.mark.parametrize("size", [6, 30])
def test_greedy_balancing_ends_balanced(size):
    rng = np.random.default_rng(0)
    y = np.concatenate([np.zeros(200, int), np.ones(200, int), rng.integers(0, 3, 200)])
    kept = greedy_balance(y, 0, rng.random(600), size)
    assert np.bincount(y[kept]).tolist() == [size // 3] * 3
    again = greedy_balance(np.concatenate([y[kept], np.full(50, 3)]), len(kept), rng.random(50), size)
    counts = np.bincount(np.concatenate([y[kept], np.full(50, 3)])[again])
    assert counts.sum() == size
    assert counts.max() - counts.min() <= 1


def test_the_first_exemplar_is_nearest_the_mean_and_choices_are_nested():
    Z = np.random.default_rng(0).normal(size=(200, 5))
    chosen = herding(Z, 30)
    assert chosen[0] == np.square(Z - Z.mean(axis=0)).sum(axis=1).argmin()
    assert len(set(chosen.tolist())) == 30
    np.testing.assert_array_equal(herding(Z, 10), chosen[:10])
    assert sorted(herding(Z[:7], 99)) == list(range(7))


def test_the_running_mean_of_exemplars_comes_near_faster_than_that_of_any_rows():
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(300, 8))
    chosen = herding(Z, 40)

    def apart(rows):
        running = np.cumsum(Z[rows], axis=0) / np.arange(1, len(rows) + 1)[:, None]
        return np.linalg.norm(running - Z.mean(axis=0), axis=1)

    drawn = np.mean([apart(rng.permutation(300)[:40]) for _ in range(50)], axis=0)
    herded = apart(chosen)
    assert (herded < drawn).all()
    assert herded[-1] < 0.15 * drawn[-1]
