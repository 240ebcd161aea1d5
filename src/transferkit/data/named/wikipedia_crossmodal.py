"""Wikipedia articles as image and as text: the cross-modal set of Rasiwasia et al."""

from __future__ import annotations

import numpy as np

from ._set import File, NamedSet, Place, Rows, github

__all__ = ["SET"]

_REPOSITORY, _COMMIT = "azrealwang/sph", "848b3751252f4deed06256447f49de6d3c0dee32"
_FILES = {
    "raw_features.mat": ("047ebad02c14b97d53b191fd42180ebb9b0e255dbb2f70c6fe4092110b4c9853", 3284889),
    "trainset_txt_img_cat.list": ("ca19aec01dd94a839abec1c4de2d35baf4ad53275ab0e5ee31bc76bcae4b67da", 155154),
    "testset_txt_img_cat.list": ("ec3123ee31cc89dd95fbeb23eb73b2ecfd1d8909bba863723471aad99408c1eb", 49494),
}


def _read(place: Place, domains: tuple[str, ...], label: str, preprocess: str) -> Rows:
    from scipy.io import loadmat

    features = loadmat(place.folder / "raw_features.mat")
    rows = {}
    for domain in domains:
        kind, _, part = domain.partition("-")
        key = "I" if kind == "image" else "T_tfidf" if preprocess == "tfidf" else "T"
        pairs = (place.folder / f"{part or 'train'}set_txt_img_cat.list").read_text(encoding="ascii").splitlines()
        y = np.array([int(pair.split()[2]) for pair in pairs])
        rows[domain] = (np.ascontiguousarray(features[f"{key}_{'te' if part else 'tr'}"]), y)
    return rows


SET = NamedSet(
    name="wikipedia-crossmodal",
    title="Wikipedia featured articles, as image (128 visual words) and as text (10 topics), in ten categories",
    domains=("image", "text", "image-test", "text-test"),
    task="classification",
    n_features={"image": 128, "text": 10, "image-test": 128, "text-test": 10},
    files=tuple(
        File(f"wikipedia_xmodal/{file}", total, size, github(_REPOSITORY, _COMMIT, f"data/{file}"))
        for file, (total, size) in _FILES.items()
    ),
    licence="none stated",
    source=f"{_REPOSITORY} @ {_COMMIT[:12]}; made by Rasiwasia et al. (ACM Multimedia 2010)",
    read=_read,
    preprocessings=("raw", "tfidf"),
    classes=(
        "art", "biology", "geography", "history", "literature", "media", "music", "royalty", "sport", "warfare",
    ),
    notes=(
        "labels are 1 to 10",
        "row k of image and row k of text are the same article; 2173 articles, and 693 in the -test domains",
        "tfidf: text as 1000 weighted words in place of the 10 topics",
    ),
)  # fmt: skip
