"""The label of the unknown class: of the kind of the others, and none of them."""

import numpy as np
import pytest

from self_training_toys import toy
from transferkit import ParamError
from transferkit.engine.adaptation.open_set import UNKNOWN, close, closed_labels, open_labels, open_up
from transferkit.engine.answers.labels import Labels
from transferkit.ops.nn.open_heads import OneVsAllHead


def labels(*classes):
    return Labels("classification", len(classes), np.array(classes))


@pytest.mark.parametrize(
    ("classes", "unknown", "last"),
    [
        ((0, 4), "auto", 5),
        ((0, 4), None, 5),
        ((0, 4), -1, -1),
        (("a", "b"), "auto", "unknown"),
        (("a", "b"), "new", "new"),
    ],
)
def test_it_comes_last_and_goes_again(classes, unknown, last):
    opened = open_labels("M.fit", labels(*classes), unknown)
    assert opened.classes.tolist() == [*classes, last]
    assert opened.n_outputs == 3
    closed = closed_labels(opened, np.array(classes).dtype)
    assert closed.classes.tolist() == list(classes)
    assert closed.n_outputs == 2
    assert closed.classes.dtype == np.array(classes).dtype


def test_a_label_that_goes_again_is_never_one_of_the_source_and_a_narrow_type_has_a_next_number():
    assert open_labels("M.fit", labels("cat", "unknown"), None).classes.tolist() == ["cat", "unknown", "not unknown"]
    assert open_labels("M.fit", labels(1.0, 1e17), None).classes[-1] > 1e17
    narrow = Labels("classification", 2, np.array([3, 255], dtype=np.uint8))
    assert open_labels("M.fit", narrow, "auto").classes.tolist() == [3, 255, 256]


@pytest.mark.parametrize("unknown", [float("nan"), float("inf"), True])
def test_what_is_no_number_is_no_label(unknown):
    assert not UNKNOWN.holds(unknown)
    assert UNKNOWN.holds(np.int64(7))
    assert UNKNOWN.holds("new")


@pytest.mark.parametrize(("classes", "unknown"), [((0, 4), "new"), ((0, 4), 4), (("a", "b"), 7), (("a", "b"), "a")])
def test_another_kind_or_a_class_of_the_source_is_refused(classes, unknown):
    with pytest.raises(
        ParamError, match=r"^M\.fit: unknown must be a (text|number) that is no class of the source\. Got"
    ):
        open_labels("M.fit", labels(*classes), unknown)


def test_the_network_gets_the_head_and_keeps_of_it_what_is_known():
    fit = toy()
    fit.y = np.arange(24) % 3
    head = OneVsAllHead(6, 3)
    open_up("M.fit", fit, head, "auto")
    assert fit.network.head is head
    assert fit.network(fit.X).shape == (24, 4)
    assert any(name.startswith("head.weight") for name in fit.network.groups[-1].params), "it is trained as a new part"
    close(fit)
    assert fit.network.head is head.closed
    assert fit.labels.classes.tolist() == [0, 1, 2]
