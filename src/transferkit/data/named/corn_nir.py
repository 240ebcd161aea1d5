"""Corn NIR: the same 80 samples of corn measured by three spectrometers."""

from __future__ import annotations

import numpy as np

from ._set import File, NamedSet, Place, Rows, github

__all__ = ["SET"]

_REPOSITORY, _COMMIT = "viggin/yan-autoencoder", "935ae1f7d495644bf859a94dbd7e17710154232d"
_DOMAINS = ("device1", "device2", "device3")
_LABELS = ("moisture", "oil", "protein", "starch")


def _read(place: Place, domains: tuple[str, ...], label: str, preprocess: str) -> Rows:
    from scipy.io import loadmat

    content = loadmat(place.folder / "cornData.mat")
    y = np.ascontiguousarray(content["Y"][:, _LABELS.index(label)])
    return {d: (np.ascontiguousarray(content["ftAll"][0, _DOMAINS.index(d)]), y.copy()) for d in domains}


SET = NamedSet(
    name="corn-nir",
    title="Corn NIR: 80 samples of corn, 700 wavelengths, measured by three spectrometers (calibration transfer)",
    domains=_DOMAINS,
    task="regression",
    n_features=700,
    files=(
        File(
            "corn_nir/cornData.mat",
            "b34ffc226ae8b20726594ae20172554ed5b0bdf5aa005a049d951180b5126cad",
            1212465,
            github(_REPOSITORY, _COMMIT, "cornData.mat"),
        ),
    ),
    licence="none stated",
    source=f"{_REPOSITORY} @ {_COMMIT[:12]}; data of Cargill, published by Eigenvector Research",
    read=_read,
    labels=_LABELS,
    notes=(
        "labels are percentages; the file numbers its columns only, their order moisture, oil, protein, starch is the"
        " publisher's and fits the ranges 9.4-11.0, 3.1-3.8, 7.7-9.7, 62.8-66.5",
        "device1 is the master instrument of the source; the publisher calls the three m5, mp5 and mp6",
        "row k is the same sample of corn in all domains: a target held back leaks through a paired source",
    ),
)
