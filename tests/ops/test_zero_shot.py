"""Described classes in order, what is wrong with descriptions, and the harmonic mean."""

import numpy as np
import pytest

from transferkit import DomainError
from transferkit.ops.zero_shot import describe, handicap, zero_shot_scores


def none(texts):
    raise AssertionError("no text was given")


@pytest.mark.parametrize("dtype", [None, object])
def test_classes_are_sorted_with_their_own_vectors(dtype):
    seen = np.array(["b", "d"], dtype=dtype)
    found = describe("here", {"d": [4], "a longer name": [1], "c": [3], "b": [2]}, seen, none)
    assert found.classes.tolist() == ["a longer name", "b", "c", "d"]
    assert found.classes.dtype.kind == seen.dtype.kind
    assert found.vectors.ravel().tolist() == [1, 2, 3, 4]
    assert found.seen.tolist() == [False, True, False, True]


def test_numbers_as_classes_and_texts_as_descriptions():
    found = describe("here", {2: "bb", 0: "", 1: "a"}, np.array([0, 2]), lambda t: np.array([[len(v)] for v in t]))
    assert found.classes.tolist() == found.vectors.ravel().tolist() == [0, 1, 2]
    assert describe("here", None, np.array([3, 5]), none).vectors.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("descriptions", "said"),
    [
        ({"a": [1]}, "every class of y. Got none of"), ({"a": [1], "b": [2], 3: [1]}, "of the type of y"),
        ({"a": [1], "b": [1, 2]}, "one length"), ({"a": [1], "b": "two"}, "all texts or all vectors"),
        ({"a": [np.nan], "b": [1]}, "finite"), ({"a": [], "b": []}, "one length"),
    ],
)  # fmt: skip
def test_bad_descriptions_are_named(descriptions, said):
    with pytest.raises(DomainError, match=f"^here: descriptions must .*{said}"):
        describe("here", descriptions, np.array(["a", "b"]), none)


@pytest.mark.parametrize(
    ("seen", "key"),
    [([0, 1], (4, 5)), ([0, 1], None), ([0, 1], 2.5), ([0.5, 1], float("nan")), ([False, True], 7), (["a", "b"], 7)],
)
def test_classes_of_another_kind_are_named(seen, key):
    with pytest.raises(DomainError, match=r"^here: descriptions must have classes of the type of y"):
        describe("here", {c: [1] for c in (*seen, key)}, np.array(seen), none)


def test_whole_numbers_stay_whole():
    found = describe("here", {0: [1], 1.0: [2], 7.0: [3]}, np.array([0, 1]), none)
    assert found.classes.tolist() == [0, 1, 7]
    assert found.classes.dtype.kind == "i"


def test_seen_classes_are_lowered_or_left_out():
    found = describe("here", {"a": [1], "b": [2], "c": [3]}, np.array(["a", "c"]), none)
    assert handicap(found, "all", 0.5).tolist() == [0.5, 0, 0.5]
    assert handicap(found, "unseen", 0.5).tolist() == [np.inf, 0, np.inf]
    assert handicap(describe("here", None, np.array(["a", "c"]), none), "unseen", 0.0).tolist() == [0, 0]


def test_each_class_counts_the_same_and_the_mean_is_harmonic():
    y = ["a"] * 8 + ["b"] * 2 + ["z"] * 4
    predicted = ["a"] * 8 + ["a", "b"] + ["z", "a", "a", "a"]
    found = zero_shot_scores(y, predicted, ["a", "b"])
    assert (found.seen, found.unseen) == (0.75, 0.25)
    assert found.harmonic == pytest.approx(0.375)
    assert zero_shot_scores(["a", "z"], ["b", "a"], ["a"]).harmonic == 0
    assert np.isnan(zero_shot_scores(["a"], ["a"], ["a"]).unseen)
    with pytest.raises(DomainError, match="of one length"):
        zero_shot_scores(["a"], ["a", "b"], ["a"])
