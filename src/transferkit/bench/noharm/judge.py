"""What every rule would have done on one task, from its record: evidence, votes, picks of the selectors, few labels."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ... import catalogue
from ...core.errors import TransferError
from ...core.files import atomic_write
from ...core.protocols import Array, Domain
from ...ops.evidence.paired_test import sign_test
from ...pipeline.guard.expected import expectation_features
from ...pipeline.guard.measure import Ballots, look, measure
from ...pipeline.plain_models import plain_model
from ...pipeline.threads import one_thread
from .answers import Answers
from .record import Record, read_record

__all__ = ["SELECTORS", "judge"]

VERSION = 4
# Selectors that need no more of a candidate than what it says of the target; for the others see `refits`.
SELECTORS = ("entropy", "infomax", "bnm", "corr_c", "snd", "class_ami", "ensv", "majority_agreement")
N_DRAWS, SHOTS, FOLDS = 2, 3, 3
MORE_SHOTS = (10, 25)  # two classes: three labels a class say next to nothing


def judge(path: Path) -> dict[str, Any]:
    """Judge the record at `path`; kept beside it."""
    home = path.with_suffix(".json")
    stamp = path.stat().st_mtime_ns
    if home.exists():
        kept: dict[str, Any] = json.loads(home.read_text(encoding="utf-8"))
        if kept.get("version") == VERSION and kept.get("stamp") == stamp:
            return kept
    record = read_record(path)
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {"version": VERSION, "stamp": stamp, **_judged(record)}
    atomic_write(home, json.dumps(found))
    return found


def _judged(record: Record) -> dict[str, Any]:
    facts = record.facts
    ballots = Ballots(
        Xs=record.Xs.astype(np.float64), ys=record.ys, Xt=record.Xt.astype(np.float64),
        probas=record.probas.astype(np.float64), plain=np.array([facts["ids"].index(i) for i in facts["plain"]]),
        held=record.held.astype(np.float64),
    )  # fmt: skip

    def accuracy(labels: Array) -> float:
        return round(float((labels == record.yt).mean()), 5)

    view = look(ballots, 0)
    evidence, proposal = measure(ballots, view)
    K = evidence.n_classes
    # What a user would give who knows the shares to a hundredth.
    true = np.round(np.bincount(record.yt, minlength=K) / len(record.yt), 2)
    given, informed = measure(ballots, view, np.maximum(true, 0.005) / np.maximum(true, 0.005).sum())
    picks, lost = _picks(record)
    return {
        **{k: facts[k] for k in ("name", "family", "group", "kind", "n", "tv", "n_classes", "n_target", "n_source")},
        "anchor": facts["accuracy"][0],
        "oracle": max(facts["accuracy"]),
        "mean_candidate": round(float(np.mean(facts["accuracy"])), 5),
        "evidence": asdict(evidence),
        "features": expectation_features(ballots, evidence),
        "vote": accuracy(proposal.labels),
        "evidence_given": asdict(given),
        "vote_given": accuracy(informed.labels),
        "shares_moved": accuracy(view.corrected.argmax(axis=1)),
        "picks": picks,
        **({"lost_picks": lost} if lost else {}),
        "few": [_few(record, draw, SHOTS) for draw in range(N_DRAWS)],
        "more": {str(n): [_few(record, draw, n) for draw in range(N_DRAWS)] for n in MORE_SHOTS} if K == 2 else {},
    }


def _picks(record: Record) -> tuple[dict[str, float], dict[str, str]]:
    """Accuracy of the candidate that each selector scores highest; and why a selector could not score them."""
    Xs, Xt = record.Xs.astype(np.float64), record.Xt.astype(np.float64)
    models = [Answers(Xt, p.astype(np.float64)) for p in record.probas]
    source, target = Domain(Xs, record.ys), Domain(Xt)
    found, lost = {}, {}
    for name in SELECTORS:
        cls = catalogue.load(name)
        params: dict[str, Any] = {"random_state": 0} if "random_state" in cls._constraints else {}
        params |= {"candidates": models} if "candidates" in cls._constraints else {}
        params |= {"space": "rows"} if name == "class_ami" else {}  # of the features of each candidate nothing is left
        selector = cls(**params)
        try:
            scores = [selector.score(m, source, target) for m in models]
        except TransferError as err:
            lost[name] = f"{type(err).__name__}: {err}"[:160]
            continue
        found[name] = record.facts["accuracy"][int(np.argmax(scores))]
    return found, lost


def _few(record: Record, draw: int, shots: int) -> Mapping[str, float]:
    """A few labels a class: pooling with logistic regression, tested on the shots in turn against the anchor."""
    rng = np.random.default_rng(draw)
    ys, yt = record.ys, record.yt
    drawn = [rng.permutation(np.flatnonzero(yt == c))[:shots] for c in np.unique(yt)]
    known, fold = np.concatenate(drawn), np.concatenate([np.arange(len(d)) % FOLDS for d in drawn])
    rest = np.setdiff1d(np.arange(len(yt)), known)
    pooled = catalogue.load("pooled")(target_weight="balanced", estimator=plain_model("linear", "classification"))

    def predicted(shown: Array, asked: Array) -> Array:
        mask = np.zeros(len(yt), dtype=bool)
        mask[shown] = True
        target = Domain(record.Xt, np.where(mask, yt, 0), known=mask)
        labels: Array = pooled.fit(record.Xs, ys, target=target).predict(record.Xt[asked])
        return labels

    said = np.empty(len(known), dtype=int)
    for k in range(FOLDS):
        said[fold == k] = predicted(known[fold != k], known[fold == k]) if (fold == k).any() else 0
    anchor = record.probas[0].argmax(axis=1)
    better, worse = said == yt[known], anchor[known] == yt[known]
    wins, losses = int((better & ~worse).sum()), int((worse & ~better).sum())
    best = (record.probas[:, rest].argmax(axis=2) == yt[rest]).mean(axis=1).max()
    return {
        "wins": wins,
        "losses": losses,
        "p": round(sign_test(wins, losses), 5),
        "anchor": round(float((anchor[rest] == yt[rest]).mean()), 5),
        "pooled": round(float((predicted(known, rest) == yt[rest]).mean()), 5),
        "oracle": round(float(best), 5),
    }
