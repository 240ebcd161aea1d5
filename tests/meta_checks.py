"""What every meta-learner (protocol MetaLearner) has to fulfil.

Each check is a function of a `common_checks.Subject`, as there; `tests/bad_meta.py` holds a method that must fail it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpydoc.docscrape import ClassDoc
from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import NotFittedError

import transferkit
from common_checks import CLASS_CHECKS, Subject, assert_same, state_of
from transferkit import Domain, DomainError, ParamError
from transferkit.engine.training.settings import Training

N_CLASSES = 12


def settings(own: Mapping[str, Any], params: Iterable[str] = ("n_episodes",)) -> dict[str, Any]:
    """A method's cheap settings: a tiny network, and few small episodes where it takes any."""
    given = {"backbone": "small:mlp?hidden=16", "n_way": 3, "k_shot": 1, "n_query": 4}
    if "n_episodes" in params:
        given["n_episodes"] = 32
    return {**given, "training": training(), **own}


def training(**params: Any) -> Training:
    """Settings of the loop for tiny networks."""
    given = {"n_epochs": 2, "batch_size": 8, "lr": 0.02, "schedule": "constant", "warmup": 0.0, "progress": False}
    return Training(**{**given, "device": "cpu", **params})


@cache
def classes(seed: int = 0) -> Domain:
    """Twelve classes of eight rows, told apart by two of six features."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(N_CLASSES), 8)
    X = 0.5 * rng.normal(size=(len(y), 6))
    X[:, :2] += 4 * rng.normal(size=(N_CLASSES, 2))[y]
    return Domain(X, np.array([f"kind {k:02d}" for k in y]), name=f"classes {seed}")


@cache
def domains(n: int = 4, seed: int = 0) -> list[Domain]:
    """Domains of the same two classes, each with a border of its own."""
    rng = np.random.default_rng(seed)
    found = []
    for k in range(n):
        X = rng.normal(size=(30, 6))
        y = np.where(X @ rng.normal(size=6) > 0, "yes", "no")
        y[:16] = ["no", "yes"] * 8
        found.append(Domain(X, y, name=f"domain {seed}.{k}"))
    return found


@cache
def lines(n: int = 4, seed: int = 0) -> list[Domain]:
    """Tasks of numbers."""
    rng = np.random.default_rng(seed)
    rows = [rng.normal(size=(12, 6)) for _ in range(n)]
    return [Domain(X, X @ rng.normal(size=6) + 3, name=f"line {seed}.{k}") for k, X in enumerate(rows)]


def tasks_of(subject: Subject) -> list[tuple[list[Domain], Domain, Domain]]:
    """For each way to make tasks that the card allows: domains to fit on, a support, and more rows of its task."""
    new = classes(1)
    first = np.concatenate([np.flatnonzero(new.y == c)[:2] for c in np.unique(new.y)[:3]])
    found = [([classes()], new.take(first), new.take(np.flatnonzero(np.isin(new.y, np.unique(new.y)[:3]))))]
    new = domains(1, 1)[0]
    found.append((domains(), new.take(np.arange(4)), new.take(np.arange(4, 30))))
    if "regression" in subject.card.tasks:
        new = lines(1, 1)[0]
        found.append((lines(), new.take(np.arange(4)), new.take(np.arange(4, 12))))
    return found


def fit(subject: Subject, tasks: list[Domain], **params: Any) -> Any:
    """A new fit."""
    return subject.make(**params).fit(tasks)


_KEPT: dict[tuple[type, int], Any] = {}


def fitted(subject: Subject, number: int = 0) -> Any:
    """The fit that checks share which only look at it."""
    if (subject.cls, number) not in _KEPT:
        _KEPT[subject.cls, number] = fit(subject, tasks_of(subject)[number][0])
    return _KEPT[subject.cls, number]


def check_meta_tasks(subject: Subject) -> None:
    """By classes, by domains and, where the card says so, numbers: a predictor for the new task comes out, as scikit-learn's."""
    for number, (_, support, rows) in enumerate(tasks_of(subject)):
        model = fitted(subject, number)
        predictor = model.adapt(support)
        predicted = predictor.predict(rows.X)
        assert predicted.shape == (rows.n_samples,)
        assert predictor.predict(rows.X[:1]).shape == (1,), "a single row"
        assert np.isfinite(predictor.score(rows.X, rows.y))
        scores = model.evaluate(tasks_of(subject)[number][0], n_episodes=5)
        assert scores.values.shape == (5,)
        assert np.isfinite(scores.values).all()
        if support.y.dtype.kind == "f":
            assert is_regressor(predictor)
            assert np.isfinite(predicted).all()
            assert not hasattr(predictor, "classes_")
            assert not hasattr(predictor, "predict_proba")
            continue
        assert is_classifier(predictor)
        np.testing.assert_array_equal(predictor.classes_, np.unique(support.y))
        assert np.isin(predicted, predictor.classes_).all()
        proba = predictor.predict_proba(rows.X)
        assert proba.shape == (rows.n_samples, len(predictor.classes_)), "one probability a class of the support"
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    if "regression" not in subject.card.tasks:
        with pytest.raises(DomainError, match=rf"^{subject.card.cls}\.fit: the tasks' y must"):
            fit(subject, lines())
    _, support, rows = tasks_of(subject)[0]
    two = support.take(np.flatnonzero(support.y != support.y[0]))
    fewer = fitted(subject).adapt(two)
    assert set(fewer.predict(rows.X)) <= set(two.y), "a task may have fewer classes than an episode"


def check_meta_attributes(subject: Subject) -> None:
    """All that a fit learns and shows is in the docstring, and nothing public is set without a trailing underscore."""
    known = {name.strip() for p in ClassDoc(subject.cls)["Attributes"] for name in p.name.split(",")}
    for number in range(len(tasks_of(subject))):
        shown = {n for n in vars(fitted(subject, number)) if not n.startswith("_")} - set(subject.params)
        assert shown <= known, f"not documented: {sorted(shown - known)}"
        assert all(n.endswith("_") for n in shown)


def check_meta_repeatable(subject: Subject) -> None:
    """The same seed gives the same, another one not; no other generator of the process is drawn from or set."""
    tasks, support, rows = tasks_of(subject)[0]
    torch.manual_seed(11)
    np.random.seed(11)  # noqa: NPY002
    random.seed(11)
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    again = fit(subject, tasks).adapt(support)
    after = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    assert torch.equal(before[0], after[0]), "torch's generator was touched"
    assert np.array_equal(before[1], after[1]), "numpy's generator was touched"
    assert before[2] == after[2], "Python's generator was touched"
    assert_same(again, fitted(subject).adapt(support), rows.X, "the same seed must give the same")
    other = fit(subject, tasks, random_state=1).adapt(support)
    assert not np.array_equal(other.predict_proba(rows.X), again.predict_proba(rows.X)), "the seed must matter"


def check_meta_nothing_changed(subject: Subject) -> None:
    """A fit leaves its arguments as they are; `adapt` leaves the learner as it is, and learns a task alike each time."""
    tasks, support, rows = tasks_of(subject)[0]
    model = subject.make()
    before = state_of([model.get_params(), tasks])
    assert model.fit(tasks) is model
    assert state_of([model.get_params(), tasks]) == before, "fit changed an argument"
    learned, given = state_of(vars(model)), state_of(support)
    one = model.adapt(support)
    first = one.predict_proba(rows.X)
    model.adapt(rows).predict(support.X)
    two = model.adapt(support)
    assert one is not two
    np.testing.assert_array_equal(two.predict_proba(rows.X), first, err_msg="a task must be learned alike each time")
    np.testing.assert_array_equal(
        one.predict_proba(rows.X), first, err_msg="a predictor must not change with later tasks"
    )
    assert state_of(vars(model)) == learned, "adapt changed the learner"
    assert state_of(support) == given, "adapt changed the support"


def check_meta_round_trip(subject: Subject, folder: Any) -> None:
    """Learner and predictor come back from disk as they were; a learner that came back learns tasks alike."""
    for number, (_, support, rows) in enumerate(tasks_of(subject)):
        model = fitted(subject, number)
        predictor = model.adapt(support)
        again = transferkit.load(transferkit.save(model, folder / f"learner {number}"))
        assert state_of(again.get_params()) == state_of(model.get_params())
        assert_same(again.adapt(support), predictor, rows.X, "a loaded learner must learn as the saved one did")
        loaded = transferkit.load(transferkit.save(predictor, folder / f"predictor {number}"))
        assert_same(loaded, predictor, rows.X, "a loaded predictor must predict what the saved one did")


def check_meta_resume(subject: Subject, folder: Any) -> None:
    """Stopped in the middle and fitted again, it ends in the same learner, bit for bit."""
    tasks, support, rows = tasks_of(subject)[0]
    own = subject.cheap["training"].get_params()

    def stop(event: str, state: Any) -> None:
        if event == "update" and state["update"] == 3:
            raise InterruptedError

    def settled(**params: Any) -> Training:
        return Training(**{**own, "checkpoint_every": 1, **params})

    unbroken = fit(subject, tasks, training=settled(folder=folder / "one"))
    with pytest.raises(InterruptedError):
        fit(subject, tasks, training=settled(folder=folder / "two", callbacks=[stop]))
    resumed = fit(subject, tasks, training=settled(folder=folder / "two"))
    assert_same(resumed.adapt(support), unbroken.adapt(support), rows.X, "a resumed fit must equal the unbroken one")


def check_meta_hidden_labels(subject: Subject) -> None:
    """Labels that are not known are not looked at, neither in the tasks nor in the support."""
    found = []
    for garbage in ("kind 00", "kind 01"):
        parts = []
        for domain in (classes(), classes(1)):
            known = np.arange(domain.n_samples) % 8 < 6
            parts.append(Domain(domain.X, np.where(known, domain.y, garbage), known, name=domain.name))
        support = parts[1].take(np.arange(24))
        found.append(fit(subject, parts[:1]).adapt(support).predict_proba(classes(1).X))
    np.testing.assert_array_equal(*found, err_msg="hidden labels were used")


def check_meta_bad_tasks(subject: Subject) -> None:
    """What is wrong with the tasks or the support is said in one line that names it."""
    tasks, support, _ = tasks_of(subject)[0]
    good = tasks[0]
    here = rf"^{subject.card.cls}\."
    for bad, why in (
        ([], "tasks must be a non-empty sequence"),
        (None, "tasks must be a non-empty sequence"),
        ([good.X], "tasks must be a non-empty sequence"),
        ([good, good], "tasks must have names of their own"),
        ([good, Domain(good.X, name="bare")], "task 'bare' must have known labels"),
        ([good, Domain(good.X[:, :2], good.y, name="narrow")], "task 'narrow' must have rows of the first"),
        ([Domain(good.X, np.repeat("one", good.n_samples))], "at least two classes"),
        ([good.take(np.arange(16))], "tasks must have one with n_way=3 classes"),
        ([Domain(np.full_like(good.X, np.nan), good.y, name="nan")], "task 'nan' must be finite"),
    ):
        with pytest.raises(DomainError, match=f"{here}fit: .*{why}"):
            fit(subject, bad)
    model = fitted(subject)
    for bad, why in (
        (None, "support must be a Domain"),
        (support.X, "support must be a Domain"),
        (support.hide(), "support must have known labels"),
        (Domain(support.X[:, :2], support.y), "X of support must have 6 features"),
        (Domain(support.X, np.repeat("one", support.n_samples)), "at least two classes"),
        (Domain(np.full_like(support.X, np.inf), support.y), "X of support must be finite"),
    ):
        with pytest.raises(DomainError, match=f"{here}adapt: .*{why}"):
            model.adapt(bad)
    strangers = Domain(domains(1, 1)[0].X, np.repeat(["no", "perhaps"], 15))
    with pytest.raises(DomainError, match=f"{here}adapt: support must have labels as the tasks of fit"):
        fitted(subject, 1).adapt(strangers)
    with pytest.raises(NotFittedError):
        subject.make().adapt(support)


def check_meta_bad_parameters(subject: Subject) -> None:
    """A parameter out of its range is named."""
    for name in subject.params:
        with pytest.raises(ParamError, match=rf"^{subject.card.cls}\.fit: {name} must "):
            fit(subject, tasks_of(subject)[0][0], **{name: object()})


def check_meta_learns(subject: Subject) -> None:
    """New classes of the same kind are told apart far better than by guessing."""
    found = fitted(subject).evaluate([classes(2)], n_episodes=60)
    assert found.mean > 0.5, f"accuracy {found.mean:.2f} of three classes"


META_CHECKS: tuple[Callable[..., None], ...] = (
    *CLASS_CHECKS, check_meta_tasks, check_meta_attributes, check_meta_repeatable, check_meta_nothing_changed,
    check_meta_round_trip, check_meta_resume, check_meta_hidden_labels, check_meta_bad_tasks, check_meta_bad_parameters,
    check_meta_learns,
)  # fmt: skip
