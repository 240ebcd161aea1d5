"""What every method that learns one task after the other (protocol Continual) has to fulfil.

Each check is a function of a `common_checks.Subject`, as there; `tests/bad_continual.py` holds a method that must fail it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpydoc.docscrape import ClassDoc
from sklearn.exceptions import NotFittedError

import transferkit
from common_checks import CLASS_CHECKS, Subject, state_of
from transferkit import Domain, DomainError, ParamError

NAMES = np.array(["ash", "birch", "cedar", "daisy"])


def settings(own: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """A method's cheap settings: a tiny network and few epochs, where it has one; a small memory."""
    cheap: dict[str, Any] = {}
    if "backbone" in params:
        import networks

        training = networks.training(n_epochs=6, batch_size=16, lr=0.02, schedule="constant", progress=False)
        cheap = {"backbone": "small:mlp?hidden=16", "training": training}
    if "memory_size" in params:
        cheap["memory_size"] = 24
    return {**cheap, **own}


def stream(seed: int = 0, n: int = 20) -> list[Domain]:
    """Three pieces of two tasks: two classes, one more and an old one, and a class of the first task again."""
    rng = np.random.default_rng(seed)

    def rows(name: str, classes: list[int]) -> Domain:
        y = np.repeat(classes, n)
        X = 2.5 * np.eye(4, 6)[y] + rng.normal(size=(len(y), 6)) * 0.5
        order = rng.permutation(len(y))
        return Domain(X[order], NAMES[y[order]], name=name)

    return [rows("first", [0, 1]), rows("second", [2, 3]), rows("first", [1])]


def same(a: Any, b: Any, X: Any, why: str) -> None:
    """Two methods give the same scores for every task, to the last bit."""
    for task in (None, *a.outputs_.tasks):
        np.testing.assert_array_equal(a.predict(X, task=task), b.predict(X, task=task), err_msg=why)
        if hasattr(a, "classes_"):
            found = a.decision_function(X, task=task), b.decision_function(X, task=task)
            np.testing.assert_array_equal(*found, err_msg=why)


# Learning -----------------------------------------------------------------------------------------------------------


def check_stream(subject: Subject) -> None:
    """New classes of any name come with a task or late; `task` says which may be answered; a task is learned as it comes."""
    model, X = subject.make(), np.vstack([t.X for t in stream()])
    with pytest.raises(NotFittedError):
        model.predict(X)
    come: set[str] = set()
    for k, task in enumerate(stream()):
        assert model.partial_fit(task) is model, "partial_fit must return self"
        come |= set(task.y)
        assert model.classes_.tolist() == sorted(come)
        predicted = model.predict(X)
        assert predicted.shape == (len(X),)
        assert np.isin(predicted, model.classes_).all(), "it must predict classes that have come"
        assert np.isin(model.predict(X, task=task.name), NAMES[[[0, 1], [2, 3], [0, 1]][k]]).all(), (
            "it must keep to the task"
        )
        assert model.score(task.X, task.y, task=task.name) > 0.8, "it must learn the task that comes"
    if hasattr(model, "predict_proba"):
        for name in (None, "second"):
            proba = model.predict_proba(X, task=name)
            np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
            assert proba.shape == (len(X), 4)
        assert (proba[:, :2] == 0).all(), "classes outside the task must have probability 0"
    numbers = [replace(t, y=np.searchsorted(NAMES, t.y) * 10) for t in stream()]
    for task in numbers:
        model = subject.make().partial_fit(task)
        assert np.isin(model.predict(X), [0, 10, 20, 30]).all()


def check_stream_attributes(subject: Subject) -> None:
    """Everything that is learned and shown is in the docstring, and nothing public is set without a trailing underscore."""
    known = {name.strip() for p in ClassDoc(subject.cls)["Attributes"] for name in p.name.split(",")}
    model = subject.make()
    for task in stream()[:2]:
        model.partial_fit(task)
        learned = {n for n in vars(model) if not n.startswith("_")} - set(subject.params)
        assert not [n for n in learned if not n.endswith("_")], "what is learned ends in _"
        assert learned - known - {"n_features_in_"} == set(), "undocumented attributes"


def check_stream_nothing_changed(subject: Subject) -> None:
    """Learning and predicting change neither parameters nor rows."""
    tasks, model = stream(), subject.make()
    before, before_model = state_of(tasks), state_of(model)
    for task in tasks[:2]:
        model.partial_fit(task).predict(task.X)
    assert state_of(tasks) == before, "inputs changed"
    assert state_of(model) == before_model, "parameters changed"


def check_stream_repeatable(subject: Subject) -> None:
    """The same seed gives the same result, whatever numpy's global generator does; `fit` begins anew."""
    tasks = stream()
    np.random.seed(1)  # noqa: NPY002
    first = subject.make()
    for task in tasks[:2]:
        first.partial_fit(task)
    before = state_of(list(np.random.get_state()))  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    second = subject.make().partial_fit(tasks[2])
    assert second.fit(tasks[:2]) is second
    np.random.seed(1)  # noqa: NPY002
    assert state_of(list(np.random.get_state())) == before, "numpy's global generator was used"  # noqa: NPY002
    assert vars(first).keys() == vars(second).keys()
    same(first, second, tasks[0].X, "the same seed must give the same result, and fit must begin anew")


def check_stream_hidden_labels(subject: Subject) -> None:
    """Labels that are not known change nothing, whatever is written there."""
    found = []
    for garbage in ("ash", "elm"):
        model = subject.make()
        for task in stream()[:2]:
            known = np.arange(len(task.y)) % 4 > 0
            model.partial_fit(replace(task, y=np.where(known, task.y, garbage), known=known))
        found.append(model)
    assert found[0].classes_.tolist() == NAMES.tolist()
    same(*found, stream()[0].X, "hidden labels were used")


def check_stream_resumed(subject: Subject, folder: Any) -> None:
    """Saved after each task, loaded, and gone on with, it is what the unbroken one is."""
    tasks = stream()
    unbroken, broken = subject.make(), subject.make()
    for k, task in enumerate(tasks):
        unbroken.partial_fit(task)
        broken.partial_fit(task)
        broken = transferkit.load(transferkit.save(broken, folder / str(k)))
        assert vars(broken).keys() == vars(unbroken).keys()
        same(unbroken, broken, tasks[0].X, f"after task {k} a loaded method must go on as the unbroken one")


def check_stream_memory(subject: Subject) -> None:
    """What is kept of old rows has the bound that the constructor was given."""
    if "memory_size" not in subject.params:
        return
    model = subject.make()
    for task in stream():
        model.partial_fit(task)
        assert 0 < len(model.memory_) <= model.memory_size, "the memory must keep its bound"


# What cannot be used ------------------------------------------------------------------------------------------------


def check_stream_errors(subject: Subject) -> None:
    """A task that cannot be used is refused in one line that names it, and what was learned stays; one class is a piece."""
    first, second, late = stream()
    model = subject.make().partial_fit(first)
    before = model.predict(first.X)
    where = re.escape(f"{subject.card.cls}.partial_fit: ")

    def refused(task: Any, what: str) -> None:
        with pytest.raises(DomainError, match=rf"^{where}.*\b{what}\b.*Got\b"):
            model.partial_fit(task)

    for nonsense in (None, first.X, [first, second], "second"):
        refused(nonsense, "task")
    refused(Domain(second.X[:0], second.y[:0], name="empty"), "task")
    refused(second.hide(), "task")
    refused(replace(second, name=""), "task")
    refused(replace(second, X=second.X[:, :4]), "features")
    for value in (np.nan, np.inf):
        refused(replace(second, X=np.where(np.arange(6) == 2, value, second.X)), "X|rows|features")
    refused(replace(second, y=np.arange(len(second.y))), "text")
    refused(replace(second, y=np.array([None] * len(second.y))), "y")
    with pytest.raises(DomainError, match=r"task must be one that has come \(first\). Got 'second'"):
        model.predict(first.X, task="second")
    with pytest.raises(DomainError):
        model.predict(first.X[:, :4])
    np.testing.assert_array_equal(model.predict(first.X), before, err_msg="what was learned must stay")
    alone = subject.make().partial_fit(late)
    assert set(alone.predict(first.X)) == {"birch"}, "one class is a piece of a task"
    assert alone.partial_fit(first).classes_.tolist() == ["ash", "birch"]
    with pytest.raises(DomainError, match=f"^{subject.card.cls}.fit: tasks must be a list of Domain"):
        subject.make().fit(first)


def check_stream_parameters(subject: Subject) -> None:
    """A value outside a parameter's range is refused by name when a task comes, not before."""
    for name in subject.params:
        with pytest.raises(ParamError, match=rf"^{subject.card.cls}\.partial_fit: {name} must "):
            subject.make(**{name: object()}).partial_fit(stream()[0])


LIFELONG_CHECKS: tuple[Callable[..., None], ...] = (
    *CLASS_CHECKS, check_stream, check_stream_attributes, check_stream_nothing_changed, check_stream_repeatable,
    check_stream_hidden_labels, check_stream_resumed, check_stream_memory, check_stream_errors, check_stream_parameters,
)  # fmt: skip
