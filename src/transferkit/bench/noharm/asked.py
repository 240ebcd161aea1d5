"""Two classes, where labels are needed: a few that teach, then labels of rows in dispute until they settle it."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ... import catalogue
from ...core.files import atomic_write
from ...core.protocols import Array, Domain
from ...ops.evidence.paired_test import log_evidence
from ...pipeline.guard.disputed import FEW_LABELS, level_of
from ...pipeline.plain_models import plain_model
from ...pipeline.threads import one_thread
from .record import Record, read_record

__all__ = ["BUDGETS", "labels_asked", "settled"]

VERSION = 1
TAUGHT = (20, 50)  # labels of rows drawn at random, from which pooling learns
BUDGETS = ((20, 20), (20, 50), (50, 50))  # labels that teach, and labels of disputed rows at most
N_DRAWS, N_ORDERS = 2, 10


def labels_asked(path: Path) -> list[dict[str, Any]]:
    """What labels of disputed rows would show on the task of the record at `path`; kept beside it.

    Returns
    -------
    list of dict
        One a draw of labels that teach: ``taught``, ``wins`` and ``losses`` of pooling against source-only on the rows in
        dispute, ``n`` rows without a label, ``gain`` and ``oracle`` in accuracy on these. Empty with more than two classes.
    """
    home = path.with_suffix(".asked.json")
    stamp = path.stat().st_mtime_ns
    if home.exists():
        kept: dict[str, Any] = json.loads(home.read_text(encoding="utf-8"))
        if kept.get("version") == VERSION and kept.get("stamp") == stamp:
            return list(kept["draws"])
    record = read_record(path)
    draws: list[dict[str, Any]] = []
    if record.facts["n_classes"] == 2:
        with one_thread(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            draws = [_drawn(record, n, draw) for n in TAUGHT for draw in range(N_DRAWS)]
    atomic_write(home, json.dumps({"version": VERSION, "stamp": stamp, "draws": draws}))
    return draws


def _drawn(record: Record, n: int, draw: int) -> dict[str, Any]:
    yt, rng = record.yt, np.random.default_rng(draw)
    known = np.zeros(len(yt), dtype=bool)
    known[rng.permutation(len(yt))[:n]] = True
    pooled = catalogue.load("pooled")(target_weight="balanced", estimator=plain_model("linear", "classification"))
    pooled.fit(record.Xs, record.ys, target=Domain(record.Xt, np.where(known, yt, 0), known=known))
    rest = ~known
    right = [labels[rest] == yt[rest] for labels in (record.probas[0].argmax(axis=1), pooled.predict(record.Xt))]
    best = (record.probas[:, rest].argmax(axis=2) == yt[rest]).mean(axis=1).max()
    before = float(right[0].mean())
    return {
        "taught": n,
        "wins": int((right[1] & ~right[0]).sum()),
        "losses": int((right[0] & ~right[1]).sum()),
        "n": int(rest.sum()),
        "gain": round(float(right[1].mean()) - before, 5),
        "oracle": round(max(0.0, float(best) - before), 5),
    }


def settled(draws: Sequence[Mapping[str, Any]], most: int, mode: str = FEW_LABELS) -> tuple[Array, Array, Array]:
    """Gain, the oracle's gain, and labels asked, each of shape (n_draws * N_ORDERS,): disputed rows in several random orders."""
    found = []
    for draw in draws:
        won = np.repeat([1, 0], [draw["wins"], draw["losses"]])
        for order in range(N_ORDERS):
            better, n = _verdict(np.random.default_rng(order).permutation(won), most, level_of(mode))
            found.append((draw["gain"] if better else 0.0, draw["oracle"], n))
    gain, best, n_asked = np.array(found, dtype=np.float64).reshape(-1, 3).T
    return gain, best, n_asked


def _verdict(won: Array, most: int, level: float) -> tuple[bool, int]:
    """Whether labels in this order settle it for the proposal, and after how many it was settled or given up."""
    wins = np.cumsum(won[:most])
    losses = np.arange(1, len(wins) + 1) - wins
    left, need = len(won) - wins - losses, math.log(1 / level)
    better = (log_evidence(wins, losses) >= need) | (wins - losses > left)
    worse = (log_evidence(losses, wins) >= need) | (losses - wins > left)
    first = np.flatnonzero(better | worse)
    return (bool(better[first[0]]), int(first[0]) + 1) if len(first) else (False, len(wins))
