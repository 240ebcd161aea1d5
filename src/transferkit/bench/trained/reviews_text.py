"""Amazon reviews as texts: MiniLM sentence embeddings, and what is learned on top of them."""

from __future__ import annotations

from collections.abc import Mapping

from ._frozen import MINILM, features, halves
from ._table import Quick, Sets, Settings, TrainedRow

__all__ = ["BY_TASK", "DATA", "MISSING", "PARAMS", "PROTOCOL", "QUICK", "ROWS", "TASKS", "TITLE", "TRAINING", "VERSION"]

TITLE = "Reviews: texts as embeddings of a frozen MiniLM"
PROTOCOL = (
    "2000 reviews of each of four kinds of goods, positive or negative, as sentence embeddings of all-MiniLM-L6-v2 (frozen, at"
    " most 128 tokens); a layer of 256 with batch normalisation and ReLU and a linear head learned on them. All reviews of one"
    " kind are the source; of another every other one is there without its label, accuracy is on the rest in percent. Adam, rate"
    " 0.001, 64 rows of each domain an update, 10 epochs (about 310 updates), cosine schedule; the methods' own defaults."
    " There are no published numbers for this protocol."
)
DATA = "amazon-reviews-text"
MISSING = ("training of MiniLM itself.",)
VERSION = 1
_DOMAINS = ("books", "dvd", "electronics", "kitchen")
TASKS = tuple(f"{s} -> {t}" for s in _DOMAINS for t in _DOMAINS if s != t)
PARAMS = {"backbone": "small:mlp?hidden=256&batch_norm=true", "bottleneck": None}
TRAINING = {"n_epochs": 10, "batch_size": 64, "optimizer": "adam", "lr": 1e-3, "weight_decay": 1e-4}
BY_TASK: Mapping[str, Settings] = {}

ROWS = (
    TrainedRow("source-only", "deep_source_only"),
    TrainedRow("DANN", "dann"),
    TrainedRow("DeepCORAL", "deep_coral"),
    TrainedRow("DAN", "dan"),
    TrainedRow("CDAN", "cdan"),
    TrainedRow("MCC", "mcc"),
    TrainedRow(
        "target-only", "deep_source_only", training={"n_epochs": 20}, role="target-only", note="as many updates as the others",
    ),
)  # fmt: skip
QUICK = Quick(("source-only", "DANN", "target-only"), ("books -> dvd", "electronics -> kitchen"), 0.5)


def load(task: str) -> Sets:
    """Embeddings of one kind of goods; of the other, halves."""
    source, target = task.split(" -> ")
    return halves(features(DATA, MINILM), (source,), target)
