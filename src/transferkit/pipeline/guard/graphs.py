"""Between graphs: known labels test one proposal; without any, the network of the source alone stays."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import entr
from sklearn.utils import check_random_state

from ...core.errors import TransferError
from ...core.protocols import Array
from ...ops.evidence.candidates import class_probabilities
from ...ops.evidence.findings import finding
from ...ops.evidence.paired_test import count_pairs, pairs_of_classes, sign_test
from ...ops.folds import deal_folds
from ..prepare import Prepared
from ..train import Trained
from .choice import Choice, facts_of_choice
from .disputed import FEW_LABELS, disputed_facts, level_of

__all__ = ["by_graph"]

LEVEL, N_SPLITS = 0.05, 3
COLLAPSED = 0.5  # of the entropy of source-only's class shares: less is a collapse
RULE = (
    "On graphs a method replaces the source's network only where known target labels, which it was not given, say so: it must be"
    f" right on more of them (sign test, p at most {LEVEL:g}; between two classes within each)."
)
NO_EVIDENCE = (
    "Without target labels nothing is known to tell on a graph. Nodes that edges join are no independent rows, so the test for"
    " a shift does not hold; and whatever averages over neighbours follows the clusters that averaging makes, right or wrong"
)


def by_graph(trained: Sequence[Trained], anchor: Trained, prepared: Prepared, seed: int, proposal: str) -> Choice:
    """Source-only against one proposal that is fixed beforehand, on the known labels that it was not given.

    The sign test takes the labelled nodes for a random sample of the target's: of such, nothing is assumed about the edges.
    """
    known = bool(prepared.target.mask.any())
    mode = FEW_LABELS if known else "nothing"
    named = next((t for t in trained if t.candidate.id == proposal), None)
    if named is anchor:
        check = finding("dispute", 0.0, 0.0, False, "The method that was named is source-only itself.")
        return _choice(anchor, anchor, [check], mode)
    if named is None or named.model is None:
        why = named.reason if named is not None else "it was not tried"
        says = f"What was to be held against source-only, {proposal.removesuffix('-1')}, could not be fitted: {why}"
        return _choice(anchor, anchor, [finding("refit", None, None, False, says)], mode)
    more: dict[str, Any] = {}
    if prepared.classes is not None:
        classes = np.unique(np.asarray(prepared.source.y))
        before, after = (class_probabilities(t.model, prepared.target.X, classes) for t in (anchor, named))
        more["disputed"] = disputed_facts(before, after, classes, prepared, seed, level_of(mode))
        named_labels = [np.eye(len(classes), dtype=int)[p.argmax(axis=1)] for p in (before, after)]
    else:
        named_labels = [np.asarray(t.model.predict(prepared.target.X)) for t in (anchor, named)]
    checks = [
        _tested(anchor, named, prepared, seed) if known else finding("labels", None, None, False, f"{NO_EVIDENCE}.")
    ]
    if not checks[0]["passed"]:  # known labels that speak for it say more than how many classes it names
        spread = _spread(*named_labels)
        checks = [*checks, spread] if spread["passed"] else [spread, *checks]
    return _choice(anchor, named, checks, mode, **more)


def _spread(before: Array, after: Array) -> dict[str, Any]:
    """Whether the proposal has collapsed, from tables of 0 and 1 of the labels that each of the two gives the nodes."""
    own, other = (float(entr(labels.sum(axis=0) / max(labels.sum(), 1)).sum()) for labels in (before, after))
    value = other / own if own > 0 else 1.0
    passed = value >= COLLAPSED
    says = (
        "The proposal names about as many classes as source-only."
        if passed
        else f"The proposal has collapsed: the classes that it names have {value:.0%} of the entropy of source-only's."
    )
    return finding("spread", value, COLLAPSED, passed, says)


def _tested(anchor: Trained, named: Trained, prepared: Prepared, seed: int) -> dict[str, Any]:
    """The sign test over known labels."""
    y = prepared.target.known_y
    if len(y) < 2:
        return finding("labels", len(y), 2.0, False, "There are too few known target labels to test anything.")
    try:
        before, after = (_losses(t, prepared, seed) for t in (anchor, named))
    except TransferError as err:
        return finding("refit", None, None, False, f"A refit with fewer target labels failed: {err}")
    pairs = count_pairs(before, after)
    classes = prepared.classes
    each = pairs_of_classes(before, after, y, classes) if classes is not None and len(classes) == 2 else []
    p = max(sign_test(part.wins, part.losses) for part in (pairs, *each))
    smaller = bool(after.mean() < before.mean())
    what = "has fewer wrong labels" if y.ndim == 2 else "is right where source-only is wrong"
    says = (
        f"On {len(y)} known target labels that neither was given, the proposal {what} {pairs.wins} times and the other way"
        f" round {pairs.losses} times (p = {sign_test(pairs.wins, pairs.losses):.3f}; at most {LEVEL:g} counts)."
    )
    if each:
        says += f" Within each class alone, p is at most {p:.3f}."
    if pairs.wins > pairs.losses and not smaller:
        says += " Over all of them it has no fewer wrong labels."
    return finding("lead", pairs.wins - pairs.losses, None, p <= LEVEL and smaller, says)


def _losses(t: Trained, prepared: Prepared, seed: int) -> Array:
    """Wrong labels of each node whose label is known, by a fit that was not given it.

    What learns from no target label has not been given any; the others are refitted without a part of the labels in turn.
    """
    target = prepared.target
    rows, y = target.known_rows, target.known_y
    if "few_label" not in t.candidate.card.settings:
        guess = np.asarray(t.model.predict(target.X))[rows]
    else:
        classes = None if y.ndim == 2 else np.unique(y, return_inverse=True)[1]
        folds = deal_folds(classes, min(N_SPLITS, len(rows)), check_random_state(seed), n=len(rows))
        guess = np.empty_like(y)
        for fold in np.unique(folds):
            mask = target.mask.copy()
            mask[rows[folds == fold]] = False
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = t.candidate.build(seed).fit(
                    prepared.source.X, prepared.source.y, target=replace(target, known=mask), edges=prepared.edges
                )
            guess[folds == fold] = np.asarray(model.predict(target.X))[rows[folds == fold]]
    wrong = np.asarray(guess != y, dtype=np.float64)
    return wrong if wrong.ndim == 1 else wrong.sum(axis=1)


def _choice(anchor: Trained, proposal: Trained, checks: list[dict[str, Any]], mode: str, **more: Any) -> Choice:
    adapted = proposal is not anchor and all(c["passed"] for c in checks)
    guard = facts_of_choice("known_labels", RULE, anchor, proposal, adapted, checks, mode=mode, **more)
    lead = next((c["value"] for c in checks if c["check"] == "lead"), 0.0)
    evidence = {proposal.candidate.id: float(lead or 0.0), anchor.candidate.id: 0.0}
    return Choice(proposal if adapted else anchor, proposal, evidence, guard)
