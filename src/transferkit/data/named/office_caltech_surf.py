"""Office-Caltech10 with SURF bags of words: the classic benchmark of shallow domain adaptation."""

from __future__ import annotations

import numpy as np

from ._scaling import unit_sum_zscore
from ._set import File, NamedSet, Place, Rows, github

__all__ = ["SET"]

_REPOSITORY, _COMMIT = "AngryCarrot/JDA", "12167daf32b01a07b85fdfa3db57a42b3be7eefe"
_FILES = {  # domain: (file, sum, size)
    "amazon": ("amazon_SURF_L10.mat", "df32548b994e18d364c99e1f317e1fae100597259f0423a41b90f4f68187bb1f", 104970),
    "caltech": ("Caltech10_SURF_L10.mat", "4f9334c8ced489d5054de97a5fd51a61f017f3bcd1f38c9a85c6d78cb9d7bda5", 150751),
    "dslr": ("dslr_SURF_L10.mat", "44d673c68e1d07b837893aa74dba3b986e4a6cc3fd66f0dd357683bdef059216", 18348),
    "webcam": ("webcam_SURF_L10.mat", "a6a9c78b4b7181dfbb58bcfd351d4ebd737f171c31247b8884948aa156d3f700", 32406),
}


def _read(place: Place, domains: tuple[str, ...], label: str, preprocess: str) -> Rows:
    from scipy.io import loadmat

    rows = {}
    for domain in domains:
        content = loadmat(place.folder / _FILES[domain][0])
        X, y = content["fts"].astype(np.float64), content["labels"].ravel().astype(np.int64)
        rows[domain] = (unit_sum_zscore(X) if preprocess == "paper" else X, y)
    return rows


SET = NamedSet(
    name="office-caltech-surf",
    title="Office-Caltech10, SURF features: object photos from four places, counts of 800 visual words",
    domains=tuple(_FILES),
    task="classification",
    n_features=800,
    files=tuple(
        File(f"office_caltech10_surf/{file}", total, size, github(_REPOSITORY, _COMMIT, f"data/{file}"))
        for file, total, size in _FILES.values()
    ),
    licence="none stated",
    source=f"{_REPOSITORY} @ {_COMMIT[:12]}; made by Gong, Shi, Sha & Grauman (CVPR 2012)",
    read=_read,
    preprocessings=("raw", "paper"),
    classes=(
        "backpack", "touring-bike", "calculator", "headphones", "computer-keyboard", "laptop-101", "computer-monitor",
        "computer-mouse", "coffee-mug", "video-projector",
    ),
    notes=(
        "labels are 1 to 10",
        "paper: rows divided by their sum, then columns standardised in each domain with the population's deviation",
    ),
)  # fmt: skip
