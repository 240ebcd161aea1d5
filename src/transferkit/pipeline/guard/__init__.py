"""The guard of step 5: does anything replace source-only? Decided without a held-back label.

`measure` gathers the evidence, `decide` holds it against limits; `classes` puts both together for a classification,
`selector` and `labels` are the ways of regression and of a few labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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
    "Choice", "as_single", "check_labels", "choose", "label_sheet", "merge_labels", "settle", "write_labels",
]  # fmt: skip


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
