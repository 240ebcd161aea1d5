"""Tiny source models with their own classifiers, and tasks for them: what tests of network methods begin with."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from transferkit.engine.backbones import load_backbone
from transferkit.engine.training.settings import Training

__all__ = ["conv_source", "epochs", "images", "mlp_source", "rows", "same_network"]


def epochs(n=3, **settings):
    """Training settings that leave nothing to chance or to a progress bar."""
    given = {"lr": 0.01, "batch_size": 16, "weight_decay": 0.0, "progress": False, "precision": "fp32", "device": "cpu"}
    return Training(n_epochs=n, **{"body_lr_scale": 1.0, **given, **settings})


def rows(n=48, n_classes=3, seed=0, n_features=6):
    """Vectors whose class is a direction of theirs."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n_classes, n_features)) * 2
    y = np.arange(n) % n_classes
    return (centres[y] + rng.normal(size=(n, n_features)) * 0.5).astype(np.float32), y


def mlp_source(n_features=6, width=12, n_source=5, seed=0):
    """A two-layer body and a linear classifier of `n_source` classes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = nn.Sequential(
            nn.Linear(n_features, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, n_source)
        )  # fmt: skip
    return load_backbone(net, sample=np.zeros(n_features, np.float32), head="4")


def images(n=32, seed=0):
    """8x8 colour images, uint8, of two classes: reddish or bluish."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 120, size=(n, 8, 8, 3))
    y = np.arange(n) % 2
    for k, c in enumerate(y):
        X[k, :, :, 2 * c] += 100
    return X.astype(np.uint8), y


class _Conv(nn.Module):
    def __init__(self, n_source):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, n_source)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        return self.fc(torch.relu(self.bn2(self.conv2(x))).mean(dim=(2, 3)))


def conv_source(n_source=4, seed=0):
    """Two convolutions with batch normalisation, pooled, and a linear classifier."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _Conv(n_source)
    return load_backbone(net, sample=np.zeros((8, 8, 3), np.uint8), head="fc", mean=0.5, std=0.25)


def same_network(a, b):
    """Whether two fitted methods have the same weights and statistics, bit for bit."""
    ours, theirs = a.network_.state_dict(), b.network_.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)
