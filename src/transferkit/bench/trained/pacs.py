"""PACS with one domain left out at a time: features of a frozen MobileNetV2, and what is learned on top of them."""

from __future__ import annotations

from collections.abc import Mapping

from ._frozen import WEIGHTS, features, halves
from ._table import Quick, Sets, Settings, TrainedRow

__all__ = ["BY_TASK", "DATA", "MISSING", "PARAMS", "PROTOCOL", "QUICK", "ROWS", "TASKS", "TITLE", "TRAINING", "VERSION"]

TITLE = "PACS: three domains to the fourth, on features of a frozen MobileNetV2"
PROTOCOL = (
    "A sample of PACS, at most 150 images a class and domain at 112 pixels, enlarged to 224. MobileNetV2 with ImageNet weights is"
    " frozen and its features are computed once; a layer of 256 with batch normalisation and ReLU, and a linear head, are"
    " learned on them. All rows of three domains are the source; of the fourth every other image is there without its label,"
    " and accuracy is on the rest in percent. Adam, rate 0.001, cosine schedule, 10 epochs (about 320 updates), 96 rows of the"
    " pooled sources an update or 32 of each where the method tells them apart; the methods' own defaults. Not comparable with"
    " published numbers, which train all of a ResNet on all 9,991 images."
)
DATA = "pacs"
MISSING = (
    "training end to end: 46 to 60 ms an image and update on two cores.",
    "AdaBN of the body's own batch normalisation: AdaBN here is that of the new layer.",
)
VERSION = 1
_DOMAINS = ("photo", "art", "cartoon", "sketch")
TASKS = tuple(f"others -> {domain}" for domain in _DOMAINS)
PARAMS = {"backbone": "small:mlp?hidden=256&batch_norm=true", "bottleneck": None}
TRAINING = {"n_epochs": 10, "batch_size": 96, "optimizer": "adam", "lr": 1e-3, "weight_decay": 1e-4}
BY_TASK: Mapping[str, Settings] = {}
_APART = {"batch_size": 32}

ROWS = (
    TrainedRow("ERM (source-only)", "deep_source_only"),
    TrainedRow("MixStyle", "mix_style", training=_APART),
    TrainedRow("GroupDRO", "group_dro", training=_APART),
    TrainedRow("CORAL-DG", "coral_dg", training=_APART),
    TrainedRow("IRM", "irm", training=_APART),
    TrainedRow("SWAD", "swad", training=_APART),
    TrainedRow("AdaBN", "adabn"),
    TrainedRow("DAN", "dan"),
    TrainedRow("DANN", "dann"),
    TrainedRow("M3SDA", "m3sda", training=_APART),
    TrainedRow("MFSAN", "mfsan", training=_APART),
    TrainedRow(
        "target-only", "deep_source_only", training={"n_epochs": 60}, role="target-only", note="as many updates as the others",
    ),
)  # fmt: skip
QUICK = Quick(("ERM (source-only)", "GroupDRO", "DANN", "M3SDA", "target-only"), ("others -> art",), 0.5)


def load(task: str) -> Sets:
    """Features of three domains, with the number of the domain; of the fourth, halves."""
    target = task.removeprefix("others -> ")
    return halves(features(DATA, WEIGHTS), tuple(d for d in _DOMAINS if d != target), target)
