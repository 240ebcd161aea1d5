"""The mean over rows that count, of none of them as well."""

import math

import pytest
import torch

from transferkit.ops.nn.sure_rows import entropy_limit, mean_over


def test_the_limit_is_a_share_of_the_largest_entropy():
    assert entropy_limit(1.0, 8) == pytest.approx(math.log(8))
    assert entropy_limit(0.4, 1000) == pytest.approx(0.4 * math.log(1000)), "EATA's and SAR's"


def test_the_mean_is_over_the_rows_that_count():
    each = torch.tensor([1.0, 5.0, 3.0], requires_grad=True)
    assert mean_over(each, torch.tensor([True, False, True])) == 2
    found = mean_over(each, torch.zeros(3, dtype=torch.bool))
    found.backward()
    assert found == 0
    assert each.grad.tolist() == [0, 0, 0]
