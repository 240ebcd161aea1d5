"""What every deep method between domains (protocol Transfer, and a card that needs torch) has to fulfil.

Most is what all methods of the protocol fulfil, from `common_checks`; here is what only networks can get wrong.
`tests/bad_adaptations.py` holds, for each of these, a method that must fail it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch

import common_checks
import networks
import shifts
import transferkit
from common_checks import CLASS_CHECKS, Subject, assert_same, state_of
from transferkit import DeepSourceOnly, Domain, DomainError, TransferError
from transferkit.catalogue import Card
from transferkit.engine.training.loop import Loop

SEEDS = range(3)
HARM = 0.05


def settings(own: Mapping[str, Any]) -> dict[str, Any]:
    """A method's cheap settings: a tiny network, and few epochs."""
    return {"backbone": "small:mlp?hidden=16", "bottleneck": 8, "training": training(), **own}


def training(**params: Any) -> Any:
    """Settings of the loop with which the tiny network learns the simulated shifts."""
    return networks.training(**{"n_epochs": 8, "batch_size": 32, "progress": False, **params})


def fit(subject: Subject, shift: shifts.Shift, **params: Any) -> Any:
    """A fit with as many known labels as the method needs."""
    return subject.fit(shift, 0 if subject.label_free else 3, **params)


# Labels -------------------------------------------------------------------------------------------------------------


def check_adaptation_streams(subject: Subject) -> None:
    """No batch holds a target label, though all are there; a method that takes known ones has them in a stream of their own."""
    shift, seen = shifts.moved(0, 60), []
    target = shift.target(5 if subject.takes_labels else None)
    update = Loop.update

    def watch(loop: Loop, batch: Any) -> Any:
        seen.append(batch)
        return update(loop, batch)

    with mock.patch.object(Loop, "update", watch):
        subject.make(training=training(n_epochs=1)).fit(shift.X, shift.y, target=target)
    assert seen, "nothing was trained"
    for batch in seen:
        assert not batch.keys() & {"known"} or subject.takes_labels, "known labels reach a method that takes none"
        for name, stream in batch.items():
            if name == "known":
                rows = target.known_rows[stream.rows.numpy()]
                np.testing.assert_array_equal(stream.y.numpy(), shift.yt[rows])
            elif stream.y is not None:
                of_source = [
                    len(stream.x) and np.isin(row, shift.X.astype(np.float32)).all() for row in stream.x.numpy()
                ]
                assert all(of_source), f"labels of target rows in the stream {name}"


# The network --------------------------------------------------------------------------------------------------------


def check_adaptation_module(subject: Subject, folder: Any) -> None:
    """A network of the user's for images: it is left as it is, and a saved fit is loaded with one of its structure."""
    (X, y, _, _), (Xt, yt, _, _) = networks.image_rows(40, 0), networks.image_rows(40, 1)
    known = np.isin(np.arange(40), np.unique(yt, return_index=True)[1])
    target = Domain(Xt, None if subject.label_free else yt, None if subject.label_free else known)
    module = networks.KINDS["images"].fresh().train()
    before = state_of(module)
    model = subject.make(backbone=module, training=training(n_epochs=2)).fit(X, y, target=target)
    assert state_of(module) == before, "the user's network changed"
    assert model.transform(Xt).shape == (40, subject.cheap["bottleneck"])
    loaded = transferkit.load(transferkit.save(model, folder / "saved"), modules={"ImageNet8": module})
    assert_same(loaded, model, Xt, "a loaded model must predict what the saved one did")
    assert_same(model, model, Xt, "asked twice")
    ask = model.predict if subject.numbers_only else model.predict_proba
    np.testing.assert_allclose(ask(Xt[3:4]), ask(Xt)[3:4], atol=1e-5, err_msg="a row must not depend on others")


def check_adaptation_resume(subject: Subject, folder: Any) -> None:
    """Stopped in the middle and fitted again, it ends in the same network, bit for bit."""
    shift = shifts.moved(0, 60)

    def stop(event: str, state: Any) -> None:
        if event == "update" and state["update"] == 4:
            raise InterruptedError

    given = {"n_epochs": 3, "checkpoint_every": 1}
    unbroken = fit(subject, shift, training=training(**given, folder=folder / "one"))
    with pytest.raises(InterruptedError):
        fit(subject, shift, training=training(**given, folder=folder / "two", callbacks=[stop]))
    resumed = fit(subject, shift, training=training(**given, folder=folder / "two"))
    assert resumed.history_ == unbroken.history_, "a resumed fit must equal the unbroken one"
    assert_same(resumed, unbroken, shift.Xt, "a resumed fit must equal the unbroken one")


def check_adaptation_history(subject: Subject) -> None:
    """Every epoch is in the history, with the parts of the loss and with what can be known of the target without labels."""
    shift = shifts.moved(0, 60)
    model = fit(subject, shift, training=training(n_epochs=3))
    assert [row["epoch"] for row in model.history_] == [1, 2, 3]
    of_classes = {"target/entropy", "target/diversity", "target/largest_share"}
    watched = {"domain/auc", "source/score"} | (set() if subject.numbers_only else of_classes)
    n_classes = 3 + ("open_set" in subject.card.settings)  # one more, while it trains
    for row in model.history_:
        assert watched <= row.keys(), "an epoch must say what is known without labels"
        assert any(name.endswith("/loss") for name in row), "no loss is logged"
        assert np.isfinite(list(row.values())).all()
        assert 0 <= row["domain/auc"] <= 1
        if not subject.numbers_only:
            assert 0 <= row["target/diversity"] <= np.log(n_classes) + 1e-6
            assert row["target/diversity"] >= row["target/entropy"] - 1e-6, "entropy is concave"
    assert np.isclose(sum(model.facts_["target_shares"]), 0 if subject.numbers_only else 1)
    assert model.facts_["collapsed"] in (True, False)
    assert model.facts_["diverged"] in (True, False)
    held = fit(subject, shift, training=training(n_epochs=2, validation=0.25, keep="best"))
    least = -np.inf if subject.numbers_only else 0  # R^2 has no lower end
    assert all(least <= row["validation"] <= 1 for row in held.history_)


def check_adaptation_globals(subject: Subject) -> None:
    """Generators, threads, gradient mode and default types are left as they were, after a fit and after an error."""

    def outside() -> Any:
        return [
            torch.get_rng_state().numpy().tobytes(), state_of(list(np.random.get_state())), random.getstate(),  # noqa: NPY002
            torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype(),
            torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision(),
        ]  # fmt: skip

    shift, before = shifts.moved(0, 60), outside()
    model = fit(subject, shift, training=training(n_epochs=2))
    model.predict(shift.Xt)
    assert outside() == before, "global state changed"
    with pytest.raises(TransferError):
        model.fit(shift.X, shift.y[:-1], target=shift.target(3))
    assert outside() == before, "global state changed by an error"


def check_adaptation_kinds(subject: Subject) -> None:
    """Labels of a kind that the card does not name are refused in the words of `y`; so are rows that no small network takes."""
    shift = shifts.numbers(0)
    if "regression" not in subject.card.tasks:
        with pytest.raises(DomainError, match=rf"^{subject.card.cls}\.fit: y must be for classification"):
            subject.make().fit(shift.X, shift.y, target=shift.target(3))
    if subject.numbers_only:
        with pytest.raises(DomainError, match=rf"^{subject.card.cls}\.fit: y must be for regression"):
            subject.make(task="auto").fit(shift.X, np.arange(60) % 3, target=shift.target(3))
    texts = [f"text {k}" for k in range(10)]
    with pytest.raises(TransferError, match=rf"^{subject.card.cls}\.fit: .*backbone must be named"):
        subject.make(backbone="auto").fit(texts, np.arange(10) % 2, target=Domain(texts))


# Does it transfer? --------------------------------------------------------------------------------------------------


_PLAIN: dict[str, float] = {}


def source_alone(model: DeepSourceOnly, shift: shifts.Shift, target: Domain) -> float:
    """What the network scores that is trained on the source alone: the same for all methods with these settings."""
    key = repr(state_of([model, shift.X, shift.y, target, shift.yt]))
    if key not in _PLAIN:
        _PLAIN[key] = model.fit(shift.X, shift.y, target=target).score(shift.Xt, shift.yt)
    return _PLAIN[key]


def gains(subject: Subject, make: Any) -> float:
    """Mean accuracy (R^2, to regress) on the target over the seeds, minus that of the same network trained on the source alone."""
    found, same = [], {k: v for k, v in subject.cheap.items() if k in DeepSourceOnly().get_params()}
    for seed in SEEDS:
        shift = make(seed)
        own = {"random_state": seed, "training": training(n_epochs=15)}
        target = shift.target(0 if subject.label_free else 5)
        model = subject.make(**own).fit(shift.X, shift.y, target=target)
        plain = source_alone(DeepSourceOnly(**{**same, **own}), shift, target)
        found.append(model.score(shift.Xt, shift.yt) - plain)
    return float(np.mean(found))


def check_adaptation_transfers(subject: Subject) -> None:
    """On the better of two shifts of the features (to regress, on one) it beats the network trained on the source alone."""
    makes = (shifts.loud,) if subject.numbers_only else (shifts.moved, shifts.offset)
    least, found = 0.0 if subject.card.paradigm == "baseline" else 0.03, []
    for make in makes:
        found.append(gains(subject, make))
        if found[-1] >= least:  # the better one is at least that
            return
    raise AssertionError(f"{max(found):+.3f} against the source alone")


def check_generalises(subject: Subject) -> None:
    """Any other target gives the same network; on the better of two sets of sources it does not lose to all of them together."""
    import source_groups as groups  # which has this file's settings

    groups.assert_target_unused(subject.make(training=training(n_epochs=2)), groups.two_moved(0))
    found = []
    for make in (groups.spurious, groups.two_moved):
        changes = []
        for seed in SEEDS:
            data, own = make(seed), {"random_state": seed, "training": training(n_epochs=15)}
            model, plain = groups.fitted(subject.make(**own), data), groups.plain(data, **own)
            changes.append(model.score(data.Xt, data.yt) - plain.score(data.Xt, data.yt))
        found.append(np.mean(changes))
        if found[-1] >= 0:  # the better one is at least that
            return
    raise AssertionError(f"{max(found):+.3f} against all sources together")


def check_adaptation_no_harm(subject: Subject) -> None:
    """Where nothing shifted it loses at most 5 points of accuracy, or of R^2."""
    same = partial(shifts.numbers, n=90, move=0.0) if subject.numbers_only else shifts.none
    change = gains(subject, same)
    assert change >= -HARM, f"{change:+.3f} against the source alone, without a shift"


def checks_of(card: Card) -> tuple[Callable[..., None], ...]:
    """The checks that a method has to pass: one that does not see the target has no shift to adapt to, but several sources."""
    if card.paradigm != "domain_generalisation":
        return ADAPTATION_CHECKS
    return tuple(check_generalises if c is check_adaptation_transfers else c for c in ADAPTATION_CHECKS)


SHARED = tuple(
    check
    for check in common_checks.CHECKS["Transfer"]
    if check not in (*CLASS_CHECKS, common_checks.check_transfers, common_checks.check_no_harm)
)
ADAPTATION_CHECKS = (
    *CLASS_CHECKS, *SHARED, check_adaptation_streams, check_adaptation_module, check_adaptation_resume,
    check_adaptation_history, check_adaptation_globals, check_adaptation_kinds, check_adaptation_transfers,
    check_adaptation_no_harm,
)  # fmt: skip
# Those of them that ask a method for numbers alone something else.
NUMBER_CHECKS = (
    common_checks.check_string_labels, common_checks.check_small_and_degenerate, check_adaptation_module,
    check_adaptation_history, check_adaptation_kinds, check_adaptation_transfers, check_adaptation_no_harm,
)  # fmt: skip
