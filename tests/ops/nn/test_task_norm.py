"""Batch normalisation by the task: plain where all rows count, the support's where only the first do; and vmap can run it."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap

from transferkit.core.errors import DomainError, ParamError
from transferkit.ops.nn.edits import apply_edit
from transferkit.ops.nn.task_norm import TaskNorm, statistics_of


@pytest.mark.parametrize("shape", [(7, 3), (7, 3, 5), (4, 3, 2, 6)])
def test_with_all_rows_it_is_batch_normalisation_in_training(shape):
    torch.manual_seed(0)
    x, norm = torch.randn(shape, dtype=torch.float64), TaskNorm(3).double()
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2)
        norm.bias.normal_()
    want = nn.functional.batch_norm(x, None, None, norm.weight, norm.bias, training=True)
    torch.testing.assert_close(norm(x), want)
    torch.testing.assert_close(norm.eval()(x), want, msg="no running statistics")


def test_with_the_first_rows_the_others_do_not_matter():
    x, norm = torch.randn(9, 3, dtype=torch.float64), TaskNorm(3).double()
    with statistics_of([norm], 4):
        torch.testing.assert_close(norm(x)[:4], norm(x[:4]))
        torch.testing.assert_close(norm(x)[:6], norm(x[:6]))
    assert norm.first is None


def test_the_edit_keeps_names_scales_and_shifts():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Sequential(nn.Flatten(), nn.BatchNorm1d(2 * 4)))
    scale = net[1].weight
    assert apply_edit(net, {"edit": "task_norm"}) == ["1.weight", "1.bias", "2.1.weight", "2.1.bias"]
    assert net[1].weight is scale
    assert not dict(net.named_buffers())
    params = {k: torch.stack([p, p + 1]) for k, p in net.named_parameters()}
    x = torch.randn(2, 5, 1, 4, 4)
    both = vmap(lambda p, v: functional_call(net, p, (v,)))(params, x)
    one = functional_call(net, {k: p[1] for k, p in params.items()}, (x[1],))
    torch.testing.assert_close(both[1], one, atol=1e-5, rtol=1e-4)


def test_one_that_does_more_is_refused():
    class WithActivation(nn.BatchNorm2d):
        pass

    with pytest.raises(ParamError, match=r"task_norm must find plain batch normalisation. Got WithActivation at 0"):
        apply_edit(nn.Sequential(WithActivation(2)), {"edit": "task_norm"})


def test_one_value_has_no_spread():
    """Else the other rows would be blown up by the root of eps."""
    norm = TaskNorm(2)
    with pytest.raises(DomainError, match=r"^TaskNorm\.forward: x must have two values a channel"):
        norm(torch.zeros(1, 2))
    with statistics_of([norm], 1), pytest.raises(DomainError, match=r"Got shape \(1, 2\)"):
        norm(torch.zeros(5, 2))
    assert norm(torch.randn(1, 2, 3)).isfinite().all(), "a series has more than one"
