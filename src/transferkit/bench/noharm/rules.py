"""The rules that are compared, and limits derived without the group of data that they are judged on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...core.protocols import Array
from ...pipeline.guard.decide import LIMITS, Limits, Mode, decide
from ...pipeline.guard.measure import Evidence

__all__ = ["GRIDS", "LEVEL", "SIMILAR", "few_labels", "gains", "nested"]

SIMILAR = 0.2  # total variation up to which class shares count as similar
LEVEL = 0.05  # of the sign test on a few labels
HARM = 0.01
MOST_HARMED = 0.01  # share of the tasks that limits may harm where they are derived
KEPT = 0.8  # of the largest gain: the strictest limits that keep it are taken

# What is derived; all else of `Limits` stands as argued there.
GRIDS: Mapping[str, Mapping[str, Sequence[float]]] = {
    "nothing": {"strict_gain": (0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.10), "strict_steady": (0.75, 0.90, 1.0)},
    "same-priors": {
        "surplus": (0.15, 0.20, 0.25, 0.30),
        "some_surplus": (0.08, 0.10, 0.15),
        "same_gain": (0.02, 0.03, 0.05, 0.08),
        "same_steady": (0.75, 0.90),
    },
    "target-shares": {"given_surplus": (0.10, 0.15, 0.20, 0.25, 0.30), "told": (0.05, 0.10, 0.15, 0.20)},
}


def gains(rows: Sequence[Mapping[str, Any]], mode: Mode, limits: Limits = LIMITS) -> Array:
    """Accuracy gained over source-only by the guard, of shape (n_tasks,); 0 where it keeps source-only."""
    given = mode == "target-shares"
    found = np.zeros(len(rows))
    for k, row in enumerate(rows):
        decision = decide(Evidence(**row["evidence_given" if given else "evidence"]), mode, limits)
        if decision.state == "adapt":
            said = row["shares_moved"] if decision.branch == "shares" else row["vote_given" if given else "vote"]
            found[k] = said - row["anchor"]
    return found


def nested(
    rows: Sequence[Mapping[str, Any]], mode: Mode, progress: Callable[[], None] | None = None
) -> tuple[Array, dict[str, Limits]]:
    """Gains where each group of data is judged with limits that were derived from the other groups alone.

    Of all limits on the grid that harm at most 1 % of the other groups' tasks by more than a point, the strictest that keep
    four fifths of the largest total gain: limits at the edge of harm do not carry over to new data. Where none keeps to that,
    the rule keeps source-only.
    """
    grid = GRIDS[mode]
    tried = [replace(LIMITS, **dict(zip(grid, values))) for values in itertools.product(*grid.values())]
    table = np.array([gains(rows, mode, limits) for limits in tried])
    groups = np.array([row["group"] for row in rows])
    found, used = np.zeros(len(rows)), {}
    for group in np.unique(groups):
        rest = table[:, groups != group]
        harmless = (rest < -HARM).mean(axis=1) <= MOST_HARMED
        if not harmless.any():
            continue
        total = np.where(harmless, rest.sum(axis=1), -np.inf)
        enough = np.flatnonzero(harmless & (total >= KEPT * total.max() - 1e-9))
        # The strictest adapts least often; of equals the last, with the largest limits.
        adapts = (rest[enough] != 0).sum(axis=1)
        best = int(enough[np.flatnonzero(adapts == adapts.min())[-1]])
        used[str(group)] = tried[best]
        found[groups == group] = table[best, groups == group]
    return found, used


def few_labels(draws: Sequence[Sequence[Mapping[str, float]]], level: float = LEVEL) -> tuple[Array, Array]:
    """Gains of pooling where the sign test allows it, and the oracle's, of shape (n_tasks, n_draws)."""
    gain = [[d["pooled"] - d["anchor"] if d["p"] <= level else 0.0 for d in own] for own in draws]
    best = [[max(0.0, d["oracle"] - d["anchor"]) for d in own] for own in draws]
    return np.array(gain), np.array(best)
