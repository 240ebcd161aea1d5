"""Sampling: which rows an update sees."""

import numpy as np
import pytest

from transferkit.engine.training.sampling import Sampling


def test_every_row_once_an_epoch_and_any_start_goes_on_alike():
    sampling = Sampling(0, 8, 3, [22])
    plan = sampling.plan(0, 0)
    assert [len(rows) for rows in plan] == [8, 8, 6] * 3
    for epoch in range(3):
        assert np.array_equal(np.sort(np.concatenate(plan[3 * epoch : 3 * epoch + 3])), np.arange(22))
    for start in range(9):
        assert all(map(np.array_equal, sampling.plan(0, start), plan[start:]))


@pytest.mark.parametrize("n", [5, 22, 31, 200])
def test_an_update_sees_as_many_rows_of_every_stream(n):
    sampling = Sampling(0, 8, 3, [22, n])
    first, second = sampling.plan(0, 0), sampling.plan(1, 0)
    assert [len(rows) for rows in first] == [len(rows) for rows in second]
    seen = np.concatenate(second)
    for turn in range(len(seen) // n):  # whole passes, one after the other
        assert np.array_equal(np.sort(seen[turn * n : (turn + 1) * n]), np.arange(n))
    for start in range(9):
        assert all(map(np.array_equal, sampling.plan(1, start), second[start:]))


def test_a_last_batch_that_is_too_small_joins_the_one_before():
    assert [len(rows) for rows in Sampling(0, 8, 1, [17]).plan(0, 0)] == [8, 9]
    assert [len(rows) for rows in Sampling(0, 8, 1, [18], least=3).plan(0, 0)] == [8, 10]
    assert [len(rows) for rows in Sampling(0, 8, 1, [1]).plan(0, 0)] == [1]
