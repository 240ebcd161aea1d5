"""Labels: what they are, and the way there and back."""

import numpy as np
import pytest
import torch

from transferkit.core.errors import DomainError
from transferkit.engine.answers.labels import as_values, find_labels


def test_classes():
    labels = find_labels("Here.fit", np.array(["b", "a", "b"]), 3)
    assert labels.kind == "classification"
    assert labels.classes.tolist() == ["a", "b"]
    assert labels.encode(np.array(["b", "a"])).tolist() == [1, 0]
    assert labels.predict(np.array([[2.0, 1.0], [0.0, 3.0]])).tolist() == ["a", "b"]
    assert labels.proba(np.array([[0.0, 0.0]])).tolist() == [[0.5, 0.5]]
    with pytest.raises(DomainError, match=r"Got also \['c'\]"):
        labels.encode(np.array(["c"]))


def test_several_labels_a_row():
    labels = find_labels("Here.fit", np.array([[0, 1, 1], [1, 0, 0]]), 2)
    assert (labels.kind, labels.n_outputs) == ("multilabel", 3)
    assert labels.predict(np.array([[-1.0, 0.1, 3.0]])).tolist() == [[0, 1, 1]]
    assert labels.proba(np.array([[0.0, -1e9, 1e9]])).round(9).tolist() == [[0.5, 0, 1]]


def test_numbers_are_standardised_and_come_back():
    y = np.array([10.5, 20.25, 40.0])
    labels = find_labels("Here.fit", y, 3)
    coded = labels.encode(y)
    assert labels.kind == "regression"
    assert abs(float(coded.mean())) < 1e-6
    np.testing.assert_allclose(labels.predict(coded.numpy()), y, rtol=1e-6)
    assert float(labels.loss(coded, coded)) == 0
    two = find_labels("Here.fit", np.column_stack([y, y * 2 + 0.5]), 3)
    assert two.predict(two.encode(np.column_stack([y, y])).numpy()).shape == (3, 2)


def test_losses_by_hand():
    labels = find_labels("Here.fit", np.array([0, 1]), 2)
    value = labels.loss(torch.zeros(2, 2), torch.tensor([0, 1]))
    assert float(value) == pytest.approx(np.log(2))
    assert labels.loss(torch.zeros(2, 2), torch.tensor([0, 1]), "none").shape == (2,)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "Got None"),
        ([0, 1], "one label a row of X"),
        ([1, 1, 1], "at least two classes"),
        ([0.5, np.nan, 1.0], "finite"),
    ],
)
def test_what_is_no_label(y, message):
    with pytest.raises(DomainError, match=f"Here.fit: y must .*{message}"):
        find_labels("Here.fit", y, 3)


@pytest.mark.parametrize("mixed", [np.array(["a", 1, "a"], dtype=object), ["a", 1, "a"], ("a", 2.5, "b")])
def test_text_beside_numbers_is_refused_and_not_made_text(mixed):
    with pytest.raises(DomainError, match=r"Here\.fit: y must hold text or numbers, one type throughout"):
        find_labels("Here.fit", mixed, 3)
    labels = find_labels("Here.fit", ["a", "b"], 2)
    with pytest.raises(DomainError, match="one type throughout"):
        labels.encode(mixed)


def test_objects_of_one_type_are_what_they_are():
    assert as_values(np.array(["a", "bc"], dtype=object)).dtype.kind == "U"
    assert as_values(np.array([1, 2], dtype=object)).dtype.kind == "i"
    assert as_values(np.array([[0, 1.5]], dtype=object)).shape == (1, 2)
    assert find_labels("Here.fit", ["a", "b"], 2).encode(np.array(["b", "a"], dtype=object)).tolist() == [1, 0]
