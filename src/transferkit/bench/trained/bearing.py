"""CWRU bearings across motor loads with a one-dimensional CNN, near UDTL's benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from ...core.protocols import Array
from ...data import named
from ._table import Quick, Sets, Settings, TrainedRow

__all__ = ["BY_TASK", "DATA", "MISSING", "PARAMS", "PROTOCOL", "QUICK", "ROWS", "TASKS", "TITLE", "TRAINING", "VERSION"]

TITLE = "Bearings: nine faults of CWRU across four motor loads, one-dimensional CNN"
PROTOCOL = (
    "UDTL's form with spectra: windows of 1024 samples that do not overlap, magnitudes of 512 frequencies, each window"
    " standardised; four one-dimensional convolutions with a bottleneck of 256; Adam, rate 0.001, weight decay 1e-5, 32 rows of"
    " each domain an update; accuracy on the last fifth of every recording of the target in percent, whose first four fifths are"
    " there without labels. Differences: nine classes, for healthy bearings are known at one load only, where UDTL has ten;"
    " 5 epochs (about 165 updates) with a cosine schedule, where it has 300 of 64 rows an update and the transfer switched on"
    " after 50; the weight of the adaptation is the method's default throughout. Its numbers are averages of the last epoch over"
    " the 12 tasks."
)
DATA = "cwru"
MISSING = ("the healthy class: healthy bearings at three of four loads are not in the data set.",)
VERSION = 1
_LOADS = ("0hp", "1hp", "2hp", "3hp")
TASKS = tuple(f"{s} -> {t}" for s in _LOADS for t in _LOADS if s != t)
PARAMS = {"backbone": "small:cnn1d", "bottleneck": 256}
TRAINING = {"n_epochs": 5, "batch_size": 32, "optimizer": "adam", "lr": 1e-3, "weight_decay": 1e-5}
BY_TASK: Mapping[str, Settings] = {}
_UDTL = "UDTL, CWRU frequency input, mean of the last epochs"

ROWS = (
    TrainedRow("source-only", "deep_source_only", orientation=80.67, source=_UDTL),
    TrainedRow("AdaBN", "adabn", orientation=81.18, source=_UDTL),
    TrainedRow("MK-MMD", "dan", orientation=92.82, source=_UDTL),
    TrainedRow("JMMD", "jan", orientation=93.72, source=_UDTL),
    TrainedRow("DeepCORAL", "deep_coral", orientation=94.30, source=_UDTL),
    TrainedRow("DANN", "dann", orientation=93.74, source=_UDTL),
    TrainedRow("CDAN", "cdan", orientation=91.06, source=_UDTL),
    TrainedRow("target-only", "deep_source_only", role="target-only"),
)
QUICK = Quick(("source-only", "AdaBN", "DANN", "target-only"), ("0hp -> 3hp", "3hp -> 0hp"), 0.5)


def load(task: str) -> Sets:
    """All windows of the source; of the target's recordings the first four fifths to train on, the rest to judge on."""
    source, target = (_windows(load) for load in task.split(" -> "))
    X, y = target
    late = np.zeros(len(y), dtype=bool)
    for fault in np.unique(y):
        rows = np.flatnonzero(y == fault)  # in the order of time
        late[rows[4 * len(rows) // 5 :]] = True
    return Sets(*source, X[~late], y[~late], X[late], y[late])


@cache
def _windows(load: str) -> tuple[Array, Array]:
    """Spectra of shape (n, 1, 512)."""
    rows = named.load(DATA, preprocess="spectrum", domains=[load])[load]
    X = np.asarray(rows.X, dtype=np.float32)
    X = (X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)
    return X[:, None, :], np.asarray(rows.y)
