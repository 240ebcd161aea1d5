"""Rows that move within the source's space stay inside; rows that leave it are seen; without structure nothing is said."""

import numpy as np
import pytest

from transferkit.ops.evidence.support import outside_rows, share_outside

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


def test_outside_is_above_all_but_one_in_a_hundred():
    own = np.arange(1000.0)
    assert outside_rows(own, np.array([0.0, 989.0, 989.5, 2000.0])).tolist() == [False, False, True, True]
    assert outside_rows(own[:50], np.array([49.0, 49.5])).tolist() == [False, True]
    assert not outside_rows(np.ones(5), np.ones(9)).any()


def test_without_a_shift_one_in_a_hundred_is_outside():
    draws = [rng.normal(size=(2, 400)) for _ in range(50)]
    assert np.mean([outside_rows(a, b).mean() for a, b in draws]) == pytest.approx(0.01, abs=0.005)
