"""Trained source classifiers and targets that have shifted, for methods that are given the model and no row of the source."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import numpy as np

import shifts
from transferkit import DeepSourceOnly, Domain
from transferkit.engine.training.settings import Training


def leaning(seed: int, n: int = 90) -> shifts.Shift:
    """A target that a trained model half knows: every feature has another zero, by one deviation."""
    rng = np.random.default_rng(seed)
    shift = shifts.none(seed, n)
    return shifts.Shift(shift.X, shift.y, shift.Xt + rng.choice([-1.5, 1.5], size=6), shift.yt)


@cache
def _world(name: str, seed: int) -> tuple[shifts.Shift, Any]:
    shift = leaning(seed) if name == "leaning" else getattr(shifts, name)(seed, 90)
    training = Training(n_epochs=20, lr=0.02, batch_size=32, body_lr_scale=1.0, device="cpu", progress=False)
    source = DeepSourceOnly(
        "small:mlp?hidden=16&batch_norm=true", bottleneck=8, training=training, random_state=seed
    ).fit(shift.X, shift.y, target=Domain(shift.X))
    return shift, source


def world(name: str = "leaning", seed: int = 0) -> tuple[shifts.Shift, Any]:
    """A shift of that name, and a new copy of a classifier fitted on its source."""
    shift, source = _world(name, seed)
    return shift, copy.deepcopy(source)
