"""Rows that move within the source's space stay inside; rows that leave it are seen; without structure nothing is said."""

import numpy as np
import pytest

from transferkit.ops.support import share_outside

rng = np.random.default_rng(0)
B = rng.normal(size=(3, 40))


def rows(n, shift=0.0):
    return (rng.normal(size=(n, 3)) + shift) @ B + 0.05 * rng.normal(size=(n, 40))


@pytest.mark.parametrize("shift", [0.0, 2.0, 4.0])
def test_a_move_within_the_space_stays_inside(shift):
    assert share_outside(rows(100), rows(100, shift), random_state=0) < 0.25


def test_an_offset_out_of_the_space_is_seen():
    assert share_outside(rows(100), rows(100) + rng.normal(size=40), random_state=0) == 1.0


def test_full_rank_columns_say_nothing():
    X = rng.normal(size=(60, 4))
    assert share_outside(X, X + 5, random_state=0) < 0.5
