"""How alike the names of two predicates are: split into words, words as vectors, and four distances of bags of words."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from ...core.errors import DomainError
from ...core.protocols import Array

__all__ = ["DISTANCES", "character_vectors", "name_distances", "split_name", "vectors_of"]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+|\d+")


def split_name(name: str, vocabulary: Iterable[str] = ()) -> list[str]:
    """The words of a predicate's name, in lower case.

    They end at signs, digits and capitals; what is left is cut into the fewest words of the vocabulary, of equally few the
    cut whose words are longest at the end. A part that no words of it make up stays whole.

    Examples
    --------
    >>> from transferkit.ops.relational.names import split_name
    >>> split_name("workedunder", ["worked", "under"]), split_name("hasWord_author2")
    (['worked', 'under'], ['has', 'word', 'author', '2'])
    """
    known = {word.lower() for word in vocabulary}
    return [word for part in _WORD.findall(name) for word in _cut(part.lower(), known)] or [name.lower()]


def _cut(text: str, known: set[str]) -> list[str]:
    """The cut into the fewest known words, by the shortest way over the letters."""
    best: list[list[str] | None] = [[]] + [None] * len(text)
    for end in range(1, len(text) + 1):
        for start in range(end):
            before, word = best[start], text[start:end]
            if before is not None and word in known and (best[end] is None or len(before) + 1 < len(best[end] or ())):
                best[end] = [*before, word]
    return best[-1] or [text]


def character_vectors(words: Sequence[str], n_features: int = 512) -> Array:
    """Words by the counts of their letters in runs of three, hashed: alike in spelling is near, meaning is not seen."""
    vectors = np.zeros((len(words), n_features))
    for row, word in enumerate(words):
        padded = f"<{word}>"
        for k in range(len(padded) - 2):
            vectors[row, zlib.crc32(padded[k : k + 3].encode()) % n_features] += 1
    return vectors


def vectors_of(words: Sequence[str], embed: Mapping[str, Array] | Callable[[list[str]], Array]) -> Array:
    """Vectors of words, of shape (n_words, n_dims): looked up, or asked for in one call. A word that is not in a table is zero.

    Raises
    ------
    DomainError
        If there is not one finite vector of the same length for each word.
    """
    if isinstance(embed, Mapping):
        lengths = {np.shape(vector) for vector in embed.values()}
        if len(lengths) != 1 or len(next(iter(lengths))) != 1:
            raise DomainError(f"vectors_of: embed must hold vectors of one length. Got shapes {sorted(lengths)}.")
        zero = np.zeros(next(iter(lengths)))
        found = np.array([embed.get(word, zero) for word in words], dtype=np.float64)
    else:
        found = np.asarray(embed(list(words)), dtype=np.float64)
    if found.ndim != 2 or len(found) != len(words) or not np.isfinite(found).all():
        raise DomainError(
            f"vectors_of: embed must give one finite vector for each of {len(words)} words. Got shape {found.shape}."
        )
    return found


def _euclidean(a: Array, b: Array) -> float:
    """Between the words' vectors one after the other, the shorter name filled up with zeros."""
    rows = max(len(a), len(b))
    return float(np.linalg.norm(np.pad(a, ((0, rows - len(a)), (0, 0))) - np.pad(b, ((0, rows - len(b)), (0, 0)))))


def _soft_cosine(a: Array, b: Array) -> float:
    """One minus the cosine of bags of words among which words are alike by the square of their (positive) cosine."""

    def product(u: Array, v: Array) -> float:
        norms = np.linalg.norm(u, axis=1)[:, None] * np.linalg.norm(v, axis=1)
        cosines = np.divide(u @ v.T, norms, out=np.zeros_like(norms), where=norms > 0)
        return float((np.maximum(cosines, 0) ** 2).sum())

    size = np.sqrt(product(a, a) * product(b, b))
    return 1.0 - product(a, b) / size if size > 0 else 1.0


def _costs(a: Array, b: Array) -> Array:
    return np.linalg.norm(a[:, None] - b[None], axis=2)


def _word_movers(a: Array, b: Array) -> float:
    """The least cost of moving one name's words, equally heavy, onto the other's."""
    from ot import emd2  # here, because importing POT loads every array library installed

    return float(emd2(np.full(len(a), 1 / len(a)), np.full(len(b), 1 / len(b)), _costs(a, b)))


def _relaxed_word_movers(a: Array, b: Array) -> float:
    """The larger of the two costs where only one side's weights have to be kept: a lower bound of the word mover's distance."""
    costs = _costs(a, b)
    return float(max(costs.min(axis=1).mean(), costs.min(axis=0).mean()))


DISTANCES: Mapping[str, Callable[[Array, Array], float]] = {
    "euclidean": _euclidean,
    "soft-cosine": _soft_cosine,
    "wmd": _word_movers,
    "relaxed-wmd": _relaxed_word_movers,
}


def name_distances(
    source: Sequence[Sequence[str]],
    target: Sequence[Sequence[str]],
    embed: Mapping[str, Array] | Callable[[list[str]], Array],
    kind: str,
) -> Array:
    """Distances of names, given as words, of shape (n_source, n_target).

    Parameters
    ----------
    source, target : sequences of sequences of str
        The words of each name.
    embed : mapping or callable
        As `vectors_of`.
    kind : {"euclidean", "soft-cosine", "wmd", "relaxed-wmd"}
        Which distance.
    """
    words = sorted({word for name in (*source, *target) for word in name})
    place = {word: k for k, word in enumerate(words)}
    vectors = vectors_of(words, embed)
    bags = [[vectors[[place[word] for word in name]] for name in side] for side in (source, target)]
    return np.array([[DISTANCES[kind](a, b) for b in bags[1]] for a in bags[0]]).reshape(len(source), len(target))
