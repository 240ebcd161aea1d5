"""PneumoniaMNIST: chest X-rays of children, 28x28."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from ._set import File, NamedSet, Place, Rows

__all__ = ["SET"]

_PACKED, _ORIGINAL = "pneumoniamnist_rebuilt.npz", "pneumoniamnist.npz"
_PARTS = ("train", "val", "test")


def _read(place: Place, domains: tuple[str, ...], label: str, preprocess: str) -> Rows:
    with np.load(place.folder / (_ORIGINAL if place.original else _PACKED), allow_pickle=False) as content:
        return {
            d: (
                content[f"{d}_images"].reshape(-1, 784).astype(np.float32),
                content[f"{d}_labels"].ravel().astype(np.int64),
            )
            for d in domains
        }


def _content(path: Path, file: File) -> str:
    """Sum of the labelled images of each part, whatever their order."""
    whole = hashlib.sha256()
    with np.load(path, allow_pickle=False) as content:
        for part in _PARTS:
            images = content[f"{part}_images"].reshape(-1, 784).astype(np.uint8)
            labels = content[f"{part}_labels"].reshape(-1, 1).astype(np.uint8)
            for row in sorted(r.tobytes() for r in np.hstack([images, labels])):
                whole.update(row)
            whole.update(part.encode())
    return whole.hexdigest()


SET = NamedSet(
    name="pneumoniamnist",
    title="PneumoniaMNIST: chest X-rays of children, 28x28 grey levels, normal or pneumonia",
    domains=_PARTS,
    task="classification",
    n_features=784,
    files=(
        File(f"pneumoniamnist/{_PACKED}", "20568c3c8f7ddebe016ab049006f1eb241ab4249e8eff13c3a5d09d11900d8b0", 4158908),
    ),
    licence="CC BY 4.0 (MedMNIST)",
    source="MedMNIST v2, Zenodo record 10519652; Kermany et al. (Cell 2018)",
    read=_read,
    classes=("normal", "pneumonia"),
    notes=(
        "labels are 0 (normal) and 1 (pneumonia): 1214/3494, 135/389 and 234/390 in train, val and test",
        "levels are 0 to 255, as float32",
        "the test part comes from another source than train and val, hence the shift",
        "the repacked file is the union of two public copies; its rows have another order than the official file",
    ),
    originals=(
        File(
            f"pneumoniamnist/{_ORIGINAL}",
            "2b4b72e258479253a7b6aff4c574276dee409aeed7fc6aa59b97f2a4144991fb",
            None,
            "https://zenodo.org/records/10519652/files/pneumoniamnist.npz?download=1",
            "content",
        ),
    ),
    content=_content,
)
