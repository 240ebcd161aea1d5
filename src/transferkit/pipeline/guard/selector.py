"""Choices by one Selector: regression without labels, and one named proposal tested by a few labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import catalogue
from ...ops.candidates import class_probabilities
from ..prepare import Prepared
from ..train import Trained
from .choice import Choice, facts_of_choice
from .disputed import FEW_LABELS, disputed_facts, level_of, readings_of

__all__ = ["by_labels", "by_selector"]

REGRESSION = "regression_guard"
WITH_LABELS = "paired_shots"
ASTRAY = "The few labels that the proposal has learned from led it astray."


def by_selector(trained: Sequence[Trained], anchor: Trained, prepared: Prepared, seed: int) -> Choice:
    """Every candidate is scored by the label-free guard for numbers; the best is the proposal."""
    fitted = [t for t in trained if t.model is not None and t is not anchor]
    selector = catalogue.load(REGRESSION)(anchor=anchor.model, candidates=[t.model for t in fitted], random_state=seed)
    evidence = {t.candidate.id: float(selector.score(t.model, prepared.source, prepared.target)) for t in fitted}
    ranked = sorted(fitted, key=lambda t: -evidence[t.candidate.id])
    return _judge(REGRESSION, selector, ranked[:1], anchor, prepared, evidence)


def by_labels(trained: Sequence[Trained], anchor: Trained, prepared: Prepared, seed: int, proposal: str) -> Choice:
    """A few labels test ONE proposal that is fixed beforehand: picking the best of many by so few would be a lottery.

    Between two classes it has to pass within each: few labels seldom have the target's class shares, and a class that is rare
    can win a test and lose the target. Where the test is open, labels of rows in dispute are asked for, of which each says more
    and which have the target's own shares.
    """
    classes = np.unique(np.asarray(prepared.source.y))
    is_numbers = prepared.kind == "regression"
    selector = catalogue.load(WITH_LABELS)(
        anchor=anchor.model, groups=prepared.groups, per_class=not is_numbers and len(classes) == 2, random_state=seed
    )
    named = [t for t in trained if t.model is not None and t is not anchor and t.candidate.id == proposal]
    evidence = {t.candidate.id: float(selector.score(t.model, prepared.source, prepared.target)) for t in named}
    if not named or is_numbers:
        return _judge(WITH_LABELS, selector, named, anchor, prepared, evidence)
    before, after = (class_probabilities(t.model, prepared.target.X, classes) for t in (anchor, named[0]))
    disputed = disputed_facts(before, after, classes, prepared, seed, level_of(FEW_LABELS))
    checks, passed = selector.explain(named[0].model, prepared.source, prepared.target), evidence[proposal] > 0
    asks = not passed and disputed["n"] > 0 and (len(classes) == 2 or (checks[0]["value"] or 0) > 0)
    state = "adapt" if passed else "ambiguous" if asks else "keep"
    more = {"state": state, "disputed": disputed, "readings": readings_of(disputed["n"], ASTRAY) if asks else []}
    return _chosen(WITH_LABELS, named[0], anchor, passed, checks, evidence, **more)


def _judge(
    name: str,
    selector: Any,
    proposed: Sequence[Trained],
    anchor: Trained,
    prepared: Prepared,
    evidence: dict[str, float],
) -> Choice:
    proposal = proposed[0] if proposed else anchor
    checks = selector.explain(proposal.model, prepared.source, prepared.target) if proposed else []
    adapted = bool(proposed) and evidence[proposal.candidate.id] > 0
    return _chosen(name, proposal, anchor, adapted, checks, evidence)


def _chosen(
    name: str,
    proposal: Trained,
    anchor: Trained,
    adapted: bool,
    checks: Sequence[dict[str, Any]],
    evidence: dict[str, float],
    **more: Any,
) -> Choice:
    card = catalogue.card_of(name)
    mode = FEW_LABELS if name == WITH_LABELS else "nothing"
    guard = facts_of_choice(card.name, card.summary, anchor, proposal, adapted, checks, mode=mode, **more)
    return Choice(proposal if adapted else anchor, proposal, {**evidence, anchor.candidate.id: 0.0}, guard)
