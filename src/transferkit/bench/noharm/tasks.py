"""The tasks: pairs of domains, halves of one domain, other class shares, at two sizes. Every draw follows from the task's name."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD

from ...core.protocols import Array, Domain
from ...data.encode import TableEncoder
from .domains import Rows, domains

__all__ = ["SIZES", "Task", "tasks"]

SIZES = (1000, 250)
MOST_COLUMNS = 200
_SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")

# Data set -> (family, group, pairs of domains). A group is data of one origin; nothing of it is seen when it is judged.
_PAIRS: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "surf": ("surf", tuple(itertools.permutations(("amazon", "caltech", "dslr", "webcam"), 2))),
    "digits": (
        "digits",
        (
            ("long-mnist", "long-usps"), ("long-usps", "long-mnist"), ("mnist", "usps"), ("usps", "mnist"),
            *(("mnist", to) for to in ("turned-15", "turned-30", "turned-45", "turned-60", "blurred", "coarse", "small")),
            ("turned-30", "mnist"), ("blurred", "mnist"),
        ),
    ),
    "scans": ("scans", (("clean", "scanner"), ("scanner", "clean"))),
    "reviews-400": ("reviews", tuple(itertools.permutations(("books", "dvd", "electronics", "kitchen"), 2))),
    "reviews-5000": ("reviews", tuple(itertools.permutations(("books", "dvd", "electronics", "kitchen"), 2))),
    "reviews-minilm": ("reviews", tuple(itertools.permutations(("books", "dvd", "electronics", "kitchen"), 2))),
    "bearings": ("bearings", tuple(itertools.permutations(("0hp", "1hp", "2hp", "3hp"), 2))),
    "speech": (
        "speech",
        tuple((a, b) for k, (a, b) in enumerate(itertools.permutations(_SPEAKERS, 2)) if k % 2 == 0),
    ),
    "phones": (
        "phones",
        (("phone-13", "phone-14"), ("phone-14", "phone-13"), ("phone-13", "phone-7"), ("phone-14", "phone-7"),
         ("phone-7", "phone-13"), ("phone-14", "phone-8"), ("phone-13", "validation-phone-13")),
    ),
    "credit": ("credit", tuple(itertools.permutations(("graduate-school", "university", "high-school"), 2))),
    "german": ("german", (("own", "rent"), ("own", "free"), ("rent", "own"), ("free", "own"))),
    "citations": ("citations", tuple(itertools.permutations(("acm", "citation", "dblp"), 2))),
    "pacs": ("pacs", tuple(itertools.permutations(("photo", "art", "cartoon", "sketch"), 2))),
    "pneumonia": (
        "pneumonia", (("train", "test"), ("train", "bright"), ("train", "blurred"), ("train", "noisy")),
    ),
}  # fmt: skip
# Data set -> domains whose halves are source and target.
_HALVES = (
    ("surf", "caltech"), ("surf", "amazon"), ("digits", "mnist"), ("digits", "usps"), ("scans", "clean"),
    ("reviews-400", "books"), ("reviews-minilm", "kitchen"), ("bearings", "0hp"), ("speech", "theo"), ("phones", "phone-14"),
    ("credit", "university"), ("german", "own"), ("citations", "acm"), ("pacs", "photo"), ("pneumonia", "train"),
)  # fmt: skip
# Data set -> pairs that get other class shares on top.
_BOTH = (
    ("surf", "caltech", "amazon"), ("surf", "amazon", "webcam"), ("digits", "mnist", "usps"), ("digits", "mnist", "turned-30"),
    ("reviews-minilm", "dvd", "kitchen"), ("reviews-5000", "books", "electronics"), ("bearings", "0hp", "3hp"),
    ("bearings", "2hp", "1hp"), ("speech", "theo", "jackson"), ("speech", "nicolas", "george"), ("citations", "acm", "dblp"),
    ("citations", "dblp", "citation"), ("pacs", "art", "photo"), ("pacs", "photo", "cartoon"), ("pneumonia", "train", "bright"),
    ("phones", "phone-13", "phone-14"),
)  # fmt: skip


@dataclass(frozen=True)
class Task:
    """One task of the benchmark.

    Attributes
    ----------
    name : str
    family : str
        Data set; what a table's line shows.
    group : str
        Origin of the data; a rule is judged on groups that it has not seen.
    kind : {"domains", "halves", "other shares", "domains, other shares", "biased sample"}
    data, source, target : str
        Data set and its domains.
    n : int
        Most rows a domain.
    """

    name: str
    family: str
    group: str
    kind: str
    data: str
    source: str
    target: str
    n: int

    def load(self) -> tuple[Array, Array, Array, Array]:
        """Xs, ys, Xt and the hidden yt: dense, at most 200 columns; classes of the target are classes of the source."""
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        held = domains(self.data)
        source, target = held[self.source], held[self.target]
        if self.kind == "biased sample":
            source, target = _biased(target, rng)
        elif self.source == self.target:
            order = rng.permutation(len(source[1]))
            source, target = (_take(source, half) for half in np.array_split(order, 2))
        source, target = _shared(source, target)
        if "other shares" in self.kind:
            target = _reshared(target, rng)
        source, target = (_take(r, rng.permutation(len(r[1]))[: self.n]) for r in (source, target))
        source, target = _shared(source, target)
        return (*_dense(source, target), target[1])


def tasks() -> Iterator[Task]:
    """Every task, the cheap size last."""
    for n in SIZES:
        for data, (group, pairs) in _PAIRS.items():
            for a, b in pairs:
                yield Task(f"{data}: {a} -> {b}, {n}", data, group, "domains", data, a, b, n)
        for data, a in _HALVES:
            group = _PAIRS[data][0]
            yield Task(f"{data}: halves of {a}, {n}", data, group, "halves", data, a, a, n)
            yield Task(f"{data}: halves of {a}, other shares, {n}", data, group, "other shares", data, a, a, n)
        for data, a, b in _BOTH:
            kind = "domains, other shares"
            yield Task(f"{data}: {a} -> {b}, other shares, {n}", data, _PAIRS[data][0], kind, data, a, b, n)
        for k in range(3 if n == max(SIZES) else 0):  # these tables have fewer rows than the large size
            for a in ("breast_cancer", "wine"):
                yield Task(f"tables: {a}, biased sample {k}", "tables", "tables", "biased sample", "tables", a, a, n)


def _take(rows: Rows, index: Array) -> Rows:
    return rows[0][index], rows[1][index]


def _shared(source: Rows, target: Rows) -> tuple[Rows, Rows]:
    """Classes that both have, three rows each in the source at least."""
    classes, counts = np.unique(source[1], return_counts=True)
    both = np.intersect1d(classes[counts >= 3], target[1])
    return tuple(_take(r, np.flatnonzero(np.isin(r[1], both))) for r in (source, target))  # type: ignore[return-value]


def _reshared(rows: Rows, rng: np.random.Generator) -> Rows:
    """Class shares drawn from a flat Dirichlet distribution, without repeating a row."""
    y = rows[1]
    classes = np.unique(y)
    shares = rng.dirichlet(np.ones(len(classes)))
    most = min((y == c).sum() / s for c, s in zip(classes, shares) if s > 0.05)
    drawn = [rng.permutation(np.flatnonzero(y == c))[: max(3, int(s * most))] for c, s in zip(classes, shares)]
    return _take(rows, rng.permutation(np.concatenate(drawn)))


def _biased(rows: Rows, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Half of the rows as target; of the others those are likely in the source whose value of a random column is low."""
    order = rng.permutation(len(rows[1]))
    half, rest = np.array_split(order, 2)
    column = np.asarray(rows[0])[:, rng.integers(rows[0].shape[1])]
    z = (column[rest] - np.median(column)) / (column.std() or 1.0)
    kept = rest[rng.random(len(rest)) < 1 / (1 + np.exp(2.5 * z))]
    return _take(rows, kept), _take(rows, half)


def _dense(source: Rows, target: Rows) -> tuple[Array, Array, Array]:
    """Plain arrays, tables encoded as `transferkit run` does it; then more than 200 columns become 200 principal directions."""
    if sparse.issparse(source[0]):  # words: rows of unit length, as they are
        Xs, Xt = source[0], target[0]
    else:
        encoder = TableEncoder().fit(source[0], target=Domain(target[0]))
        Xs, Xt = encoder.transform(source[0]), encoder.transform(target[0])
    both: Any = sparse.vstack([Xs, Xt]) if sparse.issparse(Xs) else np.vstack([Xs, Xt])
    if both.shape[1] > MOST_COLUMNS:
        both = TruncatedSVD(min(MOST_COLUMNS, both.shape[0] - 1), random_state=0).fit_transform(both)
    elif sparse.issparse(both):
        both = both.toarray()
    Z = np.ascontiguousarray(both, dtype=np.float64)
    return Z[: Xs.shape[0]], source[1], Z[Xs.shape[0] :]
