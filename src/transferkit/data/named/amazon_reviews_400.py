"""Amazon reviews in 400 dimensions: the files of EasyTL and skada-bench."""

from __future__ import annotations

import numpy as np

from ._scaling import unit_sum_zscore
from ._set import File, NamedSet, Place, Rows, github

__all__ = ["SET"]

_REPOSITORY = "scikit-adaptation/skada-bench"
_FIRST, _SECOND = "af0537050789583bd4e2697f9a431811b5a46873", "e04399f55724b1accbed8ae1050e3c6c73fd481a"
_FILES = {  # domain: (file, sum, size, commit)
    "books": ("books_400.mat", "7a53b54f0c0e81e7ee4774d762a927399cede9a802a2409732ba00cc1c23a17a", 356724, _FIRST),
    "dvd": ("dvd_400.mat", "13a71d399f9c7ae57064952979c830455057ffd0a8da73f2c9075338d64d98ce", 360255, _SECOND),
    "electronics": (
        "elec_400.mat",
        "f1dd6e01c1eed956d3abe6493a6bb5efc95e6585b8b9b2d856c0c07e12893a35",
        316867,
        _SECOND,
    ),
    "kitchen": ("kitchen_400.mat", "b1f4e5ddfbd7b37ad2638fccbf83bd8558abf63b3e8d69a9d5bca77b1a49fed5", 287938, _FIRST),
}


def _read(place: Place, domains: tuple[str, ...], label: str, preprocess: str) -> Rows:
    from scipy.io import loadmat

    rows = {}
    for domain in domains:
        content = loadmat(place.folder / _FILES[domain][0])
        X, y = np.ascontiguousarray(content["fts"], dtype=np.float64), content["labels"].ravel().astype(np.int64)
        rows[domain] = (unit_sum_zscore(X) if preprocess == "paper" else X, y)
    return rows


SET = NamedSet(
    name="amazon-reviews-400",
    title="Amazon reviews of four kinds of goods, good or bad: 400 word frequencies (EasyTL, skada-bench)",
    domains=tuple(_FILES),
    task="classification",
    n_features=400,
    files=tuple(
        File(
            f"amazon_reviews_400/{file}", total, size,
            github(_REPOSITORY, commit, f"data/amazon_review/{file}"),
        )
        for file, total, size, commit in _FILES.values()
    ),
    licence="none stated",
    source=f"{_REPOSITORY} @ {_FIRST[:12]} and {_SECOND[:12]}",
    read=_read,
    preprocessings=("raw", "paper"),
    notes=(
        "labels are 0 and 1; the source does not say which is good",
        "rows sum to 1 as they come; some columns are constant in a domain",
        "paper: rows divided by their sum, then columns standardised in each domain with the population's deviation",
    ),
)  # fmt: skip
