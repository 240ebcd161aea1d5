"""What a method that is given a trained classifier and unlabelled rows has to fulfil (settings source_free and test_time).

Each check is a function of a `common_checks.Subject`, as there. `tests/test_source_free_checks.py` holds, for each, a method
that must fail it.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpydoc.docscrape import ClassDoc
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import networks
import transferkit
from common_checks import CLASS_CHECKS, Subject, state_of
from source_worlds import world
from transferkit import DomainError, ParamError, TransferError

SEEDS = range(3)
HARM = 0.05


def made(subject: Subject, source: Any, **params: Any) -> Any:
    """An instance with the cheap settings, but for the source."""
    return subject.make(**{"source": source, **params})


def fit(subject: Subject, name: str = "leaning", seed: int = 0, **params: Any) -> Any:
    """A new fit on a target's rows."""
    shift, source = world(name, seed)
    return made(subject, source, **params).fit(shift.Xt.copy())


_KEPT: dict[type, Any] = {}


def fitted(subject: Subject) -> Any:
    """The fit on the first target that checks share which only look at it, of one method at a time."""
    if subject.cls not in _KEPT:
        _KEPT.clear()
        torch.manual_seed(5)
        np.random.seed(5)  # noqa: NPY002
        _KEPT[subject.cls] = fit(subject)
    return _KEPT[subject.cls]


def is_online(subject: Subject) -> bool:
    """Whether it goes on with every batch."""
    return "test_time" in subject.card.settings


def assert_same(a: Any, b: Any, X: Any, why: str) -> None:
    """Two fits give the same outputs, to the last bit."""
    for method in ("predict", "transform", "predict_proba"):
        assert state_of(getattr(a, method)(X)) == state_of(getattr(b, method)(X)), f"{why} ({method})"


# Labels and source --------------------------------------------------------------------------------------------------


def check_free_of_labels(subject: Subject) -> None:
    """The same with labels of the target, with wrong ones, and with none."""
    shift, source = world()
    plain = fitted(subject)
    for y in (shift.yt, np.roll(shift.yt, 1)):
        assert_same(
            made(subject, copy.deepcopy(source)).fit(shift.Xt, y), plain, shift.Xt, "labels must not be looked at"
        )


def check_free_of_source_rows(subject: Subject) -> None:
    """It works on the bare network, without the estimator that was fitted on the source."""
    shift, source = world()
    bare = made(subject, source.network_, classes=source.classes_).fit(shift.Xt)
    assert_same(bare, fitted(subject), shift.Xt, "the network alone must do")


def check_free_outputs(subject: Subject) -> None:
    """Predictions are classes of the source, probabilities sum to 1 and agree with them; the network is a new one."""
    shift, source = world()
    for names in (None, ["ash", "birch", "cedar"]):
        model = fitted(subject) if names is None else made(subject, source, classes=names).fit(shift.Xt)
        assert model.classes_.tolist() == ([0, 1, 2] if names is None else names)
        proba = model.predict_proba(shift.Xt)
        assert proba.shape == (90, 3)
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_array_equal(model.classes_[proba.argmax(axis=1)], model.predict(shift.Xt))
        assert model.transform(shift.Xt).shape == (90, 8)
        assert model.network_ is not model.source.network_


def check_free_attributes(subject: Subject) -> None:
    """Everything that a fit learns and shows is in the docstring, and nothing public is set without a trailing underscore."""
    known = {name.strip() for p in ClassDoc(subject.cls)["Attributes"] for name in p.name.split(",")}
    learned = {n for n in vars(fitted(subject)) if not n.startswith("_")} - set(subject.params)
    assert not [n for n in learned if not n.endswith("_")], "what is learned ends in _"
    assert learned - known == set(), "undocumented attributes"


# Fits ---------------------------------------------------------------------------------------------------------------


def check_free_nothing_changed(subject: Subject) -> None:
    """A fit and a prediction change neither rows nor parameters nor the source model, down to its modes and flags."""
    shift, source = world()
    source.network_.train()
    next(iter(source.network_.parameters())).requires_grad_(False)
    model, X = made(subject, source), shift.Xt.copy()
    before = state_of([source.network_, X, model])
    assert model.fit(X) is model, "fit must return self"
    model.predict(X)
    assert state_of([source.network_, X, model]) == before, "rows, parameters or the source model changed"


def check_free_clone(subject: Subject) -> None:
    """A clone's source is still fitted."""
    shift, source = world()
    model = made(subject, source)
    copied = clone(model)
    assert copied.source is not source
    assert_same(copied.fit(shift.Xt), model.fit(shift.Xt), shift.Xt, "a clone must have the fitted source")


def check_free_refit(subject: Subject) -> None:
    """A second fit on other rows gives what a first fit gives."""
    (first, source), (second, _) = world("leaning", 0), world("leaning", 1)
    again = made(subject, source).fit(first.Xt).fit(second.Xt)
    fresh = made(subject, copy.deepcopy(source)).fit(second.Xt)
    assert vars(again).keys() == vars(fresh).keys()
    assert_same(again, fresh, second.Xt, "a refit must start fresh")


def check_free_repeatable(subject: Subject) -> None:
    """The same seed gives the same result to the last bit, whatever the global generators do."""
    shift, _ = world()
    first = fitted(subject)
    torch.manual_seed(11)
    np.random.seed(11)  # noqa: NPY002
    assert_same(first, fit(subject), shift.Xt, "the same seed must give the same result")


def check_free_globals(subject: Subject) -> None:
    """Generators, threads, gradient mode and default types are left as they were."""

    def outside() -> Any:
        return [
            torch.get_rng_state().numpy().tobytes(), state_of(list(np.random.get_state())), random.getstate(),  # noqa: NPY002
            torch.get_num_threads(), torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_default_dtype(),
        ]  # fmt: skip

    shift, source = world()
    before = outside()
    made(subject, source).fit(shift.Xt).predict(shift.Xt)
    assert outside() == before, "global state changed"


def check_free_round_trip(subject: Subject, folder: Any) -> None:
    """Saved and loaded, it gives the same outputs to the last bit, has its weights' hash, and can be fitted again."""
    shift, _ = world()
    model = fitted(subject)
    where = transferkit.save(model, folder / "saved")
    loaded = transferkit.load(where)
    assert vars(loaded).keys() == vars(model).keys()
    assert_same(loaded, model, shift.Xt, "a loaded model must predict what the saved one did")
    assert model.fingerprint_ in (where / "manifest.json").read_text()
    assert_same(loaded.fit(shift.Xt), model, shift.Xt, "refit of a loaded model")


# Inputs -------------------------------------------------------------------------------------------------------------


def check_free_inputs(subject: Subject) -> None:
    """Frames, tensors and other dtypes give what an array gives."""
    shift, source = world()
    model = fitted(subject)
    for other in (pd.DataFrame(shift.Xt), torch.as_tensor(shift.Xt), shift.Xt.astype(np.float32), shift.Xt.tolist()):
        again = made(subject, copy.deepcopy(source)).fit(other)
        np.testing.assert_array_equal(again.predict_proba(other), model.predict_proba(shift.Xt))


def check_free_small(subject: Subject) -> None:
    """Two rows: a result, and finite."""
    shift, source = world()
    model = made(subject, source).fit(shift.Xt[:2])
    assert np.isfinite(model.predict_proba(shift.Xt)).all(), "not finite"


def check_free_errors(subject: Subject) -> None:
    """What is wrong with rows or the source is said in one line that names it."""
    shift, source = world()
    cls = subject.card.cls
    broken = shift.Xt.copy()
    broken[3, 1] = np.nan
    for X in (None, 7, shift.Xt[:0], broken, shift.Xt[:, :-1], [f"text {k}" for k in range(9)]):
        with pytest.raises(DomainError, match=rf"^{cls}\.fit: X must "):
            made(subject, copy.deepcopy(source)).fit(X)
    unfitted = clone(source)
    for wrong in (unfitted, torch.nn.Linear(6, 3)):
        with pytest.raises(ParamError, match=rf"^{cls}\.fit: source must be"):
            made(subject, wrong).fit(shift.Xt.astype(np.float32))
    for names in (["a", "b"], ["a", "b", "a"]):
        with pytest.raises(ParamError, match=rf"^{cls}\.fit: classes must be 3 different names"):
            made(subject, source, classes=names).fit(shift.Xt)
    with pytest.raises(NotFittedError):
        made(subject, source).predict(shift.Xt)
    with pytest.raises(TransferError, match=rf"^{cls}\.predict: X must"):
        fitted(subject).predict(shift.Xt[:, :-1])


def check_free_parameters(subject: Subject) -> None:
    """A value outside a parameter's range is refused by name at the start of fit."""
    shift, source = world()
    for name in subject.params:
        model = made(subject, source)
        setattr(model, name, object())
        with pytest.raises(ParamError, match=rf"^{subject.card.cls}\.fit: {name} must "):
            model.fit(shift.Xt)


# Does it transfer? --------------------------------------------------------------------------------------------------


def gains(subject: Subject, name: str) -> float:
    """Mean accuracy on the target over the seeds, minus that of the source model."""
    found = []
    for seed in SEEDS:
        shift, source = world(name, seed)
        own = {"training": networks.training(lr=0.01, batch_size=32)} if "training" in subject.params else {}
        model = made(subject, source, random_state=seed, **own).fit(shift.Xt)
        found.append(model.score(shift.Xt, shift.yt) - source.score(shift.Xt, shift.yt))
    return float(np.mean(found))


def check_free_transfers(subject: Subject) -> None:
    """On the better of two shifts it beats the source model."""
    found = []
    for name in ("leaning", "moved"):
        found.append(gains(subject, name))
        if found[-1] >= 0.03:  # the better one is at least that
            return
    raise AssertionError(f"{max(found):+.3f} against the source model")


def check_free_no_harm(subject: Subject) -> None:
    """Where nothing shifted it loses at most 5 points of accuracy."""
    change = gains(subject, "none")
    assert change >= -HARM, f"{change:+.3f} against the source model, without a shift"


# Batch by batch -----------------------------------------------------------------------------------------------------


def check_online_batches(subject: Subject) -> None:
    """One batch after the other is what a fit does; the first of them begins with the source model."""
    shift, source = world()
    whole = made(subject, source, batch_size=30).fit(shift.Xt)
    model = made(subject, copy.deepcopy(source), batch_size=30)
    for k in range(0, 90, 30):
        assert model.partial_fit(shift.Xt[k : k + 30]) is model, "partial_fit must return self"
    assert model.n_batches_ == whole.n_batches_ == 3, "batches are counted from the first"
    assert_same(model, whole, shift.Xt, "batch by batch must be as at once")


def check_online_goes_on(subject: Subject, folder: Any) -> None:
    """Saved between two batches and loaded, it goes on as if it had not been; a prediction in between changes nothing."""
    shift, source = world()
    model = made(subject, source, batch_size=30).fit(shift.Xt[:60])
    loaded = transferkit.load(transferkit.save(model, folder / "half"))
    model.predict(shift.Xt)
    model.partial_fit(shift.Xt[60:])
    loaded.partial_fit(shift.Xt[60:])
    assert_same(loaded, model, shift.Xt, "a loaded model must go on where the saved one was")


def check_online_history(subject: Subject) -> None:
    """Every batch is in the history, with what can be known without labels."""
    shift, source = world()
    model = made(subject, source, batch_size=30).fit(shift.Xt)
    assert [row["batch"] for row in model.history_] == [1, 2, 3], "every batch is in the history"
    for row in model.history_:
        assert {"target/entropy", "target/largest_share", "rolled_back"} <= row.keys()
        assert np.isfinite(list(row.values())).all()
    assert model.facts_["roll_backs"] == model.n_roll_backs_


def check_trained_history(subject: Subject) -> None:
    """Every epoch is in the history, and collapse is judged against the source model."""
    model = fit(subject, training=networks.training(n_epochs=3))
    assert [row["epoch"] for row in model.history_] == [1, 2, 3]
    for row in model.history_:
        watched = {"target/entropy", "target/diversity", "target/largest_share", "train/loss"}
        assert watched <= row.keys(), "an epoch must say what is known without labels"
        assert np.isfinite(list(row.values())).all()
    assert np.isclose(sum(model.facts_["target_shares"]), 1)
    assert np.isclose(sum(model.facts_["target_shares_before"]), 1)
    assert model.facts_["collapsed"] in (True, False)
    with pytest.raises(ParamError, match=r"training\.validation must be 0"):
        fit(subject, training=networks.training(validation=0.2))


def check_trained_resume(subject: Subject, folder: Any) -> None:
    """Stopped in the middle of an epoch and fitted again, it ends in the same network, bit for bit."""
    shift, _ = world()

    def stop(event: str, state: Any) -> None:
        if event == "update" and state["update"] == 8:
            raise InterruptedError

    given = {"n_epochs": 3, "checkpoint_every": 1, "batch_size": 16}
    unbroken = fit(subject, training=networks.training(**given, folder=folder / "one"))
    with pytest.raises(InterruptedError):
        fit(subject, training=networks.training(**given, folder=folder / "two", callbacks=[stop]))
    resumed = fit(subject, training=networks.training(**given, folder=folder / "two"))
    assert resumed.history_ == unbroken.history_, "a resumed fit must equal the unbroken one"
    assert_same(resumed, unbroken, shift.Xt, "a resumed fit must equal the unbroken one")


SHARED: tuple[Callable[..., None], ...] = (
    *CLASS_CHECKS, check_free_of_labels, check_free_of_source_rows, check_free_outputs, check_free_attributes,
    check_free_nothing_changed, check_free_clone, check_free_refit, check_free_repeatable, check_free_globals,
    check_free_round_trip, check_free_inputs, check_free_small, check_free_errors, check_free_parameters,
    check_free_transfers, check_free_no_harm,
)  # fmt: skip
SOURCE_FREE_CHECKS = (*SHARED, check_trained_history, check_trained_resume)
TEST_TIME_CHECKS = (*SHARED, check_online_batches, check_online_goes_on, check_online_history)
