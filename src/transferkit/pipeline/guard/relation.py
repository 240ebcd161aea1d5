"""Between feature spaces: was any relation found, and is it of use? Told by the known target labels or the pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ...core.errors import TransferError
from ...core.heterogeneous import check_heterogeneous
from ...core.relation_guard import TargetAlone, better_than_alone, own_labels
from ...core.relation_test import Judged, relation_test
from ...ops.evidence.findings import finding
from ..prepare import Prepared
from ..train import Trained
from .choice import Choice, facts_of_choice

__all__ = ["by_relation"]

ALPHA, N_PERMUTATIONS, N_SPLITS = 0.05, 39, 3
RULE = (
    "A method between feature spaces replaces the target's labels alone only where its tie does better than shuffled ties, and its"
    f" predictions better than theirs on labels that neither was given (each p at most {ALPHA:g})."
)


def by_relation(trained: Sequence[Trained], anchor: Trained, prepared: Prepared, seed: int, proposal: str) -> Choice:
    """One proposal, fixed beforehand, against shuffled ties and against the target's labels alone."""
    named = next((t for t in trained if t.candidate.id == proposal), None)
    if named is None or named.model is None:
        failed = named.reason if named is not None else "it was not tried"
        says = f"What was to be tested, {proposal.removesuffix('-1')}, could not be fitted: {failed}"
        return _choice(anchor, anchor, [finding("relation", None, None, False, says)], 0.0, {})
    method = named.candidate.build(seed)
    rng = check_random_state(seed)
    alone = TargetAlone()
    data = check_heterogeneous(
        TargetAlone(), prepared.source.X, prepared.source.y, prepared.target, pairs=prepared.pairs
    )
    rows, labels = own_labels(data)
    more: dict[str, Any] = {"groups": prepared.groups}
    if prepared.pairs is not None:
        more["pairs"] = prepared.pairs
    given = (prepared.source.X, prepared.source.y, prepared.target)
    try:
        judged = Judged.of(rows, labels, N_SPLITS, rng, "run", data.classes is None)
        test = relation_test(
            method, *given, n_permutations=N_PERMUTATIONS, n_splits=N_SPLITS, level=ALPHA, random_state=rng, **more
        )
        against = better_than_alone(method, alone, *given, judged, more)
    except (TransferError, ValueError, ArithmeticError) as err:  # one refit of many may fail: nothing was shown then
        says = f"No relation could be tested: {str(err).partition(': ')[2] or err}"
        return _choice(anchor, named, [finding("relation", None, ALPHA, False, says)], 0.0, {})
    related = test.p_value <= ALPHA
    found = f"{'A' if related else 'No'} relation between the two feature spaces was found. {test.says}"
    checks = [
        finding("relation", test.p_value, ALPHA, related, found),
        finding("lead", against.p_value, ALPHA, against.passes(ALPHA), against.says),
    ]
    relation = {
        "found": related, "tie": "pairs" if test.shuffled == "pairs" else "labels", "shuffled": test.shuffled,
        "p_value": test.p_value, "statistic": test.statistic, "n_judged": test.n_judged, "n_shuffles": len(test.of_shuffled),
        "of_shuffled": np.round(np.sort(test.of_shuffled), 6), "says": found,
        "wins": against.wins, "losses": against.losses,
    }  # fmt: skip
    return _choice(anchor, named, checks, (against.wins - against.losses) / max(1, against.n), relation)


def _choice(
    anchor: Trained, proposal: Trained, checks: list[dict[str, Any]], lead: float, relation: dict[str, Any]
) -> Choice:
    adapted = proposal is not anchor and all(c["passed"] for c in checks)
    guard = facts_of_choice(
        "relation_guard", RULE, anchor, proposal, adapted, checks, mode="known ties", relation=relation
    )
    evidence = (
        {anchor.candidate.id: 0.0} if proposal is anchor else {proposal.candidate.id: lead, anchor.candidate.id: 0.0}
    )
    return Choice(proposal if adapted else anchor, proposal, evidence, guard)
