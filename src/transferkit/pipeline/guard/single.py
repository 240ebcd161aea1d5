"""The winning vote as one plain model, and what that costs."""

from __future__ import annotations

from dataclasses import replace

from ...core.distil import distil
from ...core.vote import Vote
from ..prepare import Prepared
from ..strict_json import plain
from ..train import Trained
from .choice import Choice, ensemble

__all__ = ["as_single"]

SUMMARY = "The vote distilled: one plain model taught by the vote's probabilities on the target"


def as_single(choice: Choice, anchor: Trained, prepared: Prepared, seed: int) -> Choice:
    """Distil the winner where it is a vote; anything else is one model already.

    The facts say how often the student agrees with the vote on held-out target rows, and how much smaller it is. Times are
    left out: equal runs have equal files.
    """
    if not isinstance(choice.winner.model, Vote) or len(choice.winner.model.models) == 1:
        return choice
    found = distil(choice.winner.model, prepared.target.X, source=prepared.source, random_state=seed)
    student = ensemble("distilled", SUMMARY, found.model, anchor)
    facts = {k: v for k, v in found.facts.items() if not k.endswith("_seconds")}
    guard = {**choice.guard, "winner": student.candidate.id, "distilled": plain(facts)}
    return replace(choice, winner=student, guard=guard)
