"""Class confusion: no confusion costs nothing, full confusion costs most, and certainty weighs."""

import pytest
import torch

from transferkit.ops.nn.confusion import class_confusion


def test_sure_and_spread_rows_have_no_confusion():
    assert class_confusion(50 * torch.eye(4)).item() == pytest.approx(0, abs=1e-6)


def test_rows_that_know_nothing_are_fully_confused():
    """Every normalised cell is 1/K then, and K (K - 1) of them lie off the diagonal."""
    assert class_confusion(torch.zeros(6, 5)).item() == pytest.approx(4 / 5)


def test_it_is_the_papers_formula():
    torch.manual_seed(0)
    logits, n, k = torch.randn(7, 3), 7, 3
    p = (logits / 2.5).softmax(1)
    entropy = -(p * p.log()).sum(1)
    w = n * (1 + torch.exp(-entropy)) / (1 + torch.exp(-entropy)).sum()
    c = torch.zeros(k, k)
    for i in range(k):
        for j in range(k):
            c[i, j] = sum(p[r, i] * w[r] * p[r, j] for r in range(n))
    c = c / c.sum(dim=1, keepdim=True)
    expected = sum(c[i, j] for i in range(k) for j in range(k) if i != j) / k
    torch.testing.assert_close(class_confusion(logits), expected)


def test_a_temperature_makes_the_confusion_of_sure_rows_visible():
    logits = 3 * torch.eye(3) + torch.tensor([0.0, 1.0, 0.0])
    assert class_confusion(logits, 5.0) > class_confusion(logits, 1.0)
