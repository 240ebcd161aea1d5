"""Outputs that grow: shared or of their own, in any order, of any name; and what a task must be."""

import numpy as np
import pytest

from transferkit import Domain, DomainError, StreamingLDA
from transferkit.core.continual import Outputs, labelled_rows, softmax


def test_shared_outputs():
    outputs = Outputs()
    assert outputs.add("fit", "a", np.array([7, 3, 7])).tolist() == [1, 0, 1]
    assert outputs.add("fit", "b", np.array([7, 5])).tolist() == [1, 2]
    assert outputs.known_classes.tolist() == [3, 5, 7]
    assert outputs.groups.tolist() == [0, 0, 0]
    scores = outputs.scores("x", np.array([[1.0, 2.0, 3.0]]), "b")
    assert scores.tolist() == [[-np.inf, 3.0, 2.0]]


def test_outputs_of_their_own():
    outputs = Outputs(separate=True)
    outputs.add("fit", "a", np.array(["yes", "no"]))
    assert outputs.add("fit", "b", np.array(["yes", "no"])).tolist() == [3, 2]
    assert outputs.add("fit", "a", np.array(["maybe"])).tolist() == [4]
    assert outputs.groups.tolist() == [0, 0, 1, 1, 0]
    assert outputs.tasks == {"a": [0, 1, 4], "b": [2, 3]}
    found = outputs.scores("x", np.array([[1.0, 2.0, 5.0, 0.0, 3.0]]), None)
    assert found.tolist() == [[3.0, 5.0, 2.0]]  # maybe, no, yes: the largest of each class
    assert outputs.scores("x", np.array([[1.0, 2.0, 5.0, 0.0, 3.0]]), "a").tolist() == [[3.0, 1.0, 2.0]]


def test_names_of_any_length_and_kind():
    outputs = Outputs()
    outputs.add("fit", "a", np.array(["x"]))
    assert outputs.add("fit", "b", np.array(["a much longer name", "x"])).tolist() == [1, 0]
    assert outputs.known_classes.tolist() == ["a much longer name", "x"]
    with pytest.raises(DomainError, match=r"fit: y of task 'c' must be text, as in the first task"):
        outputs.add("fit", "c", np.array([1, 2]))


def test_a_task_must_be_a_named_domain_with_labels():
    X = np.zeros((3, 2))
    rows, y = labelled_rows("fit", Domain(X, np.array([1, 2, 3]), known=np.array([True, False, True])))
    assert (rows.shape, y.tolist()) == ((2, 2), [1, 3])
    assert labelled_rows("fit", Domain(X, np.array(["a", "b", "a"], dtype=object)))[1].dtype.kind == "U"
    for task, words in (
        (X, "task must be a Domain"),
        (Domain(X, np.arange(3), name=3), "task must have a name"),
        (Domain(X), "known labels. Got none"),
        (Domain(X[:0], np.arange(0)), "Got no rows"),
        (Domain(X, np.array([0.5, 1.5, 0.1])), "numbers with a fraction"),
        (Domain(X, np.array([0.5, np.nan, 0.1])), "must be finite"),
        (Domain(X, np.array(["a", None, "b"], dtype=object)), "one type"),
        (Domain(X, np.array(["a", 1, "b"], dtype=object)), "one type"),
    ):
        with pytest.raises(DomainError, match=words):
            labelled_rows("fit", task)
    assert labelled_rows("fit", Domain(X, np.array([0.5, 1.5, 0.1])), numbers=True)[1].tolist() == [0.5, 1.5, 0.1]


def test_softmax_and_a_frame():
    import pandas as pd

    assert softmax(np.array([[0.0, -np.inf, 0.0]])).tolist() == [[0.5, 0.0, 0.5]]
    frame = pd.DataFrame({"a": [0.0, 1.0, 5.0, 6.0], "b": [0.0, 1.0, 0.0, 1.0]})
    task = Domain(frame, np.array([0, 0, 1, 1]), name="first")
    model = StreamingLDA().partial_fit(task).partial_fit(task)
    assert model.feature_names_in_.tolist() == ["a", "b"]
    assert model.predict(frame).tolist() == [0, 0, 1, 1]
    with pytest.raises(DomainError, match="task 'other' must have the features of the first"):
        model.partial_fit(Domain(frame.rename(columns={"a": "c"}), task.y, name="other"))
