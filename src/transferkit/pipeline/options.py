"""Options that would have no effect in a run of this kind are refused, before anything is fitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from ..core.errors import ParamError
from .prepare import Prepared
from .select import named_alone
from .task import TransferTask

__all__ = ["check_epochs", "check_options"]

_SHARES = ("assume", "target_shares")
_GIVEN = {field.name: field.default for field in fields(TransferTask)}


def check_options(task: TransferTask, prepared: Prepared) -> None:
    """Refuse what this kind of run between domains would not heed.

    Raises
    ------
    ParamError
        Naming the option, and why it can do nothing; or saying that class shares name other classes than the source's.
    """
    for names, why in _without_effect(task, prepared):
        for name in names:
            value = getattr(task, name)
            if value != _GIVEN[name] and not (name == "jobs" and value == 1):
                raise ParamError(f"run: {name} must be left out {why}. Got {value!r}.")
    if task.tune_proposal and not prepared.target.mask.any():
        raise ParamError(
            "run: tune_proposal must go with a few known target labels (--target-labels few): nothing else tells settings apart."
            f" Got {task.tune_proposal!r} and no known label."
        )
    if task.mode != "nothing":
        task.shares_of(np.asarray(prepared.classes))


def _without_effect(task: TransferTask, prepared: Prepared) -> Iterator[tuple[Sequence[str], str]]:
    """Options, and where they do nothing, as it stands in the message."""
    if prepared.edges is not None:
        why = "where the domains are graphs, which are fitted one at a time and on which labels of the target decide"
        yield ("tune", "tune_proposal", "engine", "jobs", "distil", *_SHARES), why
    if prepared.source_names is not None:
        why = "where source and target have columns of their own: methods bring their own models, and the relation decides"
        yield ("tune", "tune_proposal", "distil", *_SHARES), why
    if prepared.kind == "regression":
        yield _SHARES, "of a regression, which has no class shares"
        yield ("distil",), "of a regression, in which nothing votes"
    if prepared.target.mask.any():
        n = int(prepared.target.mask.sum())
        known = f"where target labels decide ({n} known labels; --target-labels none throws those away)"
        yield (*_SHARES, "distil"), known
    if named_alone(task) is not None:
        yield ("distil",), "where one method is named, and nothing votes"


def check_epochs(task: TransferTask, candidates: Sequence[Any]) -> None:
    """Refuse a number of epochs where no candidate trains a network.

    Raises
    ------
    ParamError
    """
    if task.epochs is not None and not any(c.card.cost == "epochs" for c in candidates):
        raise ParamError(
            "run: epochs must go with a method that trains a network, named with --method, as in --method dann."
            f" Got {task.epochs!r} and none."
        )
