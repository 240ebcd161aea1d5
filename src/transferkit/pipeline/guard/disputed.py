"""The rows on which proposal and source-only differ: examples, and which of them to label next."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.protocols import Array
from ...ops.evidence.paired_test import labels_needed, rows_to_label
from ..prepare import Prepared
from ..strict_json import plain

__all__ = ["FEW_LABELS", "disputed_facts", "level_of", "readings_of", "rows_to_ask"]

MOST_ASKED = 40
FEW_LABELS = "few labels"  # the mode in which labels are learned from, too
GUESSED_WIN_RATE = 0.8  # of decided rows; what labels_needed is asked for


def level_of(mode: str) -> float:
    """Largest chance that labels of disputed rows settle it the wrong way, however often one looks.

    On 129 real tasks of two classes, a loss of more than a point came through in 0.1 % of the cases at 0.1 where the proposal
    was the vote; where it had learned from 20 to 100 labels, in 0.3 to 0.5 % at 0.1 and in at most 0.2 % at 0.05.
    """
    return 0.05 if mode == FEW_LABELS else 0.10


def disputed_facts(
    before: Array, after: Array, classes: Array, prepared: Prepared, seed: int, level: float
) -> dict[str, Any]:
    """Counts of changes from class to class, and rows to label in the order in which they should be.

    Parameters
    ----------
    before, after : arrays of shape (n_target, n_classes)
        Probabilities of source-only and of the proposal.
    classes : array of shape (n_classes,)
    prepared : Prepared
        For the rows' names.
    seed : int
        The order is drawn: a test after each label is valid only for rows drawn at random from those in dispute.
    level : float
        What labels must settle it at.
    """
    a, b, free = before.argmax(axis=1), after.argmax(axis=1), ~prepared.target.mask
    rows = np.flatnonzero((a != b) & free)
    if not len(rows):
        return {"n": 0, "share": 0.0, "changes": [], "label_next": [], "labels_needed": 0}
    pairs, counts = np.unique(np.column_stack([a[rows], b[rows]]), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:20]
    return plain(
        {
            "n": len(rows),
            "share": len(rows) / int(free.sum()),
            "changes": [{"from": classes[pairs[k, 0]], "to": classes[pairs[k, 1]], "n": counts[k]} for k in order],
            "labels_needed": min(len(rows), int(np.ceil(labels_needed(GUESSED_WIN_RATE, alpha=level)))),
            "label_next": rows_to_ask(before, after, classes, prepared, seed),
        }
    )


def readings_of(n: int, otherwise: str) -> list[dict[str, str]]:
    """What either outcome of labels for the n rows in dispute would mean; `otherwise` is why the proposal could be the worse."""
    rows = f"the {n} rows on which they differ"
    return [
        {
            "assumption": f"The proposal is right more often than source-only on {rows}.",
            "then": "It is the better model for the target.",
            "do": "Label rows of label_next.csv, from the top: transferkit run --resume RUN --labels label_next.csv.",
        },
        {
            "assumption": f"Source-only is right as often, or more often, on {rows}.",
            "then": otherwise,
            "do": "Keep source-only.",
        },
    ]


def rows_to_ask(
    before: Array, after: Array, classes: Array, prepared: Prepared, seed: int, labelled: Array | tuple[int, ...] = ()
) -> list[dict[str, Any]]:
    """The next rows in the order that `seed` draws; those that are `labelled` have had their turn."""
    a, b = before.argmax(axis=1), after.argmax(axis=1)
    known = prepared.target.mask.copy()
    known[np.asarray(labelled, dtype=int)] = True
    asked = rows_to_label(a, b, MOST_ASKED, known=known, random_state=seed)
    found: list[dict[str, Any]] = plain(
        [
            {
                "row": int(i),
                **({} if prepared.names is None else {"name": prepared.names[i]}),
                "source_only": classes[a[i]],
                "proposal": classes[b[i]],
                "probability": round(float(after[i, b[i]]), 4),
            }
            for i in asked
        ]
    )
    return found
