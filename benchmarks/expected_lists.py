"""Does the expected accuracy hold where fewer methods are tried than it was fitted on? To results/expected_lists.json.

OMP_NUM_THREADS=1 python benchmarks/expected_lists.py --cache FOLDER

From the records of `transferkit bench noharm` (`--cache` is its own). Of the tasks of 250 rows every fourth; of each the
evidence from all candidates and from shorter lists, the baselines always among them, as `transferkit run` has it. What is
expected of a task, and the width of its interval, come from a regression on whole lists of the tasks of all other origins.
`within`: share of the tasks whose true accuracy lies in the interval.
"""

from __future__ import annotations

import argparse
import json
import warnings
import zlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from transferkit import catalogue
from transferkit.bench.noharm import default_folder
from transferkit.bench.noharm.estimate import expectations
from transferkit.bench.noharm.judge import judge
from transferkit.bench.noharm.record import Record, read_record, record_path
from transferkit.bench.noharm.tasks import tasks
from transferkit.core.protocols import Array
from transferkit.pipeline.guard.expected import expectation_features
from transferkit.pipeline.guard.measure import Ballots, look, measure
from transferkit.pipeline.threads import one_thread

RESULT = Path(__file__).parent / "results" / "expected_lists.json"
EVERY, ROWS = 4, 250


def lists(ids: list[str], seed: int) -> dict[str, Array]:
    """Positions of the candidates that each shorter list keeps."""
    rng = np.random.default_rng(seed)
    cards = [catalogue.card_of(name.rpartition("-")[0]) for name in ids]
    base = np.array([card.paradigm == "baseline" for card in cards])
    methods = rng.permutation(sorted({c.name for c, b in zip(cards, base) if not b}))
    own = np.array([card.name for card in cards])

    def drawn(share: float) -> Array:
        return np.flatnonzero(base | (rng.random(len(ids)) < share))

    return {
        "all": np.arange(len(ids)),
        "without the methods of cost n^3": np.flatnonzero([c.cost != "n^3" for c in cards]),
        "methods of cost n only": np.flatnonzero(base | np.array([c.cost == "n" for c in cards])),
        "nine of ten": drawn(0.9), "three of four": drawn(0.75), "half": drawn(0.5),
        **{f"{k} methods": np.flatnonzero(base | np.isin(own, methods[:k])) for k in (5, 3, 2, 1)},
    }  # fmt: skip


def seen(record: Record, seed: int) -> dict[str, dict[str, Any]]:
    """By list: the features of the expectation, and what is true of source-only and of the vote."""
    ids = record.facts["ids"]
    plain = np.array([ids.index(i) for i in record.facts["plain"]])
    whole = Ballots(
        record.Xs.astype(float), record.ys, record.Xt.astype(float), record.probas.astype(float), plain,
        record.held.astype(float),
    )  # fmt: skip
    view = look(whole, 0)
    found = {}
    for name, rows in lists(ids, seed).items():
        ballots = replace(whole, probas=whole.probas[rows], plain=np.searchsorted(rows, plain))
        evidence, proposal = measure(ballots, view)
        found[name] = {
            "features": expectation_features(ballots, evidence),
            "anchor": record.facts["accuracy"][0],
            "vote": float((proposal.labels == record.yt).mean()),
        }
    return found


def left_out(short: list[dict[str, Any]], whole: list[dict[str, Any]], model: str) -> Mapping[str, float]:
    """Mean error, bias and coverage in points where the origin of a task had no part in what is expected of it."""
    said, half = np.zeros(len(short)), np.zeros(len(short))
    groups = np.array([row["group"] for row in short])
    for group in np.unique(groups):
        own = groups == group
        line = expectations([row for row in whole if row["group"] != group])[model]
        weights = line["weights"]
        said[own] = [
            np.clip(line["intercept"] + sum(w * row["features"][k] for k, w in weights.items()), 0, 1)
            for row in short
            if row["group"] == group
        ]
        half[own] = line["half_width"]
    error = said - np.array([row[model] for row in short])
    return {
        "mean_error": round(100 * float(np.abs(error).mean()), 1),
        "bias": round(100 * float(error.mean()), 1),
        "within": round(100 * float((np.abs(error) <= half).mean()), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=default_folder())
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    there = [t for t in tasks() if record_path(args.cache, t).exists()]
    whole = [judge(record_path(args.cache, t)) for t in there]
    short: dict[str, list[Any]] = defaultdict(list)
    for task in [t for t in there if t.n == ROWS][::EVERY]:
        with one_thread(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = seen(read_record(record_path(args.cache, task)), zlib.crc32(task.name.encode()))
        for name, row in found.items():
            short[name].append({**row, "group": task.group})
        print(task.name, flush=True)
    result = {
        "command": "python benchmarks/expected_lists.py",
        "tasks": len(short["all"]),
        "table": {name: {m: left_out(rows, whole, m) for m in ("anchor", "vote")} for name, rows in short.items()},
    }
    args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for name, models in result["table"].items():
        print(f"{name:34}", *(f"{m}: {s}" for m, s in models.items()), sep="  ")


if __name__ == "__main__":
    main()
