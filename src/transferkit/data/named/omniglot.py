"""Omniglot, the two small background sets: handwritten characters of eight alphabets, 20 drawings each."""

from __future__ import annotations

import numpy as np

from ..images import ImageSamples
from ..places import listing
from ._set import File, NamedSet, Place, Rows, github

__all__ = ["SET"]

_REPOSITORY = "brendenlake/omniglot"
_COMMIT = "32aee47094f15296299b761dcaa01400b90c60d5"
_FILES = {"small1": "images_background_small1.zip", "small2": "images_background_small2.zip"}


def _read(place: Place, domains: tuple[str, ...], label: str, preprocess: str) -> Rows:
    rows = {}
    for domain in domains:
        found = listing(place.folder / _FILES[domain])  # small1/Greek/character01/0394_01.png
        names = ["/".join(f.parts[1:-1] if label == "character" else f.parts[1:2]) for f in found]
        rows[domain] = (ImageSamples([f.place for f in found]), np.array(names, dtype=object))
    return rows


SET = NamedSet(
    name="omniglot",
    title="Omniglot, the two small background sets: handwritten characters, 20 drawings each, 105x105 black and white",
    domains=tuple(_FILES),
    task="classification",
    n_features=None,
    files=tuple(
        File(f"omniglot/{name}", sha256, size, github(_REPOSITORY, _COMMIT, f"python/{name}"))
        for name, sha256, size in (
            (_FILES["small1"], "f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4", 1319022),
            (_FILES["small2"], "3ccaa407515a8778e5d0861875af38b17e418f301ad5bb3b5a6b65d901a41c7f", 1580917),
        )
    ),
    licence="MIT",
    source=f"{_REPOSITORY} @ {_COMMIT[:12]}",
    read=_read,
    labels=("character", "alphabet"),
    notes=(
        "X is a sequence of images, decoded when they are asked for; a character is called Greek/character01",
        "136 and 156 characters; the alphabets Greek and Latin are in both sets: leave them out of one to test on new ones",
        "the full set has 964 and 659 characters: not comparable with published numbers",
    ),
)
