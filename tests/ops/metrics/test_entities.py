"""Entities of BIO labels, with the marks that begin one although they should not."""

import pytest

from transferkit.ops.metrics.entities import entities, entity_f1


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["O", "B-X", "I-X", "O"], {("X", 1, 2)}),
        (["B-X", "B-X"], {("X", 0, 0), ("X", 1, 1)}),
        (["I-X", "I-X", "I-Y"], {("X", 0, 1), ("Y", 2, 2)}),
        (["B-X", "I-Y", "I-Y"], {("X", 0, 0), ("Y", 1, 2)}),
        (["B-X"], {("X", 0, 0)}),
        (["O", "odd", "-"], set()),
        ([], set()),
    ],
)
def test_entities(labels, expected):
    assert entities(labels) == expected


def test_f1_counts_whole_entities_over_all_sentences():
    truth = [["B-X", "I-X", "O"], ["B-Y", "O", "B-X"]]
    guess = [["B-X", "O", "O"], ["B-Y", "O", "B-X"]]  # one of three has a wrong end
    assert entity_f1(truth, guess) == pytest.approx(2 * 2 / (3 + 3))
    assert entity_f1(truth, truth) == 1
    assert entity_f1([["O"]], [["O"]]) == 1
    assert entity_f1([["O"]], [["B-X"]]) == 0
