"""PACS: seven kinds of things in photos, art, cartoons and sketches."""

from __future__ import annotations

import numpy as np

from ..images import ImageSamples
from ..places import listing
from ._set import File, NamedSet, Place, Rows

__all__ = ["SET"]

_PACKED = "pacs_112_150.zip"
_FOLDERS = {"photo": "photo", "art": "art_painting", "cartoon": "cartoon", "sketch": "sketch"}


def _read(place: Place, domains: tuple[str, ...], label: str, preprocess: str) -> Rows:
    found = listing(place.folder / _PACKED)
    rows = {}
    for domain in domains:
        own = [f for f in found if f.parts[0] == _FOLDERS[domain]]
        rows[domain] = (ImageSamples([f.place for f in own]), np.array([f.parts[1] for f in own], dtype=object))
    return rows


SET = NamedSet(
    name="pacs",
    title="PACS, a sample at 112 pixels: seven kinds of things in photos, art, cartoons and sketches",
    domains=tuple(_FOLDERS),
    task="classification",
    n_features=None,
    files=(File(f"pacs/{_PACKED}", "7d99585b4f5c1c4fcbcf313e074effff71f972fdab8098c3de61a0ca426ea4f2", 19365651),),
    licence="none stated",
    source="MachineLearning2020/Homework3-PACS @ d586a6cf : PACS",
    read=_read,
    labels=("object",),
    classes=("dog", "elephant", "giraffe", "guitar", "horse", "house", "person"),
    notes=(
        "X is a sequence of images, decoded when they are asked for",
        "a sample: at most 150 images a class and domain, drawn with seed 0 from all 9,991, and scaled from 227 to 112"
        " pixels: not comparable with published numbers, and there is no public address of these bytes",
    ),
)
