"""What the guard hands on: the winner, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...catalogue import Card
from ..select import Candidate
from ..strict_json import plain
from ..train import Trained

__all__ = ["Choice", "ensemble", "facts_of_choice", "reason_of"]


@dataclass(frozen=True, eq=False)
class Choice:
    """The guard's decision, made without any held-back label.

    Attributes
    ----------
    winner : Trained
        Source-only where nothing else may replace it.
    proposal : Trained
        What was held against it; source-only itself where there was nothing.
    evidence : dict of float
        What speaks for a candidate, by id; how it is measured depends on the rule.
    guard : dict
        For ``run.json``.
    expected : dict
        Accuracy to expect with its interval, ``(value, (low, high))`` by id, where one can be had.
    """

    winner: Trained
    proposal: Trained
    evidence: dict[str, float]
    guard: dict[str, Any] = field(default_factory=dict)
    expected: dict[str, tuple[float, tuple[float, float]]] = field(default_factory=dict)


def ensemble(name: str, summary: str, model: Any, anchor: Trained) -> Trained:
    """A model made of candidates, to stand among them."""
    card = Card(
        name=name, paradigm="ensemble", cls="Vote", protocol="Transfer", settings=("unsupervised",),
        tasks=("classification",), data=("vectors",), needs=(), cost="n", portfolio=({},), scaling="source",
        paper="Stone. The Opinion Pool. Annals of Mathematical Statistics 32, 1961.",
        url="https://doi.org/10.1214/aoms/1177704873", summary=summary,
    )  # fmt: skip
    candidate = Candidate(id=name, card=card, params={}, estimator=anchor.candidate.estimator, role="candidate")
    return Trained(candidate, "fitted", "", model)


def facts_of_choice(
    rule: str,
    says: str,
    anchor: Trained,
    proposal: Trained,
    adapted: bool,
    checks: Sequence[dict[str, Any]],
    **more: Any,
) -> dict[str, Any]:
    """The guard's part of ``run.json``."""
    winner = proposal if adapted else anchor
    state = more.pop("state", "adapt" if adapted else "keep")
    return plain(
        {
            "selector": rule,
            "rule": says,
            "anchor": anchor.candidate.id,
            "proposal": proposal.candidate.id,
            "winner": winner.candidate.id,
            "adapted": adapted,
            "state": state,
            "checks": list(checks),
            "reason": reason_of(checks, state),
            **more,
        }
    )


def reason_of(checks: Sequence[dict[str, Any]], state: str) -> str:
    """What decided it, as the end of the verdict's sentence."""
    if not checks:
        return "what was to be tested against it could not be fitted"
    if state == "keep":
        deciding = [c for c in checks if not c["passed"]]
    else:  # that there is a shift, and no collapse, is needed but speaks for nothing; nor does how numbers were tuned
        deciding = [c for c in checks if c["passed"] and c["check"] not in ("shift", "spread", "tuning")]
    first = (deciding or list(checks))[0]
    says = first["says"].rstrip(".")
    says = says[:1].lower() + says[1:]
    if state == "adapt":
        return f"negative transfer is unlikely, because {says}"
    if state == "ambiguous":
        return f"the evidence has two readings, because {says}"
    if first["check"] in ("shift", "dispute"):
        return f"there is nothing to gain, because {says}"
    return f"negative transfer cannot be ruled out, because {says}"
