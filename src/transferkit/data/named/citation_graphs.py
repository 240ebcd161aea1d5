"""Three citation networks of papers: the benchmark of node classification across graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ._set import File, NamedSet, Place, Rows, github

__all__ = ["SET"]

_REPOSITORY, _COMMIT = "daiquanyu/AdaGCN_TKDE", "82522f00d594b54b4b345c75e704f3847393ffa1"
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
        X, topics = _csr(content["attrb"]), np.asarray(content["group"], dtype=np.int64)
        if preprocess == "paper":
            X = sparse.csr_matrix(sparse.diags(1 / np.maximum(X.sum(axis=1), 1).A1, dtype=np.float32) @ X)
        y = topics if label == "topics" else topics.argmax(axis=1)
        rows[domain] = (X, y, None, _csr(content["network"]))
    return rows


def _csr(matrix: Any) -> Any:
    """Float32 and int32, without stored zeros."""
    csr = sparse.csr_matrix(matrix, dtype=np.float32)
    csr.eliminate_zeros()
    csr.sort_indices()
    return csr


SET = NamedSet(
    name="citation-graphs",
    title="Papers that cite each other, in ACM, Citation and DBLP, by counts of 6775 words in their titles, in five topics",
    domains=tuple(_FILES),
    task="classification",
    n_features=6775,
    files=tuple(
        File(f"citation_graphs/{file}", total, size, github(_REPOSITORY, _COMMIT, f"input/{file}"))
        for file, total, size in _FILES.values()
    ),
    licence="none stated",
    source=f"{_REPOSITORY} @ {_COMMIT[:12]}; made by Shen, Dai, Chung, Lu & Choi (AAAI 2020)",
    read=_read,
    labels=("topic", "topics"),
    preprocessings=("raw", "paper"),
    notes=(
        "ACMv9, Citationv1 and DBLPv7; X is sparse, and every edge is there in both directions",
        "581, 166 and 15 papers have two topics: label topics gives a table of 0 and 1, as in the literature; label topic"
        " gives the first of them, so that methods of one class a row can be used",
        "15556, 15098 and 8117 edges as published; 46, 15 and 13 papers cite themselves besides",
        "the order of the topics is not stated by the source",
        "paper: rows divided by their sum, as in the code of AdaGCN",
    ),
)
