"""What every method for several tasks (protocol MultiTask) has to fulfil.

Each check is a function of a `common_checks.Subject`, as there; `tests/bad_multi_task.py` holds a method that must fail it.
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

NAMES = np.array(["ash", "birch", "cedar"])


def settings(own: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """A method's cheap settings: a tiny network and few epochs, where it has one."""
    if "backbone" not in params:
        return dict(own)
    import networks

    training = networks.training(n_epochs=12, batch_size=16, lr=0.02, schedule="constant", progress=False)
    return {"backbone": "small:mlp?hidden=16", "training": training, **own}


def tasks(seed: int = 0, n: int = 48) -> list[Domain]:
    """Three classes by name, a sum with every third label missing, both of the same rows; a sign of rows of its own."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    X = rng.normal(size=(n, 5)) + 2.5 * np.eye(3, 5)[y]
    Z = rng.normal(size=(n // 2, 5))
    return [
        Domain(X, NAMES[y], name="kind"),
        Domain(X, X @ [1.0, 2, 0, 0, 0], np.arange(n) % 3 > 0, name="sum"),
        Domain(Z, Z[:, 0] > 0, name="sign"),
    ]


def same(a: Any, b: Any, given: list[Domain], why: str) -> None:
    """Two fitted methods give the same outputs for every task, to the last bit."""
    for task in given:
        np.testing.assert_array_equal(a.predict(task.X, task=task.name), b.predict(task.X, task=task.name), err_msg=why)
        found = [m.decision_function(task.X, task=task.name) for m in (a, b)]
        np.testing.assert_array_equal(*found, err_msg=why)


# Learning -----------------------------------------------------------------------------------------------------------


def check_several_tasks(subject: Subject) -> None:
    """Tasks of classes and numbers, with rows of their own or in common, are learned together; one alone as well."""
    given, model = tasks(), subject.make()
    with pytest.raises(NotFittedError):
        model.predict(given[0].X, task="kind")
    assert model.fit(given) is model, "fit must return self"
    assert model.tasks_ == ("kind", "sum", "sign")
    assert {k: v.tolist() for k, v in model.classes_.items()} == {"kind": NAMES.tolist(), "sign": [False, True]}
    for task in given:
        predicted = model.predict(task.X, task=task.name)
        assert predicted.shape == (task.n_samples,)
        if task.name in model.classes_:
            assert np.isin(predicted, model.classes_[task.name]).all(), "it must predict classes of the task"
            assert predicted.dtype.kind == np.asarray(task.y).dtype.kind
        scored = model.score(task.X, task.y, task=task.name)
        assert scored > (0.75 if task.name in model.classes_ else 0.3), f"it must learn {task.name}. Got {scored:.2f}"
    if hasattr(model, "predict_proba"):
        proba = model.predict_proba(given[0].X, task="kind")
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
        assert proba.shape == (48, 3)
    other = model.predict(given[2].X, task="sum")
    assert np.isfinite(other).all(), "any task may be asked of any rows"
    alone = subject.make().fit(given[:1])
    assert alone.tasks_ == ("kind",)
    assert alone.score(given[0].X, given[0].y, task="kind") > 0.75
    assert np.isfinite(
        subject.make().fit([replace(given[1], y=given[1].y.astype(np.float32))]).predict(given[1].X, task="sum")
    ).all()


def check_several_attributes(subject: Subject) -> None:
    """Everything that is learned and shown is in the docstring, and nothing public is set without a trailing underscore."""
    known = {name.strip() for p in ClassDoc(subject.cls)["Attributes"] for name in p.name.split(",")}
    learned = {n for n in vars(subject.make().fit(tasks())) if not n.startswith("_")} - set(subject.params)
    assert not [n for n in learned if not n.endswith("_")], "what is learned ends in _"
    assert learned - known - {"n_features_in_"} == set(), "undocumented attributes"


def check_several_nothing_changed(subject: Subject) -> None:
    """A fit and a prediction change neither parameters nor rows."""
    given, model = tasks(), subject.make()
    before, before_model = state_of(given), state_of(model)
    model.fit(given).predict(given[0].X, task="kind")
    assert state_of(given) == before, "inputs changed"
    assert state_of(model) == before_model, "parameters changed"


def check_several_repeatable(subject: Subject) -> None:
    """The same seed gives the same result, whatever numpy's global generator does; a refit begins anew."""
    given = tasks()
    np.random.seed(1)  # noqa: NPY002
    first = subject.make().fit(given)
    np.random.seed(2)  # noqa: NPY002
    before = state_of(list(np.random.get_state()))  # noqa: NPY002
    second = subject.make().fit([replace(t, X=t.X[:, :4]) for t in tasks(1)]).fit(given)
    assert state_of(list(np.random.get_state())) == before, "numpy's global generator was used"  # noqa: NPY002
    assert vars(first).keys() == vars(second).keys()
    same(first, second, given, "the same seed must give the same result, and a refit must begin anew")


def check_several_hidden_labels(subject: Subject) -> None:
    """Labels that are not known change nothing, whatever is written there; equal rows are as one object."""
    found = []
    for garbage in (0.0, np.nan, 1e300):
        given = tasks()
        known = given[1].known
        given[1] = replace(given[1], X=given[1].X.copy(), y=np.where(known, given[1].y, garbage))
        found.append(subject.make().fit(given))
    for other in found[1:]:
        same(found[0], other, tasks(), "hidden labels were used")


def check_several_round_trip(subject: Subject, folder: Any) -> None:
    """Saved and loaded, it predicts the same, and can be fitted again."""
    given = tasks()
    model = subject.make().fit(given)
    loaded = transferkit.load(transferkit.save(model, folder / "saved"))
    assert vars(loaded).keys() == vars(model).keys()
    same(loaded, model, given, "a loaded model must predict what the saved one did")
    same(loaded.fit(given), model, given, "refit of a loaded model")


# What cannot be used ------------------------------------------------------------------------------------------------


def check_several_errors(subject: Subject) -> None:
    """What is wrong with a task is said in one line that names it; an unknown task is answered with the known ones."""
    given = tasks()
    where = re.escape(f"{subject.card.cls}.fit: ")

    def refused(tasks: Any, what: str) -> None:
        with pytest.raises(DomainError, match=rf"^{where}{what}.* must .*(Got|contains)\b"):
            subject.make().fit(tasks)

    for nonsense in ([], None, given[0].X, [given[0], "sum"]):
        refused(nonsense, "tasks")
    refused([given[0], replace(given[1], name="kind")], "tasks")
    third = f"task '{given[2].name}'"
    refused([*given[:2], Domain(given[2].X[:0], given[2].y[:0], name="sign")], third)
    refused([*given[:2], given[2].hide()], third)
    refused([*given[:2], replace(given[2], X=given[2].X[:, :4])], third)
    refused([*given[:2], replace(given[2], y=np.zeros(24, int))], third)
    for value in (np.nan, np.inf):
        refused([*given[:2], replace(given[2], X=np.where(np.arange(5) == 2, value, given[2].X))], third)
    refused([given[0], replace(given[1], y=np.where(np.arange(48) == 1, np.nan, given[1].y))], "task 'sum'")
    model = subject.make().fit(given)
    with pytest.raises(
        DomainError, match=rf"^{subject.card.cls}\.predict: task must be one of kind, sum, sign\. Got 'sun'"
    ):
        model.predict(given[0].X, task="sun")
    with pytest.raises(DomainError, match=rf"^{subject.card.cls}\.predict: X must have 5 features"):
        model.predict(given[0].X[:, :4], task="sum")
    with pytest.raises(TypeError):
        model.predict(given[0].X)


def check_several_parameters(subject: Subject) -> None:
    """A value outside a parameter's range is refused by name at the start of fit, not before."""
    for name in subject.params:
        with pytest.raises(ParamError, match=rf"^{subject.card.cls}\.fit: {name} must "):
            subject.make(**{name: object()}).fit(tasks())


MULTI_TASK_CHECKS: tuple[Callable[..., None], ...] = (
    *CLASS_CHECKS, check_several_tasks, check_several_attributes, check_several_nothing_changed, check_several_repeatable,
    check_several_hidden_labels, check_several_round_trip, check_several_errors, check_several_parameters,
)  # fmt: skip
