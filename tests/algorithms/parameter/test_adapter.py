"""Adapters: bottlenecks stay beside frozen weights, residual convolutions fold into them."""

import numpy as np
import torch
from torch import nn

from transferkit import Adapter, Training, load, save


def images():
    X = np.random.default_rng(0).integers(0, 256, size=(12, 16, 16, 3), dtype=np.uint8)
    return X, np.arange(12) % 2


def test_residual_convolutions_change_the_centre_only():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = Adapter(net, training=Training(n_epochs=3, lr=0.05)).fit(*images())
    change = (model.network_.body[0].weight - net[0].weight).detach()
    assert change[:, :, 1, 1].abs().max() > 1e-3
    change[:, :, 1, 1] = 0
    assert not change.any()
    assert model.network_.edits == []


def test_bottlenecks_stay_and_the_source_is_frozen(tmp_path):
    X, y = images()
    source = "timm:test_vit?pretrained=false&image_size=16"
    torch.manual_seed(0)
    model = Adapter(source, size=4, training=Training(n_epochs=1, lr=0.05)).fit(X, y)
    assert [edit["edit"] for edit in model.network_.edits] == ["adapter"]
    frozen = [row["trains"] for row in model.facts_["plan"] if row["trains"] != row["parameters"]]
    assert frozen
    again = load(save(model, tmp_path / "model"))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
