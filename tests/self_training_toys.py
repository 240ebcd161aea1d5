"""A tiny network and batches by hand: the objective of a self-training method, without a fit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from transferkit.engine.answers.labels import Labels
from transferkit.engine.backbones import load_backbone
from transferkit.engine.inputs.rows import Rows
from transferkit.engine.networks.network import Network
from transferkit.engine.training.objective import Stream
from transferkit.ops.nn.bottleneck import Bottleneck
from transferkit.ops.nn.heads import Head

LABELS = Labels("classification", 3, np.arange(3))


def toy(head: str = "linear", n: int = 24, seed: int = 0) -> SimpleNamespace:
    """What `_objective` reads of a fit: a network with batch normalisation, three classes, rows of both domains."""
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU())
        backbone = load_backbone(body, sample=np.zeros(5, np.float32))
        network = Network(backbone, Head(6, 3, head), Bottleneck(8, 6))
    X, y = rng.normal(size=(n, 5)).astype(np.float32), np.arange(n) % 3
    Xt = (rng.normal(size=(n, 5)) * 2 + 1).astype(np.float32)
    source = Rows(X, backbone.preprocess, torch.as_tensor(y))
    return SimpleNamespace(
        network=network, backbone=backbone, labels=LABELS, rows=source, target=Rows(Xt, backbone.preprocess), seed=seed,
        X=torch.tensor(X), y=torch.as_tensor(y), Xt=torch.tensor(Xt),
    )  # fmt: skip


def batch_of(fit: SimpleNamespace, *, twice: tuple[str, ...] = (), known: int = 0) -> dict[str, Any]:
    """All rows as one batch; those of streams in `twice` come as two equal views."""
    rows = torch.arange(len(fit.X))
    found = {"source": Stream(fit.X, fit.y, rows), "target": Stream(fit.Xt, None, rows)}
    if known:
        found["known"] = Stream(fit.Xt[:known], fit.y[:known], rows[:known])
    for name in twice:
        stream = found[name]
        found[name] = Stream(torch.cat([stream.x, stream.x]), stream.y, stream.rows)
    return found
