"""Step 5 with a model as the source: choose on validation rows, refit what counts, and only then score held-back labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from ...core.errors import TransferError
from ...core.protocols import Array
from ..evaluate import changed, class_hits, confusion_of, regression_of, score_interval
from ..progress import Progress
from ..strict_json import plain
from .prepare import Tuning
from .select import PROBE, SCRATCH, Selected
from .train import Trained, predict, refit

__all__ = ["Evaluated", "evaluate"]

LEVEL = 0.10  # largest one-sided p-value of the sign test at which fine-tuning replaces the features
RULE = (
    "Fine-tuning replaces the linear probe on frozen features only if it is right on more rows where the two differ than"
    f" chance explains (one-sided sign test at {LEVEL:g}), on rows of the training labels that neither was given."
)

Score = tuple[float, tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What step 5 found; the mappings are those of ``run.json``.

    Attributes
    ----------
    winner : Trained
        What is kept.
    model : fitted method
        The winner, fitted on all labels that may be learned from.
    before : str or None
        Id of what it is compared with: training from scratch, else the probe; None where there is nothing else.
    candidates : list of dict
    guard, verdict : dict
    per_class, confusion, regression : None where no label was held back
    predictions : dict of array
        Of all rows of the target, by id, for what was fitted on all labels.
    proba : array of shape (n_samples, n_classes) or None
        The winner's probabilities.
    """

    winner: Trained
    model: Any
    before: str | None
    candidates: list[dict[str, Any]]
    guard: dict[str, Any]
    verdict: dict[str, Any]
    per_class: list[dict[str, Any]] | None
    confusion: dict[str, Any] | None
    regression: dict[str, Any] | None
    predictions: dict[str, Array]
    proba: Array | None


@dataclass(frozen=True, eq=False)
class _Pair:
    """A candidate beside the anchor on the validated rows."""

    wins: int
    losses: int
    p: float
    better: bool


def evaluate(
    trained: Sequence[Trained], selected: Selected, tuning: Tuning, folder: Path, seed: int, progress: Progress
) -> Evaluated:
    """Choose, refit, score.

    Raises
    ------
    TransferError
        If the linear probe on frozen features could not be fitted.
    """
    by_id = {t.candidate.id: t for t in trained}
    anchor = by_id[PROBE]
    if anchor.predicted is None:
        raise TransferError(
            f"run: the probe on frozen features must be fitted before anything else. Got: {anchor.reason}"
        )
    blind = replace(tuning, held_back=None)
    truth = blind.y[np.isin(selected.folds, selected.validated)]
    fitted = [t for t in trained if t.predicted is not None]
    found = {t.candidate.id: score_interval(truth, t.guess, blind.kind, seed) for t in fitted}
    validation = {name: score for name, score in found.items() if score is not None}
    pairs = {t.candidate.id: _pair(t.guess, anchor.guess, truth, blind.kind) for t in fitted}
    winner, guard = _choose(fitted, anchor, by_id.get(SCRATCH), validation, pairs, truth, blind.kind)
    # The winner and the baselines once more, on all labels that may be learned from.
    scratch = by_id.get(SCRATCH)
    again = list(
        dict.fromkeys([anchor, winner, *([scratch] if scratch is not None and scratch.predicted is not None else [])])
    )
    models, predictions, probabilities = {}, {}, {}
    for k, t in enumerate(again):
        progress("evaluate", k, len(again), f"{t.candidate.id} on all labels")
        model = models[t.candidate.id] = refit(t.candidate, blind, folder, seed)
        predictions[t.candidate.id], probabilities[t.candidate.id] = predict(
            model, t.candidate, tuning, np.arange(tuning.target.n_samples)
        )
    # Everything above is settled; only now do the held-back labels come in.
    scores = _score(predictions, tuning, seed)
    before = _before(winner, anchor, scratch, predictions)
    rows = [_row(t, winner, validation, pairs, predictions, scores, anchor, tuning, len(truth)) for t in trained]
    pair = predictions[before or PROBE]
    after = predictions[winner.candidate.id]
    return Evaluated(
        winner=winner,
        model=models[winner.candidate.id],
        before=before,
        candidates=rows,
        guard={**guard, "anchor": before or PROBE},
        verdict=_verdict(winner, before, guard, validation, scores, tuning),
        per_class=class_hits(pair, after, tuning.held_back, tuning.classes),
        confusion=confusion_of(pair, after, tuning.held_back, tuning.classes),
        regression=regression_of(pair, after, tuning.held_back, tuning.kind, seed),
        predictions=predictions,
        proba=probabilities[winner.candidate.id],
    )


def _pair(guess: Array, other: Array, truth: Array, kind: str) -> _Pair:
    loss, base = (np.abs(g - truth) if kind == "regression" else (g != truth).astype(float) for g in (guess, other))
    wins, losses = int((loss < base).sum()), int((loss > base).sum())
    p = float(stats.binom.sf(wins - 1, wins + losses, 0.5)) if wins + losses else 1.0
    return _Pair(wins, losses, p, bool(loss.mean() < base.mean()))


def _choose(
    fitted: Sequence[Trained],
    anchor: Trained,
    scratch: Trained | None,
    validation: Mapping[str, Score],
    pairs: Mapping[str, _Pair],
    truth: Array,
    kind: str,
) -> tuple[Trained, dict[str, Any]]:
    """The best of validation is the one proposal; the probe stays unless it is beaten by more than chance."""

    def value(t: Trained) -> float:
        return validation[t.candidate.id][0] if t.candidate.id in validation else 0.0

    others = [t for t in fitted if t is not anchor and t is not scratch]
    ranked = sorted(others, key=lambda t: -value(t))
    proposal = ranked[0] if ranked else anchor
    checks: list[dict[str, Any]] = []
    winner = anchor
    if proposal is not anchor:
        check = _check("lead", proposal, pairs[proposal.candidate.id], len(truth), kind, "the probe on frozen features")
        checks.append(check)
        winner = proposal if check["passed"] else anchor
    nothing_beats_scratch = False
    if scratch is not None and scratch.predicted is not None:
        best = winner
        pair = _pair(scratch.guess, best.guess, truth, kind)
        check = _check("scratch", scratch, pair, len(truth), kind, f"{best.candidate.card.cls} from the source model")
        nothing_beats_scratch = value(scratch) >= value(best)
        winner = scratch if check["passed"] else winner
        # What is checked is that transfer does no harm: it passes where scratch does not win.
        checks.append({**check, "passed": not check["passed"]})
    return winner, {
        "selector": None,
        "rule": RULE,
        "probe": PROBE,
        "proposal": proposal.candidate.id,
        "winner": winner.candidate.id,
        "adapted": winner is not scratch,
        "nothing_beats_scratch": nothing_beats_scratch,
        "checks": [plain(c) for c in checks],
        "reason": " ".join(c["says"] for c in checks) or "Only the probe on frozen features was tried.",
    }


def _check(name: str, candidate: Trained, pair: _Pair, m: int, kind: str, beside: str) -> dict[str, Any]:
    passed = pair.p <= LEVEL and pair.better
    what = "is nearer to the truth" if kind == "regression" else "is right alone"
    who = "Training from scratch" if name == "scratch" else _called(candidate)
    says = f"{who} {what} on {pair.wins} of {m} validation rows and {beside} on {pair.losses} (p {pair.p:.3f})."
    return {"check": name, "value": pair.p, "threshold": LEVEL, "passed": passed, "says": says}


def _called(t: Trained) -> str:
    """Class and parameters, as in a sentence."""
    params = ", ".join(f"{k}={v}" for k, v in t.candidate.params.items())
    return t.candidate.card.cls + (f" ({params})" if params else "")


def _score(predictions: Mapping[str, Array], tuning: Tuning, seed: int) -> dict[str, Score]:
    held = tuning.held_back
    if held is None:
        return {}
    found = {name: score_interval(held.y, p[held.rows], tuning.kind, seed) for name, p in predictions.items()}
    return {name: score for name, score in found.items() if score is not None}


def _before(winner: Trained, anchor: Trained, scratch: Trained | None, predictions: Mapping[str, Array]) -> str | None:
    """What the winner stands beside: training from scratch; else the probe."""
    for t in (scratch, anchor):
        if t is not None and t is not winner and t.candidate.id in predictions:
            return t.candidate.id
    return None


def _row(
    t: Trained, winner: Trained, validation: Mapping[str, Score], pairs: Mapping[str, _Pair],
    predictions: Mapping[str, Array], scores: Mapping[str, Score], anchor: Trained, tuning: Tuning, m: int,
) -> dict[str, Any]:  # fmt: skip
    name, c = t.candidate.id, t.candidate
    valid, score, pair = validation.get(name), scores.get(name), pairs.get(name)
    return plain(
        {
            "id": name,
            "method": c.card.name,
            "class": c.card.cls,
            "paradigm": c.card.paradigm,
            "summary": c.card.summary,
            "model": c.label,
            "params": dict(c.params),
            "role": c.role,
            "status": t.status,
            "reason": t.reason,
            "evidence": pair and (pair.wins - pair.losses) / m,
            "changed": changed(predictions.get(name), predictions[anchor.candidate.id], tuning.kind),
            "validation": valid and valid[0],
            "validation_interval": valid and list(valid[1]),
            "score": score and score[0],
            "score_interval": score and list(score[1]),
            "trainable": t.facts.get("trainable"),
            "updates": t.facts.get("updates"),
        }
    )


def _verdict(
    winner: Trained, before: str | None, guard: Mapping[str, Any], validation: Mapping[str, Score],
    scores: Mapping[str, Score], tuning: Tuning,
) -> dict[str, Any]:  # fmt: skip
    name = winner.candidate.id
    found, basis = (scores, "held-back labels") if scores else (validation, "validation rows")
    expected, baseline = found.get(name), None if before is None else found.get(before)
    return plain(
        {
            "sentence": _sentence(winner, before, guard, expected, baseline, basis, tuning.kind),
            "adapted": guard["adapted"],
            "expected": expected and expected[0],
            "expected_interval": expected and list(expected[1]),
            "baseline": baseline and baseline[0],
            "baseline_interval": baseline and list(baseline[1]),
            "basis": basis,
        }
    )


def _sentence(
    winner: Trained, before: str | None, guard: Mapping[str, Any], expected: Any, baseline: Any, basis: str, kind: str
) -> str:
    def number(value: float) -> str:
        return f"{100 * value:.1f} %" if kind == "classification" else f"R² {value:.2f}"

    c = winner.candidate
    word = "measured" if basis == "held-back labels" else "on validation rows"
    known = f": {word} {number(expected[0])}" if expected else ""
    if known and baseline:
        known += f" against {number(baseline[0])} {'from scratch' if before == SCRATCH else 'with the other'}"
    if not guard["adapted"]:
        return f"Train from scratch{known}: nothing carried over from the source model beats it on validation rows."
    if c.id == PROBE:
        why = (
            "; no fine-tuning is better on validation rows by more than chance"
            if guard["proposal"] != PROBE
            else "; nothing else was tried"
        )
        said = f"Keep the model frozen and use its features with {c.card.cls}{known}{why}"
    else:
        known = known.replace("with the other", "with the frozen features")
        said = f"Fine-tune with {_called(winner)}{known}; it beats the frozen features on validation rows"
    if guard["nothing_beats_scratch"]:
        said += ", yet training from scratch does as well there: the source model brings nothing that shows"
    return f"{said}."
