"""What every method that carries a trained network over (protocol ModelTransfer) has to fulfil.

Each check is a function of a `common_checks.Subject`, as there; `tests/bad_networks.py` holds a method that must fail it.
"""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpydoc.docscrape import ClassDoc
from sklearn.exceptions import NotFittedError
from torch.utils.data import TensorDataset

import networks
import source_free_checks
import transferkit
from common_checks import CLASS_CHECKS, Subject, state_of
from networks import Task, easy, related
from transferkit import DomainError, ParamError, TransferError
from transferkit.catalogue import Card

SEEDS = range(3)


def kind_of(subject: Subject) -> str:
    """The kind of source model that its tests use."""
    return networks.kind_name(getattr(subject.cls, "_test_params", {}))


def tasks_of(subject: Subject) -> list[tuple[str, Task]]:
    """A data set for each task of the card."""
    return [(task, easy(kind_of(subject), task)) for task in subject.card.tasks]


def fit(subject: Subject, task: Task, **params: Any) -> Any:
    """A new fit on copies of the rows."""
    return subject.make(**params).fit(copy.copy(task.X), task.y.copy())


_KEPT: dict[tuple[type, str], Any] = {}


def fitted(subject: Subject, task: str = "classification") -> Any:
    """The fit that checks share which only look at it."""
    if (subject.cls, task) not in _KEPT:
        _KEPT[subject.cls, task] = fit(subject, easy(kind_of(subject), task))
    return _KEPT[subject.cls, task]


def assert_same(a: Any, b: Any, X: Any, why: str) -> None:
    """Two fits give the same outputs, to the last bit."""
    for method in ("predict", "transform", "predict_proba", "decision_function"):
        if hasattr(a, method):
            assert state_of(getattr(a, method)(X)) == state_of(getattr(b, method)(X)), f"{why} ({method})"


# Fits ---------------------------------------------------------------------------------------------------------------


def check_network_tasks(subject: Subject) -> None:
    """Every task of its card, and several labels a row: outputs have their shapes, and probabilities sum to 1."""
    for name, task in tasks_of(subject):
        model, n = fitted(subject, name), len(task.y_new)
        predicted = model.predict(task.X_new)
        assert predicted.shape == (n,)
        features = model.transform(task.X_new)
        assert features.ndim == 2
        assert len(features) == n
        assert np.isfinite(features).all()
        if name == "regression":
            assert predicted.dtype.kind == "f", "numbers became classes"
            assert np.isfinite(predicted).all()
            assert not hasattr(model, "classes_")
            assert not hasattr(model, "predict_proba")
            assert np.isfinite(model.score(task.X_new, task.y_new))
            continue
        np.testing.assert_array_equal(model.classes_, np.unique(task.y))
        assert np.isin(predicted, model.classes_).all(), "it must predict classes of the target"
        proba, logits = model.predict_proba(task.X_new), model.decision_function(task.X_new)
        assert proba.shape == logits.shape == (n, len(model.classes_))
        assert (proba >= 0).all()
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_array_equal(model.classes_[proba.argmax(axis=1)], predicted)
        assert model.score(task.X_new, task.y_new) == (predicted == task.y_new).mean()
    if "classification" in subject.card.tasks:
        several = easy(kind_of(subject), "multilabel")
        with _refused_by_name(subject, "y|task"):
            model = fit(subject, several)
            assert model.predict(several.X_new).shape == several.y_new.shape
            assert np.isin(model.predict(several.X_new), (0, 1)).all()
            assert model.predict_proba(several.X_new).shape == several.y_new.shape
    if "regression" not in subject.card.tasks:
        numbers = easy(kind_of(subject), "regression")
        with pytest.raises((DomainError, ParamError), match=rf"^{subject.card.cls}\.fit: "):
            fit(subject, numbers)


@contextmanager
def _refused_by_name(subject: Subject, arguments: str) -> Iterator[None]:
    """What runs inside works, or is refused by a message that names one of the arguments."""
    try:
        yield
    except (DomainError, ParamError) as err:
        assert re.match(rf"{subject.card.cls}\.fit: ({arguments})\b", str(err)), str(err)  # noqa: PT017


def check_network_attributes(subject: Subject) -> None:
    """Everything that a fit learns and shows is in the docstring, and nothing public is set without a trailing underscore."""
    known = {name.strip() for p in ClassDoc(subject.cls)["Attributes"] for name in p.name.split(",")}
    for name, _ in tasks_of(subject):
        learned = {n for n in vars(fitted(subject, name)) if not n.startswith("_")} - set(subject.params)
        assert not [n for n in learned if not n.endswith("_")], "what is learned ends in _"
        assert learned - known == set(), "undocumented attributes"


def check_network_nothing_changed(subject: Subject) -> None:
    """A fit and a prediction change neither parameters nor inputs nor the source model, down to its modes and flags."""
    for name, task in tasks_of(subject):
        model = subject.make()
        module = getattr(model.source, "body", model.source)
        if isinstance(module, torch.nn.Module):
            module.train()
            next(iter(module.parameters())).requires_grad_(False)
        X, y = copy.deepcopy(task.X), task.y.copy()
        before, before_model = state_of((X, y)), state_of(model)
        assert model.fit(X, y) is model, f"fit must return self ({name})"
        model.predict(X)
        assert state_of((X, y)) == before, "inputs changed"
        assert state_of(model) == before_model, "parameters or the source model changed"


def check_network_refit(subject: Subject) -> None:
    """A second fit, on rows of other classes, gives what a first fit gives; the task of the first leaves nothing behind."""
    first = easy(kind_of(subject), subject.card.tasks[-1])
    plain = "classification" in subject.card.tasks
    second = related(kind_of(subject), 0) if plain else easy(kind_of(subject), subject.card.tasks[0], 24)
    again = fit(subject, first).fit(second.X, second.y)
    fresh = fit(subject, second)
    assert vars(again).keys() == vars(fresh).keys()
    assert_same(again, fresh, second.X_new, "a refit must start fresh")


def check_network_repeatable(subject: Subject) -> None:
    """The same seed gives the same result to the last bit, whatever the global generators do; another seed may differ."""
    for name, task in tasks_of(subject):
        first = fitted(subject, name)
        torch.manual_seed(11)
        np.random.seed(11)  # noqa: NPY002
        random.seed(11)
        assert_same(first, fit(subject, task), task.X_new, "the same seed must give the same result")


def check_network_globals(subject: Subject) -> None:
    """Generators, threads, gradient mode and default types are left as they were, after a fit and after an error."""

    def outside() -> Any:
        return [
            torch.get_rng_state().numpy().tobytes(), state_of(list(np.random.get_state())), random.getstate(),  # noqa: NPY002
            torch.get_num_threads(), torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_default_dtype(),
            torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark, torch.is_autocast_enabled("cpu"),
            torch.get_float32_matmul_precision(), torch.get_default_device(),
        ]  # fmt: skip

    task = easy(kind_of(subject), subject.card.tasks[0])
    model = subject.make()
    before = outside()
    model.fit(task.X, task.y).predict(task.X_new)
    assert outside() == before, "global state changed"
    with pytest.raises(TransferError):
        model.fit(task.X, task.y[:-1])
    assert outside() == before, "global state changed by an error"


def check_network_round_trip(subject: Subject, folder: Any) -> None:
    """Saved and loaded, it gives the same outputs to the last bit."""
    for name, task in tasks_of(subject):
        model = fitted(subject, name)
        where = transferkit.save(model, folder / name)
        source = subject.make().source
        name = type(getattr(source, "body", source)).__name__
        loaded = transferkit.load(where, modules={} if isinstance(source, str) else {name: source})
        assert vars(loaded).keys() == vars(model).keys()
        assert_same(loaded, model, task.X_new, "a loaded model must predict what the saved one did")
        assert model.fingerprint_ in (where / "manifest.json").read_text()


# Inputs -------------------------------------------------------------------------------------------------------------


def check_network_inputs(subject: Subject) -> None:
    """The same rows in another wrapping give the same outputs: other dtypes, tensors, frames, a torch Dataset, one row."""
    kind = kind_of(subject)
    task, model = easy(kind), fitted(subject)
    X, expected = task.X_new, model.predict_proba(task.X_new)
    others: list[Any] = []
    if kind == "vectors":
        others += [X.astype(np.float64), pd.DataFrame(X), pl.DataFrame(X), X.tolist(), np.asfortranarray(X)]
    if kind != "text":
        others += [torch.as_tensor(X), TensorDataset(torch.as_tensor(X))]
    else:
        others += [np.array(X), np.array(X, dtype=object), tuple(X)]
    for other in others:
        np.testing.assert_array_equal(model.predict_proba(other), expected, err_msg=type(other).__name__)
    one = model.predict_proba(networks.part(X, [3]))
    np.testing.assert_allclose(one, expected[3:4], atol=1e-5, err_msg="a row must not depend on those beside it")
    if kind == "vectors":
        again = subject.make().fit(pd.DataFrame(task.X), pd.Series(task.y))
        assert_same(again, model, X, "a frame must give what an array gives")
        fit(subject, Task(np.round(task.X * 10).astype(int), task.y, X, task.y_new)).predict(X)


def check_network_labels(subject: Subject) -> None:
    """Classes may be text, objects, booleans or any whole numbers; probabilities follow `classes_`."""
    task = easy(kind_of(subject))
    expected = fitted(subject).predict(task.X_new)
    for names in (["ash", "birch", "cedar"], [-3, 5, 70]):
        for dtype in (None, object):
            values = np.array(names, dtype=dtype)
            model = subject.make().fit(task.X, values[task.y])
            assert model.predict(task.X_new).tolist() == values[expected].tolist()
            assert model.classes_.tolist() == names
    model = subject.make().fit(task.X, task.y == 0)
    assert model.predict(task.X_new).dtype == bool


def check_network_small(subject: Subject) -> None:
    """Six rows of two classes, with one row left for the last batch, and two rows in all: a result, and finite."""
    task = easy(kind_of(subject))
    y = (task.y > 0).astype(int)
    rows = np.concatenate([np.flatnonzero(y == c)[:3] for c in (0, 1)])
    for chosen, batch_size in ((rows, 5), (rows[[0, 3]], 16)):
        training = networks.training(n_epochs=2, batch_size=batch_size)
        model = subject.make(training=training).fit(networks.part(task.X, chosen), y[chosen])
        proba = model.predict_proba(task.X_new)
        assert np.isfinite(proba).all(), "not finite"
        assert proba.shape == (len(task.y_new), 2)


def check_network_errors(subject: Subject) -> None:
    """What is wrong with rows or labels is said in one line that names it, before anything is trained."""
    kind, cls = kind_of(subject), subject.card.cls
    task = easy(kind)

    def refused(X: Any, y: Any, argument: str, model: Any = None, method: str = "fit") -> None:
        model = subject.make() if model is None else model
        with pytest.raises(
            DomainError, match=rf"^{cls}\.{method}: .*\b{argument}\b.*\bGot\b|^{cls}\.{method}: {argument} must"
        ):
            getattr(model, method)(*([X] if method != "fit" else [X, y]))

    refused(task.X, None, "y")
    refused(task.X, task.y[:-1], "y")
    refused(task.X, np.zeros(len(task.y), dtype=int), "y")
    refused(task.X, np.where(task.y == 0, None, "a text"), "y")
    if "regression" in subject.card.tasks:
        numbers = easy(kind, "regression").y.copy()
        numbers[2] = np.nan
        refused(task.X, numbers, "y")
    refused(task.X[:0], task.y[:0], "X")
    refused(None, task.y, "X")
    refused(7, task.y, "X")
    foreign: Any = [f"a text {k}" for k in range(len(task.y))] if kind != "text" else np.zeros((len(task.y), 3))
    with pytest.raises(TransferError, match="text"):  # a source model that is an object is asked first
        subject.make().fit(foreign, task.y)
    model = fitted(subject)
    refused(foreign, None, "X", model, "predict")
    if kind == "vectors":
        for value in (np.nan, np.inf):
            broken = task.X.copy()
            broken[3, 1] = value
            refused(broken, task.y, "X")
            refused(broken, None, "X", model, "predict")
        refused(task.X[:, :-1], None, "X", model, "predict")
        refused(task.X[:, 0], task.y, "X")
    with pytest.raises(NotFittedError):
        subject.make().predict(task.X)


def check_network_parameters(subject: Subject) -> None:
    """A value outside a parameter's range is refused by name at the start of fit; an unknown backbone offers near names."""
    task = easy(kind_of(subject), subject.card.tasks[0])
    cls = subject.card.cls
    wrong: list[tuple[str, Any]] = [(name, object()) for name in subject.params]
    wrong += [("source", ""), ("source", None), ("training", networks.training(lr=-1.0))]
    for name, value in wrong:
        model = subject.make(**{name: value})
        with pytest.raises(ParamError, match=rf"^{cls}\.fit: {name} must "):
            model.fit(task.X, task.y)
    if "detection" not in subject.card.tasks:  # which takes detectors only
        with pytest.raises(ParamError, match="resnet18"):
            subject.make(source="timm:resnet81").fit(task.X, task.y)
    with pytest.raises(ParamError, match="timm:"):
        subject.make(source="tim:resnet18").fit(task.X, task.y)


# Does it transfer? --------------------------------------------------------------------------------------------------


def check_network_learns(subject: Subject) -> None:
    """On a task that the source model's features make easy, it fits its own rows, and new ones."""
    for name, task in tasks_of(subject):
        model = fitted(subject, name)
        own, new = (0.5, 0.3) if name == "regression" else (0.8, 0.55)
        assert model.score(task.X, task.y) > own, f"{model.score(task.X, task.y):.2f} on its own rows ({name})"
        assert model.score(task.X_new, task.y_new) > new, (
            f"{model.score(task.X_new, task.y_new):.2f} on new rows ({name})"
        )


def check_network_transfers(subject: Subject) -> None:
    """With few rows of a related task it beats itself without what the source model has learned, on average over three seeds."""
    kind, found = kind_of(subject), []
    for seed in SEEDS:
        task = related(kind, seed)
        learned, fresh = (
            subject.make(source=source(), random_state=seed).fit(task.X, task.y).score(task.X_new, task.y_new)
            for source in (networks.KINDS[kind].learned, networks.KINDS[kind].fresh)
        )
        found.append(learned - fresh)
    assert np.mean(found) > 0.03, f"{np.mean(found):+.3f} against a source model that has learned nothing"


def checks_of(card: Card) -> tuple[Callable[..., None], ...]:
    """The checks that a method of this protocol has to pass: fewer, where a row has more than one label (masks, boxes).

    One that is given no labels has its own, in `source_free_checks`.
    """
    if "test_time" in card.settings:
        return source_free_checks.TEST_TIME_CHECKS
    if "source_free" in card.settings:
        return source_free_checks.SOURCE_FREE_CHECKS
    if "open_clip" in card.needs:  # nothing is trained
        return ZERO_SHOT_CHECKS
    return NETWORK_CHECKS if {"classification", "regression"} & set(card.tasks) else DENSE_CHECKS


DENSE_CHECKS: tuple[Callable[..., None], ...] = (
    *CLASS_CHECKS, check_network_attributes, check_network_nothing_changed, check_network_refit, check_network_repeatable,
    check_network_globals, check_network_round_trip, check_network_parameters,
)  # fmt: skip
ZERO_SHOT_CHECKS: tuple[Callable[..., None], ...] = (
    *CLASS_CHECKS, check_network_attributes, check_network_nothing_changed, check_network_repeatable,
    check_network_globals, check_network_round_trip,
)  # fmt: skip
NETWORK_CHECKS: tuple[Callable[..., None], ...] = (
    *CLASS_CHECKS, check_network_tasks, check_network_attributes, check_network_nothing_changed, check_network_refit,
    check_network_repeatable, check_network_globals, check_network_round_trip, check_network_inputs, check_network_labels,
    check_network_small, check_network_errors, check_network_parameters, check_network_learns, check_network_transfers,
)  # fmt: skip
