"""Scaling and shifting: nothing changes at first, then each kernel by a factor and each neuron by a shift."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from transferkit.ops.nn.edits import apply_edit


@pytest.mark.parametrize(
    ("layer", "x", "scale"),
    [
        (nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), torch.randn(3, 4, 8, 8), (6, 2, 1, 1)),
        (nn.Conv1d(2, 5, 3, bias=False), torch.randn(3, 2, 9), (5, 2, 1)),
        (nn.Linear(4, 3), torch.randn(7, 4), (3, 1)),
    ],
)
def test_the_weights_are_scaled_and_the_outputs_shifted(layer, x, scale):
    net, before = nn.Sequential(layer), layer(x)
    weight = layer.weight.clone()
    assert apply_edit(net, {"edit": "kernel_scale"}) == ["0.scale", "0.shift"]
    assert tuple(layer.scale.shape) == scale
    torch.testing.assert_close(net(x), before)
    with torch.no_grad():
        layer.scale.uniform_(0.5, 2)
        layer.shift.normal_()
    bias = layer.shift if layer.bias is None else layer.bias + layer.shift
    if isinstance(layer, nn.Linear):
        want = functional.linear(x, weight * layer.scale, bias)
    else:
        rule = functional.conv1d if x.ndim == 3 else functional.conv2d
        want = rule(x, weight * layer.scale, bias, layer.stride, layer.padding, 1, layer.groups)
    torch.testing.assert_close(net(x), want)
    assert torch.equal(layer.weight, weight)
