"""Simulated shift: where the cut runs, the accuracy across it, and a recipe that bridges it."""

import numpy as np
import pytest

from transferkit import CORAL, Domain, SimulatedShift, SourceOnly
from transferkit.core.errors import DomainError


def wide(n=400, seed=0):
    """Classes 3 apart on one axis, spread over 4 by what changes between the domains; the target lies further on."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    source = 3.0 * y + 4 * rng.uniform(-0.5, 0.5, n) + 0.05 * rng.normal(size=n)
    return Domain(source[:, None], y), Domain((3.0 * y + 4 * rng.uniform(0.5, 1.5, n))[:, None], y)


def test_every_class_is_cut_in_the_middle():
    source, target = wide(41)
    selector = SimulatedShift(noise=0.0, n_cuts=2, random_state=0)
    (cut, again), _ = selector._cuts(source, target)
    np.testing.assert_array_equal(cut, again)
    for c, size in ((0, 21), (1, 20)):
        own = np.flatnonzero(source.y == c)
        assert cut[own].sum() == size // 2
        # The held-out order differs a little from fold to fold; the halves are nevertheless one above the other.
        assert source.X[own][cut[own]].mean() > source.X[own][~cut[own]].mean() + 1
    noisy = SimulatedShift(noise=0.5, n_cuts=2, random_state=0)._cuts(source, target)[0]
    assert (noisy[0] != noisy[1]).any()


def test_score_is_the_accuracy_of_a_refit_across_the_cut():
    source, target = wide()
    model = SourceOnly().fit(source.X, source.y, target=target.hide())
    selector = SimulatedShift(random_state=0)
    (upper,), _ = selector._cuts(source, target)
    copy = SourceOnly().fit(source.X[~upper], source.y[~upper], target=Domain(source.X[upper]))
    assert selector.score(model, source, target) == copy.score(source.X[upper], source.y[upper])


@pytest.mark.parametrize("seed", range(3))
def test_a_recipe_that_follows_the_shift_wins(seed):
    source, target = wide(seed=seed)
    plain, moved = (m.fit(source.X, source.y, target=target.hide()) for m in (SourceOnly(), CORAL(centre=True)))
    assert moved.score(target.X, target.y) > plain.score(target.X, target.y)
    selector = SimulatedShift(random_state=0)
    assert selector.score(moved, source, target) > selector.score(plain, source, target) + 0.05


def test_cuts_are_made_once_for_all_candidates():
    source, target = wide(100)
    model = SourceOnly().fit(source.X, source.y, target=target.hide())
    selector = SimulatedShift()
    assert selector.score(model, source, target) == selector.score(model, source, target)


def test_one_row_a_class_cannot_be_cut():
    source, target = Domain(np.eye(3), np.arange(3)), Domain(np.eye(3))
    model = SourceOnly().fit(source.X, source.y, target=target)
    with pytest.raises(DomainError, match="source must have two rows of two classes"):
        SimulatedShift().score(model, source, target)
