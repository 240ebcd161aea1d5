"""Labels of several files: truth values and words go together where they say the same, all else is refused in plain words."""

from __future__ import annotations

import numpy as np
import pytest

from transferkit import TransferTask, read
from transferkit.core.errors import DataError, DomainError
from transferkit.data.label_kinds import in_kind_of, with_one_kind
from transferkit.pipeline.define import define
from transferkit.pipeline.prepare import prepare

TRUTH = np.array([True, False, True])


def texts(*words):
    return np.array(words, dtype=object)


@pytest.mark.parametrize(("word", "written"), [("true", "false"), ("False", "True"), ("TRUE", "FALSE")])
def test_truth_values_are_written_as_the_others_write_them(word, written):
    found = in_kind_of(TRUTH, texts(word, "unclear"))
    assert {word, written} == set(found)
    assert [w.lower() for w in found] == ["true", "false", "true"]


def test_words_become_truth_values_beside_such():
    assert in_kind_of(texts("True", "false"), TRUTH).tolist() == [True, False]


@pytest.mark.parametrize(
    ("y", "like"),
    [
        (TRUTH, texts("yes", "no")),
        (TRUTH, texts("true", "False")),
        (texts("yes"), TRUTH),
        (np.array([1, 2]), texts("1")),
    ],
)
def test_what_would_have_to_be_guessed_is_no_kind(y, like):
    assert in_kind_of(y, like) is None


def test_the_message_names_files_column_and_kinds():
    with pytest.raises(
        DataError, match=r"b: labels \(column 'ill'\).*true/false \(True, False\) here, and text \('yes', 'no'\) in a"
    ):
        with_one_kind([texts("yes", "no"), TRUTH], ["a", "b"], "ill")


def csv(path, labels):
    path.write_text("x,ill\n" + "".join(f"{k},{label}\n" for k, label in enumerate(labels)))
    return path


def test_files_of_one_folder(tmp_path):
    csv(tmp_path / "a.csv", ["true", "false"])
    csv(tmp_path / "b.csv", ["true", "unclear"])
    assert read(tmp_path, label="ill").y.tolist() == ["true", "false", "true", "unclear"]
    csv(tmp_path / "c.csv", [1, 2])
    with pytest.raises(
        DataError, match=r"c\.csv: labels \(column 'ill'\) .* numbers \(1, 2\) here, and text .* in .*b\.csv"
    ):
        read(tmp_path, label="ill")


def test_domains_of_a_run(tmp_path):
    three = csv(tmp_path / "three.csv", ["true", "false", "unclear", "true", "false", "unclear"])
    two = csv(tmp_path / "two.csv", ["true", "false", "true", "false"])
    words = csv(tmp_path / "words.csv", ["yes", "no", "yes", "no"])

    def prepared(source, target):
        sources = source if isinstance(source, list) else [source]
        return prepare(define(TransferTask(list(map(str, sources)), str(target), label="ill")))

    assert prepared(three, two).held_back.y.tolist() == ["true", "false", "true", "false"]
    numbers = csv(tmp_path / "numbers.csv", [1, 0, 1, 0])
    assert prepared(two, numbers).held_back.y.tolist() == [True, False, True, False]
    again = csv(tmp_path / "again.csv", ["true", "false", "true"])
    assert prepared([two, three], again).classes.tolist() == ["false", "true", "unclear"]
    with pytest.raises(
        DomainError, match=r"words: labels \(column 'ill'\) .* text \('yes', 'no'\) here, and true/false .* in two"
    ):
        prepared(two, words)
    with pytest.raises(DomainError, match=r"two: labels .* true/false .* here, and text .* in words"):
        prepared(words, two)


def test_dates_are_no_labels_and_the_message_says_what_to_do(tmp_path):
    with pytest.raises(
        DataError, match=r"d\.csv: label .* 'ill', which holds dates \(2024-01-02\)\. Write a class as a word"
    ):
        read(csv(tmp_path / "d.csv", ["2024-01-02", "2024-02-03"]), label="ill")
