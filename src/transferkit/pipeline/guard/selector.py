"""Choices by one Selector: regression without labels, and one named proposal tested by a few labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ... import catalogue
from ...ops.evidence.candidates import class_probabilities
from ..label_search import says_of
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
    if not fitted:
        return _chosen(REGRESSION, anchor, anchor, False, [], {})
    best = max(fitted, key=lambda t: evidence[t.candidate.id])
    checks = selector.explain(best.model, prepared.source, prepared.target)
    return _chosen(REGRESSION, best, anchor, evidence[best.candidate.id] > 0, checks, evidence)


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
    one = next((t for t in trained if t.model is not None and t is not anchor and t.candidate.id == proposal), None)
    if one is None:
        return _chosen(WITH_LABELS, anchor, anchor, False, [], {})
    score, checks = selector.judge(_as_refitted(one, seed), prepared.source, prepared.target)
    checks = [*checks, *([] if one.tuning is None else [says_of(one.tuning)])]
    evidence, passed = {proposal: score}, score > 0
    if is_numbers:
        return _chosen(WITH_LABELS, one, anchor, passed, checks, evidence)
    before, after = (class_probabilities(t.model, prepared.target.X, classes) for t in (anchor, one))
    disputed = disputed_facts(before, after, classes, prepared, seed, level_of(FEW_LABELS))
    asks = not passed and disputed["n"] > 0 and (len(classes) == 2 or (checks[0]["value"] or 0) > 0)
    state = "adapt" if passed else "ambiguous" if asks else "keep"
    more = {"state": state, "disputed": disputed, "readings": readings_of(disputed["n"], ASTRAY) if asks else []}
    return _chosen(WITH_LABELS, one, anchor, passed, checks, evidence, **more)


def _as_refitted(t: Trained, seed: int) -> Any:
    """What a fold fits: where numbers were tuned, the search too, so that no label tests what it has helped to choose.

    It tries as many settings as there was time for in the fit with all labels, so the outcome does not depend on time.
    """
    if t.tuning is None:
        return t.model
    return replace(t.candidate, trials=t.tuning["tried"], seconds=None).build(seed)


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
