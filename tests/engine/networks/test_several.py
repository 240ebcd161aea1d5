"""Several inputs in one pass, and several views of rows."""

import numpy as np
import torch
from torch import nn

from transferkit.engine.backbones import load_backbone
from transferkit.engine.inputs.rows import Rows
from transferkit.engine.networks.network import Network
from transferkit.engine.networks.several import pass_together, with_views
from transferkit.ops.nn.heads import Head


def network():
    body = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5))
    return Network(load_backbone(body, sample=np.zeros(4, np.float32)), Head(5, 3))


def test_three_inputs_share_statistics_and_come_apart():
    net, xs = network().train(), [torch.randn(n, 4) + n for n in (4, 6, 2)]
    found = pass_together(net, *xs)
    z = net.features(torch.cat(xs))
    assert [len(own) for own, _ in found] == [4, 6, 2]
    torch.testing.assert_close(torch.cat([own for own, _ in found]), z)
    torch.testing.assert_close(torch.cat([out for _, out in found]), net.head(z))


def test_views_are_of_a_copy_of_the_rows():
    backbone = load_backbone(nn.Linear(4, 5), sample=np.zeros(4, np.float32))
    rows = Rows(np.random.default_rng(0).normal(size=(6, 4)), backbone.preprocess)
    twice = with_views(rows)
    assert rows.preprocess is backbone.preprocess
    assert len(twice) == 6
    (stream,) = twice.batches([np.array([3, 1])])
    x = twice.preprocess.finish(stream.x, training=True)
    assert len(stream) == 2
    assert x.shape == (4, 4)
    first, second = twice.preprocess.split(x)
    torch.testing.assert_close(first, second)
