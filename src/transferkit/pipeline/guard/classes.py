"""The choice for a classification without target labels: anchor, vote, evidence, verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from ...core.protocols import Array
from ...core.vote import Vote
from ...ops.evidence.candidates import class_probabilities
from ...ops.label_shift.shares import temperature
from ..prepare import Prepared
from ..select import is_tried
from ..train import Trained
from .choice import Choice, ensemble, facts_of_choice
from .consensus import Proposal
from .decide import LIMITS, Decision, Mode, decide
from .disputed import disputed_facts, level_of, readings_of
from .expected import ANCHOR, VOTE, expectation_features
from .measure import Ballots, Evidence, look, measure

__all__ = ["ballots_of", "by_evidence", "vote_of"]

RULE = "Adapt where the target's class shares or its own clusters say that source-only is wrong"
VOTE_SUMMARY = "Vote: half the plain models, half all candidates by rank, each brought to the target's class shares"
SHARES_SUMMARY = "Source-only with its class shares moved to those that EM estimates in the target"
FEW_ROWS = 48  # the smallest target among the tasks that the expectation was fitted on
PLAIN = "source_only"  # cards whose candidates are without transfer


def ballots_of(fitted: Sequence[Trained], prepared: Prepared, seed: int) -> Ballots:
    """What fitted candidates say of the target; the anchor comes first."""
    classes, ys = np.unique(np.asarray(prepared.source.y), return_inverse=True)
    plain = [k for k, t in enumerate(fitted) if t.candidate.card.name == PLAIN]
    rarest = int(np.bincount(ys).min())
    held = []
    for k in plain:
        if rarest < 2:  # a class with one row cannot be held out: the models answer for rows they have seen
            held.append(class_probabilities(fitted[k].model, prepared.source.X, classes))
            continue
        folds = StratifiedKFold(min(3, rarest), shuffle=True, random_state=seed)
        estimator = clone(fitted[k].candidate.estimator)
        held.append(cross_val_predict(estimator, prepared.source.X, ys, cv=folds, method="predict_proba"))
    return Ballots(
        Xs=np.asarray(prepared.source.X, dtype=np.float64),
        ys=ys,
        Xt=np.asarray(prepared.target.X, dtype=np.float64),
        probas=np.stack([class_probabilities(t.model, prepared.target.X, classes) for t in fitted]),
        plain=np.array(plain),
        held=np.stack(held),
    )


def vote_of(fitted: Sequence[Trained], proposal: Proposal, max_loss: float = 0.01) -> Vote:
    """The proposal as one model that can be saved; members that hardly count are left out."""
    models, names = [t.model for t in fitted], [t.candidate.id for t in fitted]
    return Vote(models, proposal.weights, names, proposal.factors).pruned(max_loss)


def by_evidence(
    trained: Sequence[Trained],
    anchor: Trained,
    prepared: Prepared,
    seed: int,
    mode: Mode,
    shares: Mapping[Any, float] | None,
    named: str | None = None,
) -> Choice:
    """Let a proposal replace the anchor where the evidence allows.

    The proposal is the vote of all candidates, the anchor with other class shares where only those moved, or the candidate
    `named`.
    """
    fitted = [anchor, *(t for t in trained if t.model is not None and t is not anchor)]
    ballots = ballots_of(fitted, prepared, seed)
    classes = np.unique(np.asarray(prepared.source.y))
    given = None if shares is None else np.array([shares[c] for c in classes.tolist()])
    one = next((k for k, t in enumerate(fitted) if t.candidate.id == named), None)
    view = look(ballots, seed)
    evidence, proposed = measure(ballots, view, given, one)
    decision = decide(evidence, mode) if named is None or one is not None else Decision("keep", "none", [])
    if decision.branch == "shares":
        proposal = ensemble("moved_shares", SHARES_SUMMARY, _moved(anchor, ballots, view.corrected), anchor)
    elif named is not None:
        proposal = anchor if one is None else fitted[one]
    else:
        proposal = ensemble("vote", VOTE_SUMMARY, vote_of(fitted, proposed), anchor)
    adapted = decision.state == "adapt"
    weights = {t.candidate.id: float(w) for t, w in zip(fitted, proposed.weights)}
    after = class_probabilities(proposal.model, prepared.target.X, classes)
    guard = facts_of_choice(
        "evidence", RULE, anchor, proposal, adapted, decision.checks,
        state=decision.state, mode=mode, evidence=asdict(evidence), limits=asdict(LIMITS),
        weights=dict(sorted(weights.items(), key=lambda w: -w[1])),
        readings=_readings(evidence, decision, mode),
        disputed=disputed_facts(ballots.probas[0], after, classes, prepared, seed, level_of(mode)),
    )  # fmt: skip
    known = np.array([k for k, t in enumerate(fitted) if is_tried(t.candidate.card)])
    usual = one is None and given is None and len(known) == len(fitted)
    shown = replace(ballots, probas=ballots.probas[known], plain=np.searchsorted(known, ballots.plain))
    seen = evidence if usual else measure(shown, view)[0]
    with_vote = usual and named is None and decision.branch != "shares"
    expected = {} if decision.state == "ambiguous" else _expected(shown, seen, anchor, with_vote)
    guard["expected_from"] = _expected_from(decision, expected, len(known), len(fitted))
    return Choice(proposal if adapted else anchor, proposal, weights, guard, expected)


def _expected(
    ballots: Ballots, evidence: Evidence, anchor: Trained, with_vote: bool
) -> dict[str, tuple[float, tuple[float, float]]]:
    """From the evidence on the vote at the source's class shares, which is what the expectation was fitted on.

    Other proposals, a vote at other shares, and one in which a network or another method has a part that was not among those
    have none; nor has anything where the evidence has two readings. Fewer methods do no harm: from lists down to a single
    one, the baselines beside it, the interval covered as much of data of other origins as with all
    (``benchmarks/expected_lists.py``).
    """
    if len(ballots.Xt) < FEW_ROWS or np.bincount(ballots.ys).min() < 2:
        return {}  # too few rows, or a class that cannot be held out
    features = expectation_features(ballots, evidence)
    found = {anchor.candidate.id: ANCHOR.of(features)}
    if with_vote:
        found["vote"] = VOTE.of(features)
    return found


def _expected_from(decision: Decision, expected: Mapping[str, Any], n_known: int, n_fitted: int) -> str:
    """What the expectation rests on, or why there is none."""
    if decision.state == "ambiguous":
        return "No accuracy is expected where the evidence has two readings."
    if not expected:
        return (
            f"No accuracy is expected from fewer than {FEW_ROWS} target rows, or where a class has a single source row."
        )
    left = f" {n_fitted - n_known} of other kinds (such as networks) have no part in it." if n_known < n_fitted else ""
    return (
        f"Expected from what {n_known} candidates say, by a regression on tasks of other data; on data of an origin that it had"
        f" not seen, the interval held for nine tasks of ten, with all methods as with a few.{left}"
    )


def _moved(anchor: Trained, ballots: Ballots, corrected: Array) -> Vote:
    """The anchor with the factors that lead to the corrected probabilities' labels."""
    soft = temperature(ballots.held[0], ballots.ys)
    K = corrected.shape[1]
    of_source = np.bincount(ballots.ys, minlength=K) / len(ballots.ys)
    # argmax of (p^(1/T) r) is argmax of (p r^T): the factors on uncalibrated probabilities.
    ratio = np.clip(corrected.mean(axis=0) / of_source, 1e-6, None) ** soft
    return Vote([anchor.model], names=[anchor.candidate.id], factors=[np.clip(ratio, 1e-12, 1e12)])


def _readings(e: Evidence, decision: Decision, mode: Mode) -> list[dict[str, str]]:
    """What each assumption would mean, where the evidence leaves the choice to it."""
    if decision.state != "ambiguous":
        return []
    if decision.branch == "shares":
        return [
            {
                "assumption": "Only the classes became rarer or commoner; what a class looks like is the same.",
                "then": f"Source-only with its class shares moved (by about {100 * e.moved:.0f} %) is the better model.",
                "do": "Run again with --assume label-shift or, better, give the shares: --target-shares a=0.3,b=0.7.",
            },
            {
                "assumption": "The rows differ in some other way that looks like it.",
                "then": "Moving the shares would follow source-only's own mistakes.",
                "do": "Keep source-only.",
            },
        ]
    if mode == "same-priors":
        return readings_of(
            round(e.disputed * e.n_target), "The rows differ in a way that says nothing about the classes."
        )
    return [
        {
            "assumption": "The classes are about as common in the target as in the source.",
            "then": f"Source-only is wrong on at least {100 * e.surplus:.0f} % of the rows, and the vote is the better model.",
            "do": "Run again with --assume same-priors."
            if e.n_classes > 2
            else "Label rows of label_next.csv, from the top: transferkit run --resume RUN --labels label_next.csv.",
        },
        {
            "assumption": "The classes became as much rarer or commoner as source-only says.",
            "then": "Source-only is right about them, and the vote would undo it.",
            "do": "Keep source-only; if you know the shares, give them: --target-shares a=0.3,b=0.7.",
        },
    ]
