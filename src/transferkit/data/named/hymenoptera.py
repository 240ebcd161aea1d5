"""Hymenoptera: photos of ants and bees."""

from __future__ import annotations

import numpy as np

from ..images import ImageSamples
from ..layout import arrange, unwrap
from ..places import listing
from ._set import File, NamedSet, Place, Rows

__all__ = ["SET"]

_PACKED = "hymenoptera_256.zip"


def _read(place: Place, domains: tuple[str, ...], label: str, preprocess: str) -> Rows:
    entries, _ = arrange(unwrap(listing(place.folder / _PACKED), always=True))
    rows = {}
    for domain in domains:
        own = [e for e in entries if e.split == domain]
        X = ImageSamples([e.place for e in own], splits=[domain] * len(own))
        rows[domain] = (X, np.array([e.label for e in own], dtype=object))
    return rows


SET = NamedSet(
    name="hymenoptera",
    title="Hymenoptera: photos of ants and bees, 244 to train on and 153 to validate",
    domains=("train", "val"),
    task="classification",
    n_features=None,
    files=(
        File(f"hymenoptera/{_PACKED}", "514734dec7c5c81f6a75ee3c4f5b4742f26298dc318c40c2a4ca523c8b8d411f", 11400073),
    ),
    licence="none stated",
    source="zhangtao7750/syn @ f0503091 : hymenoptera_data",
    read=_read,
    labels=("insect",),
    classes=("ants", "bees"),
    notes=(
        "X is a sequence of images, decoded when they are asked for",
        "the data of PyTorch's transfer learning tutorial, scaled to a short side of 256 pixels and packed anew (JPEG,"
        " quality 90): there is no public address of these bytes",
        "a stray imageNotFound.gif among the ants of the original is left out",
    ),
)
