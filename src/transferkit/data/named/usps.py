"""USPS in full: 7291 and 2007 handwritten digits from envelopes."""

from __future__ import annotations

import numpy as np

from ._set import File, NamedSet, Place, Rows, github

__all__ = ["SET"]

_REPOSITORY = "niuers/Learning-From-Data-A-Short-Course"
_COMMIT = "35684e893b63bf4039bafcc6d34fe935851baf9a"


def _read(place: Place, domains: tuple[str, ...], label: str, preprocess: str) -> Rows:
    import h5py

    with h5py.File(place.folder / "usps.h5", "r") as content:
        return {d: (content[d]["data"][:], content[d]["target"][:].astype(np.int64)) for d in domains}


SET = NamedSet(
    name="usps",
    title="USPS: handwritten digits from envelopes, 16x16 grey levels, 7291 for training and 2007 for testing",
    domains=("train", "test"),
    task="classification",
    n_features=256,
    files=(
        File(
            "usps_full/usps.h5",
            "734f88c541104a956d88be2c95d03b4a463ffd74ccc2ba9c80841fb98e3fcb36",
            2913522,
            github(_REPOSITORY, _COMMIT, "data/usps.h5"),
        ),
    ),
    licence="none stated",
    source=f"{_REPOSITORY} @ {_COMMIT[:12]}",
    read=_read,
    classes=tuple("0123456789"),
    notes=("levels are 0 to 1, as float32; MNIST's are 0 to 255",),
)
