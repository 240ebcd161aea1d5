"""The guard of step 5: does anything replace source-only? Decided without a held-back label, by the Selector in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .. import catalogue
from .prepare import Prepared
from .strict_json import plain
from .train import Trained

__all__ = ["Choice", "choose"]

# The guard in force, by task and by whether target labels are known: a Selector's id. Swap it here.
LABEL_FREE = {"classification": "consensus_guard", "regression": "regression_guard"}
WITH_LABELS = "paired_shots"
# With a few target labels, the one proposal they test: plain pooling, the labels weighted up to the source's total. It is
# fixed beforehand; in experiments on real tasks it brought most of what few labels can bring.
PROPOSAL = "pooled-2"


@dataclass(frozen=True, eq=False)
class Choice:
    """The guard's decision, made without any held-back label."""

    winner: Trained
    evidence: dict[str, float]
    guard: dict[str, Any]


def choose(
    trained: Sequence[Trained], anchor: Trained, prepared: Prepared, seed: int, proposal: str | None = None
) -> Choice:
    """Ask the guard in force about every fitted candidate; source-only stays unless one scores above 0.

    Without target labels a label-free guard scores all of them, and the best is the proposal. With a few, labels test
    ONE that is fixed beforehand, `proposal` or pooling: picking the best of many by so few labels would be a lottery.
    """
    fitted = [t for t in trained if t.model is not None and t is not anchor]
    source, target = prepared.source, prepared.target
    models = [t.model for t in fitted]
    evidence: dict[str, float] = {}
    if target.mask.any():
        selector_id = WITH_LABELS
        selector = _guard(selector_id, anchor, models, seed)
        ranked = [t for t in fitted if t.candidate.id == (proposal or PROPOSAL)]
        evidence = {t.candidate.id: float(selector.score(t.model, source, target)) for t in ranked}
    else:
        selector_id = LABEL_FREE[prepared.kind]
        selector = _guard(selector_id, anchor, models, seed)
        evidence = {t.candidate.id: float(selector.score(t.model, source, target)) for t in fitted}
        ranked = sorted(fitted, key=lambda t: -evidence[t.candidate.id])
    proposed = ranked[0] if ranked else anchor
    checks = selector.explain(proposed.model, source, target) if ranked else []
    adapted = bool(ranked) and evidence[proposed.candidate.id] > 0
    winner = proposed if adapted else anchor
    evidence[anchor.candidate.id] = 0.0
    card = catalogue.card_of(selector_id)
    return Choice(
        winner=winner,
        evidence=evidence,
        guard={
            "selector": card.name,
            "rule": card.summary,
            "anchor": anchor.candidate.id,
            "proposal": proposed.candidate.id,
            "winner": winner.candidate.id,
            "adapted": adapted,
            "checks": [plain(c) for c in checks],
            "reason": _reason(checks, adapted),
        },
    )


def _guard(name: str, anchor: Trained, models: Sequence[Any], seed: int) -> Any:
    return catalogue.load(name)(anchor=anchor.model, candidates=models, random_state=seed)


def _reason(checks: Sequence[dict[str, Any]], adapted: bool) -> str:
    """What decided it, as the end of the verdict's sentence."""
    if not checks:
        return "what was to be tested against it could not be fitted"
    deciding = [c for c in checks if c["passed"] == adapted] or list(checks)
    first = deciding[1 if adapted and len(deciding) > 1 else 0]
    says = first["says"].rstrip(".")
    says = says[:1].lower() + says[1:]
    if adapted:
        return f"negative transfer is unlikely, because {says}"
    if first["check"] in ("shift", "dispute"):
        return f"there is nothing to gain, because {says}"
    return f"negative transfer cannot be ruled out, because {says}"
