import copy

import pytest
import torch
from torch import nn

from transferkit.ops.nn.channel_attention import channel_attention, loss_rises, map_distance
from transferkit.ops.nn.feature_maps import changed_output, channel_axis
from transferkit.ops.nn.structure import first_tensor


def conv():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)
    )


@pytest.mark.parametrize(
    ("module", "shape", "axis"),
    [
        (nn.Conv2d(3, 4, 1), (2, 3, 5, 5), 1),
        (nn.Conv1d(3, 4, 1), (2, 3, 5), 1),
        (nn.Linear(3, 4), (2, 5, 3), 2),
        (nn.Linear(3, 4), (2, 3), 1),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU()), (2, 3, 5, 5), 1),
        (nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4)), (2, 5, 5, 3), 3),
    ],
)
def test_where_the_channels_are(module, shape, axis):
    output = module(torch.zeros(shape))
    assert channel_axis(module, output) == axis
    assert output.shape[axis] == 4


@pytest.mark.parametrize("repeats", [True, False])
def test_silencing_a_channel_is_setting_its_filter_to_zero(repeats):
    net, x, y = conv(), torch.randn(6, 1, 5, 5), torch.arange(6) % 2

    def losses(out):
        return nn.functional.cross_entropy(out, y, reduction="none")

    def run(x):
        out = net(x)
        assert repeats or len(out) == 6 or len(out) == 12
        return out if repeats or len(out) == 6 else out[:6]  # as a network that knows how many rows went in

    rises = loss_rises(run, net[0], x, losses, 3, 1)
    for k in range(3):
        cut = copy.deepcopy(net)
        with torch.no_grad():
            cut[0].weight[k] = 0
            assert rises[k].item() == pytest.approx((losses(cut(x)).mean() - losses(net(x)).mean()).item(), abs=1e-6)
    assert not net[0]._forward_hooks


def test_attention_weights_are_a_softmax_of_a_fifth_of_the_standardised_rises():
    rises = torch.tensor([0.0, 0.0, 4.0, 0.0])
    torch.testing.assert_close(channel_attention(rises), torch.softmax((rises - 1) / 3**0.5 / 5, dim=0))


def test_distance_of_maps():
    now, known = torch.randn(3, 4, 2, 2), torch.randn(3, 4, 2, 2)
    plain = (now - known).square().sum(dim=1).mean()
    torch.testing.assert_close(map_distance(now, known, torch.full((4,), 0.25), 1), plain)
    one = torch.tensor([0.0, 1.0, 0.0, 0.0])
    torch.testing.assert_close(map_distance(now, known, one, 1), 4 * (now - known)[:, 1].square().mean())


@pytest.mark.parametrize("wrap", [lambda x: (x, "more"), lambda x: {"first": x, "second": "more"}])
def test_of_several_parts_the_first_is_changed(wrap):
    class Several(nn.Module):
        def forward(self, x):
            return wrap(x)

    several = Several()
    with changed_output(several, lambda z: z + 1):
        assert first_tensor(several(torch.zeros(1))).item() == 1
    assert first_tensor(several(torch.zeros(1))).item() == 0
