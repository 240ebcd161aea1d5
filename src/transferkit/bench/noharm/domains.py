"""The domains of the benchmark: rows as vectors, each loaded once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from scipy import ndimage, sparse

from ...core.protocols import Array
from ...data import named

__all__ = ["DATA", "Missing", "Rows", "domains"]

Rows = tuple[Any, Array]  # X: array, sparse matrix or data frame; y
SEED = 0
MOST = 1500  # rows kept of a domain; a task draws its own from these
MINILM = "sentence:all-MiniLM-L6-v2"
MOBILENET = (
    "file:{folder}/weights/mobilenetv2_100_imagenet_bncal_fp16.safetensors"
    "?arch=timm:mobilenetv2_100&pad_type=same&mean=0.5&std=0.5"
)


class Missing(Exception):
    """A data set, its weights or a package is not on this machine; the family is left out and named."""


@cache
def domains(data: str) -> Mapping[str, Rows]:
    """All domains of one data set of `DATA`, at most 1500 rows each."""
    rng = np.random.default_rng(SEED)
    return {name: _cut(X, y, rng) for name, (X, y) in DATA[data]().items()}


def _cut(X: Any, y: Array, rng: np.random.Generator) -> Rows:
    y = np.asarray(y)
    rows = np.sort(rng.permutation(len(y))[:MOST])
    return X[rows], y[rows]


def _named(name: str, only: tuple[str, ...] | None = None, **options: Any) -> dict[str, Rows]:
    from ...core.errors import TransferError

    try:
        found = named.load(name, domains=only, **options)
    except TransferError as err:
        raise Missing(str(err)) from err
    return {key: (d.X, np.asarray(d.y)) for key, d in found.items()}


def _counts(name: str, only: tuple[str, ...] | None = None) -> dict[str, Rows]:
    """Word counts as unit-length log counts."""
    found = {}
    for key, (X, y) in _named(name, only).items():
        Z = sparse.csr_matrix(X, dtype=np.float64)
        Z.data = np.log1p(Z.data)
        norms = np.sqrt(Z.multiply(Z).sum(axis=1)).A1 if hasattr(Z, "A1") else np.sqrt(Z.multiply(Z).sum(axis=1))
        scale = 1 / np.maximum(np.asarray(norms).ravel(), 1e-12)
        found[key] = sparse.csr_matrix(sparse.diags(scale) @ Z), y
    return found


def _surf() -> dict[str, Rows]:
    return {
        k: (X / np.maximum(X.sum(axis=1, keepdims=True), 1), y) for k, (X, y) in _named("office-caltech-surf").items()
    }


def _square(X: Array, size: int, to: int) -> Array:
    """Pictures of size x size as rows, resampled to `to` pixels a side."""
    pictures = np.asarray(X, dtype=np.float64).reshape(len(X), size, size)
    return ndimage.zoom(pictures, (1, to / size, to / size), order=1).reshape(len(X), -1)


def _digits() -> dict[str, Rows]:
    """MNIST and USPS at 16 x 16 pixels, as sampled for JDA and afresh; MNIST turned, blurred, coarse, inverted; 8 x 8 scans."""
    rng = np.random.default_rng(SEED)
    found = {f"long-{k}": v for k, v in _named("mnist-usps-long").items()}
    X, y = _named("mnist", ("train",))["train"]
    rows = rng.permutation(len(y))
    parts = np.split(rows[: 8 * MOST], 8)
    pictures = np.asarray(X, dtype=np.float64).reshape(len(X), 28, 28) / 255
    found["mnist"] = _square(pictures[parts[0]], 28, 16), y[parts[0]]
    X, u = _named("usps", ("train",))["train"]
    found["usps"] = np.asarray(X, dtype=np.float64), u
    changes: dict[str, Callable[[Array], Array]] = {
        "turned-15": lambda P: ndimage.rotate(P, 15, axes=(1, 2), reshape=False, order=1),
        "turned-30": lambda P: ndimage.rotate(P, 30, axes=(1, 2), reshape=False, order=1),
        "turned-45": lambda P: ndimage.rotate(P, 45, axes=(1, 2), reshape=False, order=1),
        "turned-60": lambda P: ndimage.rotate(P, 60, axes=(1, 2), reshape=False, order=1),
        "blurred": lambda P: ndimage.gaussian_filter(P, (0, 2.0, 2.0)),
        "coarse": lambda P: ndimage.zoom(ndimage.zoom(P, (1, 0.25, 0.25), order=1), (1, 4, 4), order=0),
        "small": lambda P: np.pad(ndimage.zoom(P, (1, 0.6, 0.6), order=1), ((0, 0), (5, 6), (5, 6))),
    }
    for (name, change), part in zip(changes.items(), parts[1:]):
        moved = change(pictures[part])
        side = moved.shape[1]
        found[name] = _square(moved, side, 16), y[part]
    return found


def _scans() -> dict[str, Rows]:
    return _named("digits")


def _pneumonia() -> dict[str, Rows]:
    """Chest X-rays at 14 x 14 pixels: as they are, and as three other machines might take them."""
    splits = _named("pneumoniamnist")
    found = {}
    for name, (X, y) in splits.items():
        found[name] = np.asarray(X, dtype=np.float64).reshape(-1, 28, 28) / 255, y
    P, y = found["test"]
    rng = np.random.default_rng(SEED)
    found["bright"] = np.clip(0.6 * P + 0.35, 0, 1), y
    found["blurred"] = ndimage.gaussian_filter(P, (0, 1.5, 1.5)), y
    found["noisy"] = np.clip(P + rng.normal(0, 0.15, P.shape), 0, 1), y
    return {k: (_square(v.reshape(len(v), -1), 28, 14), labels) for k, (v, labels) in found.items()}


def _speech() -> dict[str, Rows]:
    return _named("fsdd")


def _bearings() -> dict[str, Rows]:
    return {k: (np.log1p(np.asarray(X)), y) for k, (X, y) in _named("cwru", preprocess="spectrum").items()}


def _phones() -> dict[str, Rows]:
    """Floors by phone; the phones that were carried to at least three floors or 700 places, on the floors they share."""
    return _named(
        "uji-indoorloc", ("phone-6", "phone-7", "phone-8", "phone-13", "phone-14", "validation-phone-13"),
        preprocess="filled", label="floor",
    )  # fmt: skip


def _credit() -> dict[str, Rows]:
    return {k: v for k, v in _named("credit").items() if k != "other"}


def _german() -> dict[str, Rows]:
    return _named("german-credit")


def _citations() -> dict[str, Rows]:
    return _counts("citation-text")


def _reviews_400() -> dict[str, Rows]:
    return _named("amazon-reviews-400")


def _reviews_5000() -> dict[str, Rows]:
    return _counts("amazon-reviews-5000", ("books", "dvd", "electronics", "kitchen"))


def _reviews_embedded() -> dict[str, Rows]:
    """Review texts as sentence embeddings (MiniLM, at most 128 tokens)."""
    return _encoded("amazon-reviews-text", f"{MINILM}?max_length=128", 1000)


def _pacs() -> dict[str, Rows]:
    """PACS pictures as features of MobileNetV2 trained on ImageNet."""
    import os

    return _encoded("pacs", MOBILENET.format(folder=os.environ.get("TRANSFERKIT_DATA", "")), 1050)


def _encoded(name: str, model: str, most: int) -> dict[str, Rows]:
    from ...core.errors import TransferError
    from ...engine.features.encoder import BackboneEncoder

    rng = np.random.default_rng(SEED)
    found = {}
    try:
        for key, (X, y) in _named(name).items():
            rows = np.sort(rng.permutation(len(y))[:most])
            taken = X[rows]
            found[key] = BackboneEncoder(model, cache=True).fit(taken).transform(taken), y[rows]
    except TransferError as err:
        raise Missing(str(err)) from err
    return found


def _sampled() -> dict[str, Rows]:
    """Three small tables that scikit-learn brings; `biased` tasks draw their source by a column's value."""
    from sklearn.datasets import load_breast_cancer, load_wine

    return {f.__name__.removeprefix("load_"): f(return_X_y=True) for f in (load_breast_cancer, load_wine)}


DATA: Mapping[str, Callable[[], Mapping[str, Rows]]] = {
    "surf": _surf,
    "digits": _digits,
    "scans": _scans,
    "reviews-400": _reviews_400,
    "reviews-5000": _reviews_5000,
    "reviews-minilm": _reviews_embedded,
    "bearings": _bearings,
    "speech": _speech,
    "phones": _phones,
    "credit": _credit,
    "german": _german,
    "citations": _citations,
    "pacs": _pacs,
    "pneumonia": _pneumonia,
    "tables": _sampled,
}
