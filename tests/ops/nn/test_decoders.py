"""Decoders: sums of upsampled scores, and a U-Net over any pyramid."""

import json

import pytest
import torch
from torch.nn import functional

from transferkit.ops.nn.decoders import Decoder
from transferkit.ops.nn.pyramid import FeatureMap

MAPS = [FeatureMap("a", 4, 16, 12, "first"), FeatureMap("b", 6, 8, 6, "first"), FeatureMap("c", 8, 4, 3, "first"),
        FeatureMap("d", 10, 2, 2, "first")]  # fmt: skip


def batch(maps):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, m.channels, m.height, m.width, generator=generator) for m in maps]


def test_fcn_is_the_sum_of_the_scores_of_the_three_coarsest_maps_and_begins_with_zero():
    head = Decoder(MAPS, 3, "fcn")
    b, c, d = batch(MAPS)[1:]
    assert not head([b, c, d]).any()
    for layer in head.decode.scores:
        torch.nn.init.normal_(layer.weight)
    up = {"mode": "bilinear", "align_corners": False}
    layers = head.decode.scores
    expected = layers[1](c) + functional.interpolate(layers[2](d), (4, 3), **up)
    expected = layers[0](b) + functional.interpolate(expected, (8, 6), **up)
    torch.testing.assert_close(head([b, c, d]), expected)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_unet_ends_at_the_finest_map_and_uses_all(n):
    head = Decoder(MAPS[-n:], 3, "unet", width=40)
    inputs = [z.requires_grad_() for z in batch(MAPS[-n:])]
    found = head(inputs)
    assert found.shape == (2, 3, *inputs[0].shape[2:])
    found.sum().backward()
    assert all(z.grad is not None and z.grad.any() for z in inputs)
    assert [block[0].out_channels for block in head.decode.blocks] == [40, 20, 16, 16][:n]


@pytest.mark.parametrize("kind", ["fcn", "unet"])
def test_it_is_rebuilt_from_json(kind):
    head = Decoder(MAPS, 3, kind, width=32, dropout=0.1).eval()
    again = Decoder(**json.loads(json.dumps(head.spec))).eval()
    again.load_state_dict(head.state_dict())
    inputs = batch(head.maps)
    torch.testing.assert_close(again(inputs), head(inputs))
    assert again.maps == head.maps
