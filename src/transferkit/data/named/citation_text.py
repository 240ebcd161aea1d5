"""Citation networks as texts: titles of papers in three libraries, five fields of research."""

from __future__ import annotations

import numpy as np

from ...core.protocols import Array
from ._set import File, NamedSet, Place, Rows, github

__all__ = ["SET"]

_REPOSITORY, _COMMIT = "daiquanyu/AdaGCN_TKDE", "82522f00"
_FILES = {  # domain: (file, sum, size)
    "acm": ("acmv9.mat", "4b396fa0fda6f285ca18046509563d63fd6cdea56d4af84c51f2176c18e2f16f", 2246072),
    "citation": ("citationv1.mat", "e6de7a5636ed16e18143dbe11d1d4c0a3d50a29053187baab7876b7754f61430", 2078672),
    "dblp": ("dblpv7.mat", "743b85fece855b5da34aa0aa0c1977446815dbcdc28e61282e19710da5993a1d", 1131032),
}


def _read(place: Place, domains: tuple[str, ...], label: str, preprocess: str) -> Rows:
    from scipy.io import loadmat

    rows = {}
    for domain in domains:
        content = loadmat(place.folder / _FILES[domain][0])
        groups: Array = np.asarray(content["group"])
        one = groups.sum(axis=1) == 1  # a class needs papers of one field
        X = content["attrb"].tocsr()[np.flatnonzero(one)].astype(np.float64)
        X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
        rows[domain] = (X, groups[one].argmax(axis=1).astype(np.int64))
    return rows


SET = NamedSet(
    name="citation-text",
    title="Papers of three digital libraries in five fields of research: words of their titles and keywords (AdaGCN)",
    domains=tuple(_FILES),
    task="classification",
    n_features=6775,
    files=tuple(
        File(f"citation_graphs/{file}", total, size, github(_REPOSITORY, _COMMIT, f"input/{file}"))
        for file, total, size in _FILES.values()
    ),
    licence="none stated",
    source=f"{_REPOSITORY} @ {_COMMIT}",
    read=_read,
    notes=("papers of several fields are left out", "the citations between the papers are not read"),
)
