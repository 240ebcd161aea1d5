"""Folds dealt like cards."""

import numpy as np

from transferkit.ops.folds import deal_folds


def test_folds_and_classes_are_even():
    codes = np.repeat([0, 1, 2], [3, 5, 7])
    folds = deal_folds(codes, 3, 0)
    assert sorted(np.bincount(folds)) == [5, 5, 5]
    for c in range(3):
        counts = np.bincount(folds[codes == c], minlength=3)
        assert counts.max() - counts.min() <= 1


def test_one_stack_and_repeatable():
    assert np.bincount(deal_folds(None, 4, 0, n=10)).tolist() == [3, 3, 2, 2]
    assert (deal_folds(None, 4, 0, n=10) == deal_folds(None, 4, 0, n=10)).all()
    assert (deal_folds(np.zeros(10), 4, 0) != np.sort(deal_folds(np.zeros(10), 4, 0))).any()
