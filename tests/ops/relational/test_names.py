"""Names as words, and the four distances of bags of words by hand and by theorem."""

from __future__ import annotations

import numpy as np
import pytest

from transferkit.core.errors import DomainError
from transferkit.ops.relational.names import DISTANCES, character_vectors, name_distances, split_name, vectors_of

TABLE = {"a": np.array([0.0, 0]), "b": np.array([3.0, 4]), "c": np.array([0.0, 1]), "d": np.array([0.0, 2])}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("workedunder", ["worked", "under"]),
        ("has_word_author", ["has", "word", "author"]),
        ("sameBib2", ["same", "bib", "2"]),
        ("HTTPServer", ["http", "server"]),
        ("advisedby", ["advised", "by"]),
        ("professor", ["professor"]),
        ("advisedbyx", ["advisedbyx"]),
        ("!!", ["!!"]),
    ],
)
def test_names_are_split_at_signs_capitals_and_known_words(name, words):
    assert split_name(name, ["worked", "under", "work", "ed", "un", "der", "advised", "by", "b", "y"]) == words


def test_distances_by_hand():
    a, b, cd = (np.array([TABLE[k] for k in key]) for key in ("a", "b", "cd"))
    assert DISTANCES["euclidean"](a, b) == 5
    assert DISTANCES["euclidean"](b, cd) == pytest.approx(np.sqrt(9 + 9 + 4))  # (3, 4, 0, 0) and (0, 1, 0, 2)
    assert DISTANCES["wmd"](b, cd) == pytest.approx((np.hypot(3, 3) + np.hypot(3, 2)) / 2)
    assert DISTANCES["relaxed-wmd"](b, cd) == pytest.approx((np.hypot(3, 3) + np.hypot(3, 2)) / 2)
    assert DISTANCES["soft-cosine"](cd[:1], cd[1:]) == pytest.approx(0)
    assert DISTANCES["soft-cosine"](b, cd[:1]) == pytest.approx(1 - 0.8**2)
    assert DISTANCES["soft-cosine"](a, b) == 1.0  # a word without a vector is like nothing


def test_relaxed_is_a_lower_bound_and_equal_names_are_nearest():
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.normal(size=(rng.integers(1, 4), 5)), rng.normal(size=(rng.integers(1, 4), 5))
        assert DISTANCES["relaxed-wmd"](a, b) <= DISTANCES["wmd"](a, b) + 1e-12
        for distance in DISTANCES.values():
            assert distance(a, a) == pytest.approx(0, abs=1e-7)
            assert distance(a, b) > 0


def test_a_table_of_distances_takes_mappings_and_callables():
    names = [["a"], ["b", "c"]]
    by_table = name_distances(names, [["c"]], TABLE, "wmd")
    asked = []

    def embed(words):
        asked.append(words)
        return [TABLE[w] for w in words]

    np.testing.assert_array_equal(name_distances(names, [["c"]], embed, "wmd"), by_table)
    assert asked == [["a", "b", "c"]]  # once
    assert by_table.shape == (2, 1)
    assert name_distances([], [["c"]], TABLE, "wmd").shape == (0, 1)


def test_vectors_that_cannot_be_used_are_refused():
    np.testing.assert_array_equal(vectors_of(["a", "zzz"], {"a": np.ones(2)}), [[1, 1], [0, 0]])
    for embed in ({}, {"a": np.ones(2), "b": np.ones(3)}, lambda w: np.ones(3), lambda w: [[np.nan]] * len(w)):
        with pytest.raises(DomainError, match="embed must"):
            vectors_of(["a", "b"], embed)


def test_characters_know_spelling_only():
    student, students, dean = character_vectors(["student", "students", "dean"])
    assert np.linalg.norm(student - students) < np.linalg.norm(student - dean)
    np.testing.assert_array_equal(character_vectors(["student"])[0], student)
