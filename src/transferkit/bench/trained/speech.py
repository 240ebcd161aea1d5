"""Spoken digits of a speaker that the network has not heard: FSDD, one speaker left out at a time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from ...core.protocols import Array
from ...data import named
from ._table import Quick, Sets, Settings, TrainedRow

__all__ = ["BY_TASK", "DATA", "MISSING", "PARAMS", "PROTOCOL", "QUICK", "ROWS", "TASKS", "TITLE", "TRAINING", "VERSION"]

TITLE = "Spoken digits: FSDD, five speakers to the sixth, one-dimensional CNN on spectrograms"
PROTOCOL = (
    "The source is five speakers (2500 clips), the target the sixth: every other clip without its label, accuracy on the rest in"
    " percent. Logarithms of the power at 64 frequencies up to 4 kHz (frames of 16 ms every 8 ms), stretched to 64 points in"
    " time, each clip standardised; four one-dimensional convolutions along time with a bottleneck of 256; Adam, rate 0.001,"
    " 64 rows of each domain an update, 10 epochs (about 400 updates), cosine schedule; the methods' own defaults. There are no"
    " published numbers for this protocol."
)
DATA = "fsdd"
MISSING = ()
VERSION = 1
_SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
TASKS = tuple(f"others -> {speaker}" for speaker in _SPEAKERS)
PARAMS = {"backbone": "small:cnn1d", "bottleneck": 256}
TRAINING = {"n_epochs": 10, "batch_size": 64, "optimizer": "adam", "lr": 1e-3, "weight_decay": 1e-5}
BY_TASK: Mapping[str, Settings] = {}

ROWS = (
    TrainedRow("source-only", "deep_source_only"),
    TrainedRow("AdaBN", "adabn"),
    TrainedRow("DAN", "dan"),
    TrainedRow("JAN", "jan"),
    TrainedRow("DeepCORAL", "deep_coral"),
    TrainedRow("DANN", "dann"),
    TrainedRow("CDAN", "cdan"),
    TrainedRow(
        "target-only", "deep_source_only", training={"n_epochs": 100}, role="target-only", note="as many updates as the others",
    ),
)  # fmt: skip
QUICK = Quick(("source-only", "AdaBN", "DANN", "target-only"), ("others -> theo",), 0.3)


def load(task: str) -> Sets:
    """All clips of five speakers, half of those of the sixth, and the other half to judge on."""
    speaker = task.removeprefix("others -> ")
    others = [_clips(name) for name in _SPEAKERS if name != speaker]
    X, y = _clips(speaker)
    judged = np.arange(len(y)) % 2 == 1
    heard, digits = (np.concatenate(parts) for parts in zip(*others))
    return Sets(heard, digits, X[~judged], y[~judged], X[judged], y[judged])


@cache
def _clips(speaker: str) -> tuple[Array, Array]:
    rows = named.load(DATA, preprocess="waveform", domains=[speaker])[speaker]
    return np.stack([_spectrogram(clip) for clip in rows.X]), np.asarray(rows.y)


def _spectrogram(clip: Array) -> Array:
    """Log power of shape (64, 64): frequencies and points in time."""
    from scipy.signal import spectrogram

    _, _, power = spectrogram(clip / 32768, nperseg=128, noverlap=64, detrend=False)
    level = np.log(power[1:] + 1e-12)  # the constant part says nothing
    old, new = np.linspace(0, 1, level.shape[1]), np.linspace(0, 1, 64)
    level = np.stack([np.interp(new, old, band) for band in level])
    return ((level - level.mean()) / level.std()).astype(np.float32)
