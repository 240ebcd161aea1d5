"""Amazon reviews as texts: four kinds of products, positive or negative."""

from __future__ import annotations

import numpy as np

from ..rows import Ask
from ..samples import join_samples
from ..texts import read_reviews
from ._set import File, NamedSet, Place, Rows

__all__ = ["SET"]

_FOLDERS = {"books": "books", "dvd": "dvd", "electronics": "electronics", "kitchen": "kitchen_&_housewares"}
_SUMS = {
    ("books", "negative"): "a1288f557e2bc923947509cad72245283e7ef2ae59b96a314e52c62c7874855c",
    ("books", "positive"): "f552f6da47d009a72ca63fdc88328674cbfa7c4b1967651a508187c6f916206d",
    ("dvd", "negative"): "c05a8c4b1d01f0893b2f3e36e073d8e90e232240c395579a0052a1308c5a4f4c",
    ("dvd", "positive"): "98d6019b6090c89e968c280d2965e7a3daa9d8420dd95c93c7b7f706fff1c648",
    ("electronics", "negative"): "9b386a9a543c77b1f12d8f59bca2d0a6b5ebb08ed384438f34503e7bc1816fd6",
    ("electronics", "positive"): "e8928df96bbb53eda198fa937d6f0371fba9290a46c61e96906548502095caee",
    ("kitchen", "negative"): "1309dc0195e4412bc6870e341188a97f82e3bd0c025fc4d1764d5ae45a2dc485",
    ("kitchen", "positive"): "44e1da65b292757a459532ca480833862fb67ffd0ecbfa833c307878dee8ee4e",
}


def _read(place: Place, domains: tuple[str, ...], label: str, preprocess: str) -> Rows:
    ask = Ask(label=None if label == "sentiment" else label)
    rows = {}
    for domain in domains:
        parts = [
            read_reviews(place.folder / _FOLDERS[domain] / f"{side}.review.gz", ask)
            for side in ("negative", "positive")
        ]
        rows[domain] = (join_samples([p.X for p in parts]), np.concatenate([p.y for p in parts if p.y is not None]))
    return rows


SET = NamedSet(
    name="amazon-reviews-text",
    title="Amazon reviews as texts: 1,000 positive and 1,000 negative ones of four kinds of products",
    domains=tuple(_FOLDERS),
    task="classification",
    n_features=None,
    files=tuple(
        File(f"amazon_reviews_text/{_FOLDERS[domain]}/{side}.review.gz", total)
        for (domain, side), total in _SUMS.items()
    ),
    licence="none stated",
    source="lorenzoritter/domainadaption @ f35a7541 : sorted_data_acl (Blitzer, Dredze & Pereira, ACL 2007)",
    read=_read,
    labels=("sentiment", "rating"),
    classes=("negative", "positive"),
    notes=(
        "X is a sequence of texts: the body of each review, without its title",
        "rating: 1 or 2 stars where negative, 4 or 5 where positive; a number, for regression",
        "the unlabelled reviews of the original are not part of it; gzipped here: there is no public address of these bytes",
    ),
)
