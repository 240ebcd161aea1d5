"""Selectors that need more of a candidate than its answers: the candidates of some tasks fitted anew, and scored as they live."""

from __future__ import annotations

import json
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ... import catalogue
from ...core.errors import TransferError
from ...core.files import atomic_write
from ...core.protocols import Domain
from ...ops.evidence.held_out import held_out_predictions
from ...ops.evidence.label_free import candidate_features
from ...pipeline.define import TransferTask
from ...pipeline.plain_models import select_estimator
from ...pipeline.prepare import Prepared
from ...pipeline.select import candidates_for
from ...pipeline.threads import one_thread
from .answers import Answers
from .record import SEED, Record, read_record
from .tasks import SIZES, Task

__all__ = ["EVERY", "JUDGED", "REFITTED", "SETTINGS", "judged_again", "live", "part"]

VERSION = 2
EVERY = 4  # of the small tasks of a family

# What is asked of refits of the inner estimator that have not seen the row, and of the candidate's own features.
JUDGED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "iwcv": ("iwcv", {"random_state": 0}),
    "dev": ("dev", {"random_state": 0}),
    "devn": ("dev", {"normalize": "max", "random_state": 0}),
    "atc": ("atc", {"random_state": 0}),
    "doc": ("doc", {"random_state": 0}),
    "rank_me": ("rank_me", {}),
    "class_ss": ("class_ss", {"random_state": 0}),
    "class_ami, own features": ("class_ami", {"random_state": 0}),
    "self_training_ensemble": ("self_training_ensemble", {"n_models": 3, "n_rounds": 3, "random_state": 0}),
}
# What asks the candidate itself, or fits it again. Settings that differ from the default spare refits.
REFITTED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "mix_val": ("mix_val", {"n_rounds": 3, "random_state": 0}),
    "reverse_validation": ("reverse_validation", {"cv": None, "random_state": 0}),
    "generalised_disagreement": ("generalised_disagreement", {"n_pairs": 1, "random_state": 0}),
    "simulated_shift": ("simulated_shift", {"random_state": 0}),
}
SETTINGS = {
    name: {k: v for k, v in params.items() if k != "random_state"}
    for name, (_, params) in {**JUDGED, **REFITTED}.items()
}


def part(every: Sequence[Task]) -> set[str]:
    """Names of every fourth task of each family, of its smallest size: enough to compare, in a fraction of the time."""
    found = set()
    for family in dict.fromkeys(t.family for t in every):
        own = [t.name for t in every if t.family == family and t.n == min(SIZES)]
        own = own or [t.name for t in every if t.family == family]
        found |= set(own[len(own) % EVERY // 2 :: EVERY])
    return found


def live(record: Record) -> Iterator[tuple[str, Any]]:
    """The record's candidates one after the other, id and fitted model; those that the portfolio no longer has are left out."""
    Xs, Xt = record.Xs.astype(np.float64), record.Xt.astype(np.float64)
    source, target = Domain(Xs, record.ys, name="source"), Domain(Xt, name="target")
    prepared = Prepared.of_arrays(source, target)
    estimator, _ = select_estimator(prepared, SEED)
    listed = {c.id: c for c in candidates_for(prepared, TransferTask(sources=[source], target=target), estimator)}
    for name in record.facts["ids"]:
        if name in listed:
            yield name, listed[name].build(SEED).fit(Xs, record.ys, target=target, groups=prepared.groups)


def judged_again(path: Path) -> dict[str, Any]:
    """Scores of all candidates of the record at `path` by each selector; kept beside it.

    Returns
    -------
    dict
        ``picks``: accuracy of the candidate that each selector scores highest; ``scores`` by selector and candidate; ``lost``:
        how many candidates a selector could not score, by reason; ``seconds``.
    """
    home = path.with_suffix(".refits.json")
    stamp = path.stat().st_mtime_ns
    if home.exists():
        kept: dict[str, Any] = json.loads(home.read_text(encoding="utf-8"))
        if kept.get("version") == VERSION and kept.get("stamp") == stamp:
            return kept
    clock = time.perf_counter()
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = _scores(read_record(path))
    found |= {"version": VERSION, "stamp": stamp, "seconds": round(time.perf_counter() - clock, 1)}
    atomic_write(home, json.dumps(found))
    return found


def _scores(record: Record) -> dict[str, Any]:
    Xs, Xt = record.Xs.astype(np.float64), record.Xt.astype(np.float64)
    source, target = Domain(Xs, record.ys), Domain(Xt)
    selectors = {name: catalogue.load(card)(**params) for name, (card, params) in {**JUDGED, **REFITTED}.items()}
    accuracy = dict(zip(record.facts["ids"], record.facts["accuracy"]))
    probas = dict(zip(record.facts["ids"], record.probas.astype(np.float64)))
    scores: dict[str, dict[str, float]] = {name: {} for name in selectors}
    lost: dict[str, Counter[str]] = {name: Counter() for name in selectors}
    for candidate, model in live(record):
        said: Any = None
        for name, selector in selectors.items():
            try:
                if name in JUDGED and said is None:
                    said = _answers(selector, model, source, target, probas[candidate])
                value = selector.score(said if name in JUDGED else model, source, target)
            except TransferError as err:
                lost[name][f"{type(err).__name__}: {err}"[:160]] += 1
                continue
            scores[name][candidate] = float(value)
    picks = {name: accuracy[max(own, key=own.__getitem__)] for name, own in scores.items() if own}
    return {"picks": picks, "scores": scores, "lost": {name: dict(own) for name, own in lost.items() if own}}


def _answers(selector: Any, model: Any, source: Domain, target: Domain, proba: Any) -> Answers:
    held = held_out_predictions(selector, model, source, random_state=SEED)
    features = tuple(
        candidate_features(selector, model, d.X, side) for d, side in ((source, "source"), (target, "target"))
    )
    own, _ = held.probabilities(selector)
    return Answers(target.X, proba, source.X, own, features)  # type: ignore[arg-type]
