"""PACS from photos alone to each other domain: features of a frozen MobileNetV2, and what is learned on top of them."""

from __future__ import annotations

from collections.abc import Mapping

from ._frozen import WEIGHTS, features, halves
from ._table import Quick, Sets, Settings, TrainedRow

__all__ = ["BY_TASK", "DATA", "MISSING", "PARAMS", "PROTOCOL", "QUICK", "ROWS", "TASKS", "TITLE", "TRAINING", "VERSION"]

TITLE = "PACS: photos to each other domain, on features of a frozen MobileNetV2"
PROTOCOL = (
    "As the table pacs, with photos as the only source: features of a frozen MobileNetV2 of at most 150 images a class and"
    " domain, a layer of 256 with batch normalisation and ReLU and a linear head learned on them; every other image of the"
    " target is there without its label, accuracy is on the rest in percent. Adam, rate 0.001, cosine schedule, 10 epochs (about"
    " 330 updates), 32 rows of each domain an update; the methods' own defaults. Not comparable with published numbers."
)
DATA = "pacs"
MISSING = (
    "training end to end: 46 to 60 ms an image and update on two cores.",
    "AdaBN of the body's own batch normalisation: AdaBN here is that of the new layer.",
)
VERSION = 1
TASKS = ("photo -> art", "photo -> cartoon", "photo -> sketch")
PARAMS = {"backbone": "small:mlp?hidden=256&batch_norm=true", "bottleneck": None}
TRAINING = {"n_epochs": 10, "batch_size": 32, "optimizer": "adam", "lr": 1e-3, "weight_decay": 1e-4}
BY_TASK: Mapping[str, Settings] = {}

ROWS = (
    TrainedRow("source-only", "deep_source_only"),
    TrainedRow("MixStyle", "mix_style"),
    TrainedRow("AdaBN", "adabn"),
    TrainedRow("DAN", "dan"),
    TrainedRow("DeepCORAL", "deep_coral"),
    TrainedRow("DANN", "dann"),
    TrainedRow("CDAN", "cdan"),
    TrainedRow("MCC", "mcc"),
    TrainedRow(
        "target-only", "deep_source_only", training={"n_epochs": 20}, role="target-only", note="as many updates as the others",
    ),
)  # fmt: skip
QUICK = Quick(("source-only", "AdaBN", "DANN", "target-only"), ("photo -> art",), 0.5)


def load(task: str) -> Sets:
    """Features of all photos; of the target, halves."""
    source, target = task.split(" -> ")
    return halves(features(DATA, WEIGHTS), (source,), target)
