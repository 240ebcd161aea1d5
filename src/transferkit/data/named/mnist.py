"""MNIST in full: 60000 and 10000 handwritten digits."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from ...core.protocols import Array
from ._set import File, NamedSet, Place, Rows

__all__ = ["SET"]

_MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_PREFIX = {"train": "train", "test": "t10k"}


def _official(file: str, total: str, size: int) -> File:
    return File(f"mnist_full/{file}", total, size, _MIRROR + file)


_TEST = (
    _official("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1648877),
    _official("t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4542),
)


def _read(place: Place, domains: tuple[str, ...], label: str, preprocess: str) -> Rows:
    return {d: _packed(place.folder) if d == "train" and not place.original else _idx(place.folder, d) for d in domains}


def _packed(folder: Path) -> tuple[Array, Array]:
    with np.load(folder / "mnist_train_60k.npz", allow_pickle=False) as content:
        return _flat(content["X"]), content["y"].astype(np.int64)


def _idx(folder: Path, part: str) -> tuple[Array, Array]:
    """The official format: a header of 16 bytes (images) or 8 bytes (labels), then unsigned bytes."""
    prefix = _PREFIX[part]
    images = gzip.decompress((folder / f"{prefix}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{prefix}-labels-idx1-ubyte.gz").read_bytes())
    return _flat(np.frombuffer(images, np.uint8, offset=16)), np.frombuffer(labels, np.uint8, offset=8).astype(np.int64)


def _flat(images: Array) -> Array:
    return images.reshape(-1, 784).astype(np.float32)


SET = NamedSet(
    name="mnist",
    title="MNIST: handwritten digits, 28x28 grey levels, 60000 for training and 10000 for testing",
    domains=("train", "test"),
    task="classification",
    n_features=784,
    files=(
        File(
            "mnist_full/mnist_train_60k.npz",
            "58b3bae2662fe7b0a228d9293c598df0bb9effcce0d5f116b683fbd3fb4381c1",
            9851278,
        ),
        *_TEST,
    ),
    licence="none stated by the makers; the copies used are MIT",
    source="LeCun, Cortes & Burges; official files from the mirror that torchvision uses",
    read=_read,
    classes=tuple("0123456789"),
    notes=(
        "levels are 0 to 255, row by row, as float32",
        "the repacked training file holds the official bytes in the official order",
    ),
    originals=(
        _official(
            "train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9912422
        ),
        _official(
            "train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28881
        ),
        *_TEST,
    ),
)
