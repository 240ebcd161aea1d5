"""Moving statistics: left alone, taken over, and the layers' own share put back."""

import pytest
import torch
from torch import nn

from transferkit.ops.nn.moving_statistics import moving_statistics, without_moving_statistics


def test_batches_are_normalised_but_leave_no_trace():
    net = nn.Sequential(nn.BatchNorm1d(3, momentum=0.3), nn.Linear(3, 3))
    x = torch.randn(16, 3) * 4 + 7
    with without_moving_statistics(net):
        z = net[0](x)
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(3), atol=1e-5, rtol=0)
    assert torch.equal(net[0].running_mean, torch.zeros(3))
    assert torch.equal(net[0].running_var, torch.ones(3))
    assert net[0].momentum == 0.3


def test_a_share_of_one_takes_over_the_last_batch():
    net = nn.BatchNorm1d(3)
    x = torch.randn(16, 3) * 4 + 7
    with moving_statistics(net, 1.0):
        net(torch.randn(16, 3))
        net(x)
    torch.testing.assert_close(net.running_mean, x.mean(dim=0))
    torch.testing.assert_close(net.running_var, x.var(dim=0))
    assert net.momentum == 0.1
    with pytest.raises(ValueError, match="more than 1 value"), moving_statistics(net, 1.0):
        net(x[:1])
    assert net.momentum == 0.1, "also after an error"
