"""Rows as what a frozen pretrained network makes of them: computed once, kept in the feature cache."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np

from ...core.errors import DataError
from ...core.protocols import Array
from ...data import named
from ._table import Sets

__all__ = ["MINILM", "WEIGHTS", "features", "halves"]

MINILM = "sentence:all-MiniLM-L6-v2?max_length=128"
WEIGHTS = "weights/mobilenetv2_100_imagenet_bncal_fp16.safetensors"  # of MobileNetV2, beside the data sets


@cache
def features(data: str, model: str) -> Mapping[str, tuple[Array, Array]]:
    """Features and labels of every domain of a data set; `model` is a backbone's name, or `WEIGHTS`."""
    from ...engine.backbones import load_backbone
    from ...engine.features.extraction import extract

    domains = named.load(data)
    if model == WEIGHTS:
        file = Path(os.environ.get("TRANSFERKIT_DATA", "")) / WEIGHTS
        if not file.is_file():
            raise DataError(f"{WEIGHTS}: must be in the folder that TRANSFERKIT_DATA names, beside the data sets.")
        model = f"file:{file}?arch=timm:mobilenetv2_100&pad_type=same&mean=0.5&std=0.5"
    backbone = load_backbone(model)
    return {
        name: (extract(backbone, rows.X, cache=True, device="cpu"), np.asarray(rows.y))
        for name, rows in domains.items()
    }


def halves(domains: Mapping[str, tuple[Array, Array]], sources: tuple[str, ...], target: str) -> Sets:
    """All rows of the sources; of the target every other row to train on, the rest to judge on: rows come class by class."""
    X, y = (np.concatenate(parts) for parts in zip(*(domains[name] for name in sources)))
    groups = np.repeat(np.arange(len(sources)), [len(domains[name][1]) for name in sources])
    Xt, yt = domains[target]
    return Sets(X, y, Xt[::2], yt[::2], Xt[1::2], yt[1::2], groups)
