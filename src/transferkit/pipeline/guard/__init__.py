"""The guard of step 5: does anything replace source-only? Decided without a held-back label.

`measure` gathers the evidence, `decide` holds it against limits; `classes` puts both together for a classification,
`selector` and `labels` are the ways of regression and of a few labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...core.errors import ParamError
from ..define import TransferTask
from ..graph_methods import graph_proposal
from ..prepare import Prepared
from ..select import named_alone, tested_by_labels
from ..spaces import proposal_of
from ..train import Trained
from .choice import Choice
from .classes import by_evidence
from .graphs import by_graph
from .labels import check_labels, label_sheet, merge_labels, settle, write_labels
from .relation import by_relation
from .selector import by_labels, by_selector
from .single import as_single

__all__ = [
    "Choice", "as_single", "check_assumption", "check_labels", "check_tuning", "choose", "label_sheet", "merge_labels",
    "settle", "write_labels",
]  # fmt: skip


def check_assumption(task: TransferTask, prepared: Prepared) -> None:
    """Refuse, before anything is fitted, what the choice would not heed.

    Raises
    ------
    ParamError
        If class shares are assumed or given where they have no part in the choice, or name other classes than the source's.
    """
    name = "assume" if task.target_shares is None else "target_shares"
    if task.mode == "nothing":
        return
    if prepared.edges is not None:
        raise ParamError(
            f"run: {name} must be left out where the domains are graphs, on which labels of the target decide. Got {task.mode!r}."
        )
    if prepared.kind == "regression":
        raise ParamError(f"run: {name} must be left out of a regression, which has no class shares. Got {task.mode!r}.")
    if prepared.target.mask.any():
        raise ParamError(
            f"run: {name} must be left out where target labels are known, for they decide. Got {task.mode!r} and"
            f" {int(prepared.target.mask.sum())} known labels; --target-labels none throws those away."
        )
    task.shares_of(np.asarray(prepared.classes))


def check_tuning(task: TransferTask, prepared: Prepared) -> None:
    """Refuse, before anything is fitted, to tune what has no honest objective.

    Raises
    ------
    ParamError
        If the proposal is to be tuned without known target labels, or where source and target do not share their columns.
    """
    if not task.tune_proposal:
        return
    if prepared.edges is not None or prepared.source_names is not None:
        raise ParamError(
            f"run: tune_proposal must be left out between graphs, or columns that differ. Got {task.tune_proposal!r}."
        )
    if not prepared.target.mask.any():
        raise ParamError(
            "run: tune_proposal must go with a few known target labels (--target-labels few): nothing else tells settings apart."
            f" Got {task.tune_proposal!r} and no known label."
        )


def choose(trained: Sequence[Trained], anchor: Trained, prepared: Prepared, task: TransferTask) -> Choice:
    """The winner among the fitted candidates; source-only stays unless the evidence is against it.

    Where the task names one method, that method's first setting is the proposal; else, with labels, pooling, and without
    labels the vote of all candidates. Between feature spaces the target's labels alone stand for source-only. Between graphs
    nothing but target labels decides.
    """
    if prepared.edges is not None:
        return by_graph(trained, anchor, prepared, task.seed, graph_proposal(task))
    if prepared.source_names is not None:
        return by_relation(trained, anchor, prepared, task.seed, proposal_of(prepared, task))
    if prepared.target.mask.any():
        return by_labels(trained, anchor, prepared, task.seed, tested_by_labels(task))
    if prepared.kind == "regression":
        return by_selector(trained, anchor, prepared, task.seed)
    return by_evidence(
        trained, anchor, prepared, task.seed, task.mode, task.shares_of(np.asarray(prepared.classes)), named_alone(task)
    )
