"""Growing heads, grouped losses, Fisher information, merged penalties, projection: closed forms."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from transferkit.ops.nn.continual import (
    anchored_squares,
    grouped_cross_entropy,
    grow_head,
    grow_importance,
    merge_quadratics,
    project,
    row_fisher,
    row_sensitivity,
)
from transferkit.ops.nn.heads import Head


@pytest.mark.parametrize("kind", ["linear", "mlp", "adapter", "cosine"])
def test_a_grown_head_says_of_old_classes_what_it_said(kind):
    torch.manual_seed(0)
    head, z = Head(6, 3, kind).eval(), torch.randn(5, 6)
    grown = grow_head(head, 5).eval()
    assert grown(z).shape == (5, 5)
    torch.testing.assert_close(grown(z)[:, :3], head(z))
    assert grown.spec["n_outputs"] == 5
    assert grow_head(head, 3) is head


def test_the_grouped_loss_is_that_of_the_rows_group_alone():
    torch.manual_seed(0)
    outputs, groups = torch.randn(4, 5, requires_grad=True), torch.tensor([0, 0, 1, 1, 1])
    y = torch.tensor([1, 0, 3, 4])
    each = grouped_cross_entropy(outputs, y, groups, "none")
    torch.testing.assert_close(each[:2], functional.cross_entropy(outputs[:2, :2], y[:2], reduction="none"))
    torch.testing.assert_close(each[2:], functional.cross_entropy(outputs[2:, 2:], y[2:] - 2, reduction="none"))
    each.sum().backward()
    assert (outputs.grad[:2, 2:] == 0).all()
    assert torch.isfinite(outputs.grad).all()


def test_the_fisher_information_of_a_gaussian():
    """log p = -(y - w x)^2 / 2 with y = w x + 1: the squared gradient is x^2; through `row_fisher` by its label."""
    w, x = nn.Parameter(torch.tensor([0.3, -0.2])), torch.tensor([1.5, 2.0])
    log_p = torch.stack([-0.5 * ((w @ x).detach() + 1 - w @ x) ** 2])
    torch.testing.assert_close(row_fisher(log_p, [w], "empirical", 0, 0.0)[0], x.square())


def test_kinds_of_fisher_information():
    torch.manual_seed(0)
    w, x = nn.Parameter(torch.randn(3, 4)), torch.randn(4)
    log_p = lambda: (w @ x).log_softmax(0)  # noqa: E731
    p = log_p().exp().detach()
    each = [(torch.eye(3)[c] - p).square()[:, None] * x.square() for c in range(3)]
    torch.testing.assert_close(row_fisher(log_p(), [w], "exact", 0, 0.0)[0], sum(p[c] * each[c] for c in range(3)))
    torch.testing.assert_close(row_fisher(log_p(), [w], "empirical", 2, 0.0)[0], each[2])
    for draw in (0.0, 0.5, 0.999999):
        c = int(np.searchsorted(np.cumsum(p.numpy()), draw))
        torch.testing.assert_close(row_fisher(log_p(), [w], "sampled", 0, draw)[0], each[c])
    other = nn.Parameter(torch.zeros(2))
    assert row_fisher(log_p(), [w, other], "exact", 0, 0.0)[1].tolist() == [0, 0]


def test_sensitivity_of_a_linear_map():
    w, x = nn.Parameter(torch.tensor([[1.0, -2.0]])), torch.tensor([3.0, 1.0])
    assert row_sensitivity(w @ x, [w])[0].tolist() == [[6.0, 2.0]]  # |2 f x| with f = 1


def test_merged_quadratics_differ_by_a_constant():
    torch.manual_seed(0)
    u, v = {"w": torch.randn(5)}, {"w": torch.randn(5)}
    a, b = {"w": torch.tensor([1.0, 0.0, 2.0, 0.0, 1e-30])}, {"w": torch.tensor([3.0, 1.0, 0.0, 0.0, 0.0])}
    anchor, weight = merge_quadratics(u, a, v, b)
    apart = [
        anchored_squares(w, u, a) + anchored_squares(w, v, b) - anchored_squares(w, anchor, weight)
        for w in ({"w": torch.randn(5)} for _ in range(4))
    ]
    torch.testing.assert_close(torch.stack(apart), apart[0].expand(4), rtol=1e-4, atol=1e-5)
    assert torch.isfinite(anchor["w"]).all()
    assert anchor["w"][3] == v["w"][3]


def test_importance_grows_with_the_parameters():
    like = {"w": torch.ones(4, 2), "b": torch.ones(4), "new": torch.ones(3)}
    grown = grow_importance({"w": torch.full((2, 2), 5.0), "b": torch.full((4,), 2.0)}, like)
    assert grown["w"].tolist() == [[5, 5], [5, 5], [0, 0], [0, 0]]
    assert grown["b"].tolist() == [2] * 4
    assert grown["new"].tolist() == [0] * 3


def test_projection():
    torch.manual_seed(0)
    for _ in range(20):
        g, r = torch.randn(2, 8)
        taken = project(g, r)
        if g @ r >= 0:
            assert taken is g
        else:
            assert abs(float(taken @ r)) < 1e-5
            assert taken.norm() <= g.norm()
