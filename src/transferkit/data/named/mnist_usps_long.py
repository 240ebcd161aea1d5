"""The 16x16 MNIST and USPS samples of Long et al., 2000 and 1800 images."""

from __future__ import annotations

import numpy as np

from ._scaling import unit_norm_rows
from ._set import File, NamedSet, Place, Rows, github

__all__ = ["SET"]

_REPOSITORY, _COMMIT = "AngryCarrot/JDA", "12167daf32b01a07b85fdfa3db57a42b3be7eefe"
_KEYS = {"mnist": ("X_src", "Y_src"), "usps": ("X_tar", "Y_tar")}


def _read(place: Place, domains: tuple[str, ...], label: str, preprocess: str) -> Rows:
    from scipy.io import loadmat

    content = loadmat(place.folder / "MNIST_vs_USPS.mat")
    rows = {}
    for domain in domains:
        x, y = _KEYS[domain]
        X = np.ascontiguousarray(content[x].T)  # the file holds samples as columns
        rows[domain] = (unit_norm_rows(X) if preprocess == "paper" else X, content[y].ravel().astype(np.int64))
    return rows


SET = NamedSet(
    name="mnist-usps-long",
    title="MNIST and USPS as sampled by Long et al. (JDA): handwritten digits, 16x16 grey levels",
    domains=tuple(_KEYS),
    task="classification",
    n_features=256,
    files=(
        File(
            "mnist_usps_long/MNIST_vs_USPS.mat",
            "2b87e5a793e77826417e6c483e0850d6666c9746717bce2561db43f3f30efd4d",
            3303450,
            github(_REPOSITORY, _COMMIT, "data/MNIST_vs_USPS.mat"),
        ),
    ),
    licence="none stated",
    source=f"{_REPOSITORY} @ {_COMMIT[:12]}; made by Long, Wang, Ding, Sun & Yu (ICCV 2013)",
    read=_read,
    preprocessings=("raw", "paper"),
    classes=tuple("0123456789"),
    notes=(
        "labels are 1 to 10: label k is the digit k - 1",
        "images are stored column by column (transposed)",
        "paper: each row divided by its Euclidean norm, nothing else",
    ),
)
