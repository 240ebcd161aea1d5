"""What a training leaves beside the weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Trained"]


@dataclass
class Trained:
    """What a training has found.

    Attributes
    ----------
    history : list of dict
        One row an epoch: ``epoch``, ``lr``, the mean of every logged part as ``<step>/<part>``, ``validation``.
    n_updates : int
        Updates that were done.
    pieces : int
        Parts that a batch was cut into; more than `accumulate` where memory ran out.
    stopped_early : bool
        Whether patience ended it.
    best_epoch : int or None
        Epoch of the best validation score.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    n_updates: int = 0
    pieces: int = 1
    stopped_early: bool = False
    best_epoch: int | None = None
