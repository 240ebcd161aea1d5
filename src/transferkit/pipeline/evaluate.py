"""Step 5, evaluate: choose without hidden labels, then, and only then, score with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, f1_score, r2_score
from threadpoolctl import threadpool_limits

from ..core.compose import takes_edges
from ..core.errors import TransferError
from ..core.protocols import Array
from ..core.task_pipelines import in_two
from .define import TransferTask
from .graph_methods import GRAPH_ANCHOR
from .guard import Choice, as_single, choose, settle
from .prepare import HeldBack, Prepared
from .select import ANCHOR
from .spaces import ALONE
from .strict_json import plain
from .train import Trained

__all__ = [
    "METRIC", "Evaluated", "changed", "class_hits", "confusion_of", "evaluate", "moves_of", "predict_once", "regression_of",
    "score_held_back", "score_interval",
]  # fmt: skip

# How the verdict calls what was made of candidates.
MADE = {
    "vote": "the vote of all methods",
    "moved_shares": "source-only at other class shares",
    "distilled": "a model taught by the vote",
}
METRIC = {"classification": "accuracy", "regression": "r2", "multilabel": "micro_f1"}


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What step 5 found; the mappings are those of ``run.json``.

    Attributes
    ----------
    anchor, winner : Trained
        Source-only, and what the guard lets through (source-only itself where it refuses).
    trained : list of Trained
        All candidates, and what was made of them.
    candidates : list of dict
    guard, verdict : dict
    moves : dict or None
        How many target rows each class gets from source-only and from the proposal; None for a regression.
    per_class, confusion, regression : None where no label was held back
    predictions : dict of array
        Target predictions of every fitted candidate, by id.
    """

    anchor: Trained
    winner: Trained
    trained: list[Trained]
    candidates: list[dict[str, Any]]
    guard: dict[str, Any]
    verdict: dict[str, Any]
    moves: dict[str, Any] | None
    per_class: list[dict[str, Any]] | None
    confusion: dict[str, Any] | None
    regression: dict[str, Any] | None
    predictions: dict[str, Array]


def evaluate(
    trained: Sequence[Trained], prepared: Prepared, task: TransferTask, labels: Mapping[int, str] | None = None
) -> Evaluated:
    """Choose, estimate, score; `labels` are those of disputed rows that were asked for, by target row.

    Raises
    ------
    TransferError
        If source-only itself could not be fitted.
    """
    first = GRAPH_ANCHOR if prepared.edges is not None else ANCHOR if prepared.source_names is None else ALONE
    anchor = next((t for t in trained if t.candidate.id == first), None)
    if anchor is None or anchor.model is None:
        raise TransferError(
            f"run: {_kept(first)} must be fitted before anything else. Got: {anchor.reason if anchor else 'no such candidate'}"
        )
    with threadpool_limits(limits=1):
        # Held-back labels are not even at hand where the choice is made.
        blind = replace(prepared, held_back=None)
        choice = choose(trained, anchor, blind, task)
        if labels:
            choice = settle(choice, anchor, blind, labels, task.seed)
        seed = task.seed
        if task.distil:
            choice = as_single(choice, anchor, blind, seed)
        # What was made of candidates stands among them from here on.
        made = dict.fromkeys(t for t in (choice.proposal, choice.winner) if t not in trained)
        trained = [*trained, *made]
        predictions = {t.candidate.id: t.model.predict(prepared.target.X) for t in trained if t.model is not None}
        estimates = choice.expected
    # Everything above is settled; only now do the held-back labels come in, less those that settled it.
    held = _not_asked(prepared.held_back, labels or {})
    left_out = (
        0 if prepared.held_back is None else len(prepared.held_back.rows) - (0 if held is None else len(held.rows))
    )
    prepared = replace(prepared, held_back=held)
    scores = {} if prepared.held_back is None else score_held_back(predictions, prepared, prepared.held_back, seed)
    rows = [_row(t, anchor, choice, predictions, estimates, scores, prepared) for t in trained]
    before, after = predictions[anchor.candidate.id], predictions[choice.winner.candidate.id]
    return Evaluated(
        anchor=anchor,
        winner=choice.winner,
        trained=trained,
        candidates=rows,
        guard=choice.guard,
        verdict=_verdict(anchor, choice, estimates, scores, prepared) | {"left_out": left_out},
        moves=moves_of(before, predictions[choice.proposal.candidate.id], prepared),
        per_class=class_hits(before, after, prepared.held_back, prepared.classes),
        confusion=confusion_of(before, after, prepared.held_back, prepared.classes),
        regression=regression_of(before, after, prepared.held_back, prepared.kind, seed),
        predictions=predictions,
    )


def _not_asked(held_back: HeldBack | None, labels: Mapping[int, str]) -> HeldBack | None:
    """Held-back labels without those of rows that were labelled for the choice."""
    if held_back is None or not labels:
        return held_back
    own = ~np.isin(held_back.rows, list(labels))
    return HeldBack(held_back.rows[own], held_back.y[own]) if own.any() else None


def score_held_back(
    predictions: dict[str, Array], prepared: Prepared, held_back: HeldBack, seed: int
) -> dict[str, tuple[float, tuple[float, float]]]:
    """Score of every candidate on the held-back labels with a 95 % interval: by id, (score, (low, high)).

    Accuracy has Wilson's interval, R^2 and micro-F1 (of several labels a row) a bootstrap over the rows. Values that are all
    the same have no R^2: empty then.
    """
    found = {
        name: score_interval(held_back.y, predicted[held_back.rows], prepared.outcome, seed)
        for name, predicted in predictions.items()
    }
    return {name: score for name, score in found.items() if score is not None}


def score_interval(y: Array, guess: Array, kind: str, seed: int) -> tuple[float, tuple[float, float]] | None:
    """A score with its 95 % interval; None where values that are all the same have no R^2 to compare with."""
    if kind == "classification":
        share = float((guess == y).mean())
        return share, _wilson(share, len(y))
    if kind == "multilabel":
        return float(f1_score(y, guess, average="micro", zero_division=0.0)), _bootstrap_micro_f1(y, guess, seed)
    if len(y) < 2 or y.min() == y.max():
        return None
    return float(r2_score(y, guess)), _bootstrap_r2(y, guess, seed)


def _wilson(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def _bootstrap_micro_f1(y: Array, guess: Array, seed: int, n_boot: int = 500) -> tuple[float, float]:
    draws = np.random.default_rng(seed).integers(0, len(y), size=(n_boot, len(y)))
    both, either = ((y * guess).sum(axis=1), (y + guess).sum(axis=1))
    values = 2 * both[draws].sum(axis=1) / np.maximum(either[draws].sum(axis=1), 1)
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _bootstrap_r2(y: Array, guess: Array, seed: int, n_boot: int = 500) -> tuple[float, float]:
    draws = np.random.default_rng(seed).integers(0, len(y), size=(n_boot, len(y)))
    residual = ((y - guess) ** 2)[draws].sum(axis=1)
    total = ((y[draws] - y[draws].mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    spread = total > 1e-12 * total.max()  # a draw of one row again and again has no R^2
    values = 1 - residual[spread] / total[spread]
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _row(
    t: Trained,
    anchor: Trained,
    choice: Choice,
    predictions: dict[str, Array],
    estimates: dict[str, tuple[float, tuple[float, float]]],
    scores: dict[str, tuple[float, tuple[float, float]]],
    prepared: Prepared,
) -> dict[str, Any]:
    name = t.candidate.id
    estimate, score = estimates.get(name), scores.get(name)
    return plain(
        {
            "id": name,
            "method": t.candidate.card.name,
            "class": t.candidate.card.cls,
            "paradigm": t.candidate.card.paradigm,
            "summary": t.candidate.card.summary,
            "params": {**t.candidate.params, **({} if t.tuning is None else t.tuning["params"])},
            **({"inner": t.candidate.inner} if t.candidate.inner else {}),
            "role": t.candidate.role,
            "status": t.status,
            "reason": t.reason,
            "evidence": choice.evidence.get(name),
            "changed": changed(predictions.get(name), predictions[anchor.candidate.id], prepared.outcome),
            "estimate": estimate and estimate[0],
            "estimate_interval": estimate and list(estimate[1]),
            "score": score and score[0],
            "score_interval": score and list(score[1]),
            **_macro_f1(predictions.get(name), prepared),
            **({} if t.tuning is None else {"tuning": t.tuning}),
        }
    )


def _macro_f1(guess: Array | None, prepared: Prepared) -> dict[str, float]:
    """The mean F1 of classes or labels, which runs of graphs are judged by besides."""
    held = prepared.held_back
    if prepared.edges is None or guess is None or held is None:
        return {}
    return {"macro_f1": float(f1_score(held.y, guess[held.rows], average="macro", zero_division=0.0))}


def changed(guess: Array | None, before: Array, kind: str) -> float | None:
    """Share of target rows that get another class; for a regression, the mean move in standard deviations."""
    if guess is None:
        return None
    if kind == "classification":
        return float((guess != before).mean())
    if kind == "multilabel":
        return float((guess != before).any(axis=1).mean())
    return float(np.abs(guess - before).mean() / (before.std() or 1.0))


def _verdict(
    anchor: Trained,
    choice: Choice,
    estimates: dict[str, tuple[float, tuple[float, float]]],
    scores: dict[str, tuple[float, tuple[float, float]]],
    prepared: Prepared,
) -> dict[str, Any]:
    winner, adapted = choice.winner, choice.guard["adapted"]
    found, basis = (
        (scores, "held-back labels") if scores else (estimates, "label-free estimate" if estimates else "none")
    )
    expected, baseline = found.get(winner.candidate.id), found.get(anchor.candidate.id)
    return plain(
        {
            "sentence": _sentence(winner, choice.guard, expected, baseline, basis, prepared.outcome),
            "adapted": adapted,
            "expected": expected and expected[0],
            "expected_interval": expected and list(expected[1]),
            "baseline": baseline and baseline[0],
            "baseline_interval": baseline and list(baseline[1]),
            "basis": basis,
        }
    )


def _sentence(winner: Trained, guard: Mapping[str, Any], expected: Any, baseline: Any, basis: str, kind: str) -> str:
    def number(value: float) -> str:
        if kind == "multilabel":
            return f"micro-F1 {value:.3f}"
        return f"{100 * value:.1f} %" if kind == "classification" else f"R² {value:.2f}"

    word, reason = "measured" if basis == "held-back labels" else "expected", guard["reason"]
    if not guard["adapted"]:
        known = f", {word} {number(baseline[0])}" if baseline else ""
        kept = _kept(guard["anchor"])
        start = f"Ambiguous, so keep {kept} for now" if guard["state"] == "ambiguous" else f"Keep {kept}"
        return f"{start}{known}: {reason}."
    name = MADE.get(winner.candidate.id, winner.candidate.card.cls)
    if not expected or not baseline:
        return f"Adapt with {name}: {reason}."
    known = f"Adapt with {name}: {word} {number(expected[0])} against {number(baseline[0])} without"
    if expected[0] >= baseline[0]:
        return f"{known}; {reason}."
    if word == "measured":
        return f"{known}: the guard was wrong here, for on the held-back labels {_kept(guard['anchor'])} is better."
    return f"{known}, an estimate that speaks against it; {reason}."


def _kept(anchor: str) -> str:
    """How the verdict calls the model without transfer."""
    return "target-only" if anchor == ALONE else "source-only"


def predict_once(model: Any, X: Any, edges: Any = None) -> tuple[Array, Array | None]:
    """Labels and, where there are any, probabilities of raw rows that pass through the network once; `edges` of a graph."""
    two = in_two(model)
    if two is not None:
        X, model = two[0].transform(X), two[1]
        more = {"edges": edges} if edges is not None and takes_edges(model) else {}
        return model.predict(X, **more), model.predict_proba(X, **more) if hasattr(model, "predict_proba") else None
    if not hasattr(model, "predict_proba"):
        return model.predict(X), None
    proba = model.predict_proba(X)  # a network's label is its most probable class
    return model.classes_[proba.argmax(axis=1)], proba


def class_hits(
    before: Array | None, after: Array, held_back: HeldBack | None, classes: Array | None
) -> list[dict[str, Any]] | None:
    """Share of each class that is predicted right; `before` may be absent."""
    if held_back is None or classes is None:
        return None
    y, rows = held_back.y, held_back.rows
    found = []
    for c in classes:
        own = y == c
        if own.any():
            hits = [None if p is None else float((p[rows][own] == c).mean()) for p in (before, after)]
            found.append({"class": c, "n": int(own.sum()), "before": hits[0], "after": hits[1]})
    return plain(found)


def moves_of(before: Array, after: Array, prepared: Prepared) -> dict[str, Any] | None:
    """By class: its share of the source, the target rows that it has before and after, that leave it and that join it."""
    if prepared.classes is None:
        return None
    found = []
    for c in prepared.classes:
        was, is_now = before == c, after == c
        counts = {
            "before": was.sum(),
            "after": is_now.sum(),
            "left": (was & ~is_now).sum(),
            "joined": (~was & is_now).sum(),
        }
        found.append({"class": c, "source": (np.asarray(prepared.source.y) == c).mean(), **counts})
    return plain({"n": len(before), "moved": (before != after).sum(), "classes": found})


def confusion_of(
    before: Array | None, after: Array, held_back: HeldBack | None, classes: Array | None
) -> dict[str, Any] | None:
    """Counts of true (rows) against predicted classes (columns)."""
    if held_back is None or classes is None:
        return None
    y, rows = held_back.y, held_back.rows
    counts = [None if p is None else confusion_matrix(y, p[rows], labels=classes) for p in (before, after)]
    return plain({"labels": classes, "before": counts[0], "after": counts[1]})


def regression_of(
    before: Array | None, after: Array, held_back: HeldBack | None, kind: str, seed: int, most: int = 500
) -> dict[str, Any] | None:
    """True and predicted values of some held-back rows."""
    if held_back is None or kind != "regression":
        return None
    y, rows = held_back.y, held_back.rows
    shown = np.sort(np.random.default_rng(seed).permutation(len(y))[:most])
    guesses = [None if p is None else p[rows][shown] for p in (before, after)]
    return plain({"truth": y[shown], "before": guesses[0], "after": guesses[1]})
