"""Amazon reviews as 5000 counts of words and word pairs: the split of mSDA and DANN."""

from __future__ import annotations

import numpy as np

from ._set import File, NamedSet, Place, Rows, github

__all__ = ["SET"]

_REPOSITORY = "GRAAL-Research/domain_adversarial_neural_network"
_EARLY, _LATE = "35d15ded645989bab9f6ea431a8fcd07c0909f01", "9c89dea39409345c5d158373aea31b1518bc8632"
_FILES = {  # file: (sum and size as published, sum and size with gzip, commit)
    "books_train": (
        "317f9a2ec34b81de770b63a84d8c5cc2dc16bd0be6e079d2ff5b5bad5213ea19", 1134070,
        "9a40a9a4960c2b61149c10dabb67cfe45a30a18ab8bb261f3175be2f950d8a52", 348464, _LATE,
    ),
    "books_test": (
        "fe4605c7dcf0e0a9410fd2a32f247caaf9abb352cc6e4c3e0f400853163ad9c4", 2426071,
        "2711a2434a919baadb055e5752aa49f4c133d9113b78c4f6ffd9ed78c715c263", 742691, _LATE,
    ),
    "dvd_train": (
        "95f602aa08bf6b55758f7b0b18df3882fe30acb11987ee60b6b4bb3c44cba733", 1133356,
        "3dcb87941cd88513bb911b427f737b848da1192dcfc544e24f62cda161617a3e", 346813, _EARLY,
    ),
    "dvd_test": (
        "4fe1b1a15010f78d8d0c49fe362d35fd4677463a45f1ac02a9f410ae1e638060", 2039832,
        "48cb00fc021dfaa55925f8e2f0ed50f768d6455a155dd4ee10429433e39628eb", 624453, _LATE,
    ),
    "electronics_train": (
        "7d0061f03ff3827e4f8036b051b5e5828fddc0cd115aa5b212cd28d624dc14e4", 872265,
        "812b9a603796f57cd57cdd33f1701b260769dcfbe73a30ad63ce120837fdf70e", 267401, _LATE,
    ),
    "electronics_test": (
        "641783bc941839c3a111d3488a1b7e3bd820a61ec14a129e7429b47703aa961d", 2461224,
        "347092c4c55d4d2d3b9ec6e3d2152849e745e10bf8c675e15b82115a06f450c2", 751810, _EARLY,
    ),
    "kitchen_train": (
        "a70b5ebfe1413e0e16280360905f5c3b64389c435cd20c0165dc9d7f293b31b5", 771076,
        "8f719406c1e28f1e6fcddcf4d9f124ee04d9ee54b05d7f44fd3d7d1a78f395ad", 235314, _EARLY,
    ),
    "kitchen_test": (
        "e1502b97a824eb12314be4447394fa736fecb781c0724e6529cd6733ac7ff6d8", 2280620,
        "3b13806bc2d75df802014c18f021da2a611bfcd256247da1c69675c92ffeae0b", 692193, _LATE,
    ),
}  # fmt: skip


def _read(place: Place, domains: tuple[str, ...], label: str, preprocess: str) -> Rows:
    from sklearn.datasets import load_svmlight_file

    ending = ".svmlight" if place.original else ".svmlight.gz"
    rows = {}
    for domain in domains:
        stem = domain.replace("-", "_") if domain.endswith("-test") else f"{domain}_train"
        X, y = load_svmlight_file(str(place.folder / f"{stem}{ending}"), n_features=5000, zero_based=True)
        # scikit-learn's solvers take 32-bit indices only.
        X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
        rows[domain] = (X, y.astype(np.int64))
    return rows


SET = NamedSet(
    name="amazon-reviews-5000",
    title="Amazon reviews of four kinds of goods, good or bad: counts of 5000 words and word pairs (mSDA, DANN)",
    domains=tuple(f.removesuffix("_train").replace("_test", "-test") for f in _FILES),
    task="classification",
    n_features=5000,
    files=tuple(
        File(f"amazon_reviews_dann_svmlight/{file}.svmlight.gz", total, size)
        for file, (_, _, total, size, _) in _FILES.items()
    ),
    licence="BSD-style licence in the repository",
    source=f"{_REPOSITORY}; made from Blitzer's reviews by Chen et al. (ICML 2012)",
    read=_read,
    notes=(
        "labels are -1 (bad) and 1 (good); both are classes",
        "a domain without ending is its 2000 training reviews, one ending in -test its 3586 to 5945 test reviews",
        "X is sparse (CSR)",
    ),
    originals=tuple(
        File(
            f"amazon_reviews_dann_svmlight/{file}.svmlight", total, size,
            github(_REPOSITORY, commit, f"data/{file}.svmlight"),
        )
        for file, (total, size, _, _, commit) in _FILES.items()
    ),
)  # fmt: skip
