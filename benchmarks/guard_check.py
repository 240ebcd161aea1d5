"""`transferkit run` end to end where `transferkit bench noharm` does not go: a regression, and tables from files.

python benchmarks/guard_check.py [--only corn files]

Every row is one whole run with its defaults. Target labels are hidden in it and give the scores only. Families: corn between
spectrometers, with and without a change of instrument; SURF from CSV and Parquet files with named columns, columns in
another order and text labels. One seed; the interval of each score is that of the run (Wilson, or a bootstrap for R^2).
JSON to results/guard_check.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from transferkit import TransferTask, run
from transferkit.data import named

RESULT = Path(__file__).parent / "results" / "guard_check.json"
SURF = "office-caltech-surf"
Named = Iterator[tuple[str, TransferTask]]


def corn() -> Named:
    """All pairs of instruments; source and target are different samples of corn."""
    order = np.random.default_rng(0).permutation(80)
    for label in ("moisture", "oil", "protein", "starch"):
        domains = named.load("corn-nir", label=label)
        for a, b in itertools.product(domains, repeat=2):
            source, target = domains[a].take(order[:40]), domains[b].take(order[40:])
            kind = "same instrument" if a == b else "another instrument"
            yield f"{kind}: {label}, {a} -> {b}", TransferTask(sources=[source], target=target, kind="regression")


def files(folder: Path) -> Named:
    things = (
        "backpack",
        "bike",
        "calculator",
        "headphones",
        "keyboard",
        "laptop",
        "monitor",
        "mouse",
        "mug",
        "projector",
    )
    for name, domain in named.load(SURF, domains=["amazon", "webcam"]).items():
        X = np.asarray(domain.X)
        labels = pl.Series([things[int(k) - 1] for k in np.asarray(domain.y)])
        frame = pl.DataFrame({f"word_{j}": X[:, j] for j in range(X.shape[1])}).with_columns(thing=labels)
        frame = frame if name == "amazon" else frame.select(reversed(frame.columns))
        frame.write_csv(folder / f"{name}.csv")
        frame.write_parquet(folder / f"{name}.parquet")
    for kind in ("csv", "parquet"):
        task = TransferTask(sources=[folder / f"amazon.{kind}"], target=folder / f"webcam.{kind}", label="thing")
        yield f"amazon.{kind} -> webcam.{kind}", task


def judge(family: str, name: str, task: TransferTask, folder: Path) -> dict[str, Any]:
    """One run as a row."""
    started = time.perf_counter()
    facts = run(task, out=folder).facts
    verdict = facts["verdict"]
    scores = [c["score"] for c in facts["candidates"] if c["score"] is not None and c["method"] != "source_only"]
    return {
        "family": family,
        "task": name,
        "metric": facts["task"]["metric"],
        "winner": facts["guard"]["winner"],
        "source_only": round(verdict["baseline"], 4),
        "chosen": round(verdict["expected"], 4),
        "interval": [round(v, 4) for v in verdict["expected_interval"]],
        "candidates_best": round(max(scores), 4),
        "candidates_mean": round(float(np.mean(scores)), 4),
        "checks": {c["check"]: [_rounded(c["value"]), c["passed"]] for c in facts["guard"]["checks"]},
        "seconds": round(time.perf_counter() - started),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What a family comes to; gains are against source-only."""
    gain = np.array([r["chosen"] - r["source_only"] for r in rows])
    oracle = np.array([max(0.0, r["candidates_best"] - r["source_only"]) for r in rows])
    return {
        "metric": rows[0]["metric"],
        "tasks": len(rows),
        "adapted": sum(not r["winner"].startswith("source_only") for r in rows),
        "mean_gain": round(float(gain.mean()), 4),
        "worse_by_more_than_0.01": int((gain < -0.01).sum()),
        "worst": round(float(gain.min()), 4),
        "mean_gain_of_best_in_hindsight": round(float(oracle.mean()), 4),
        "mean_gain_of_a_random_candidate": round(
            float(np.mean([r["candidates_mean"] - r["source_only"] for r in rows])), 4
        ),
    }


def main() -> None:
    families = {
        "corn": lambda _: corn(),
        "files": files,
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=list(families), default=list(families))
    asked = parser.parse_args().only
    rows = [r for r in json.loads(RESULT.read_text())["tasks"] if r["family"] not in asked] if RESULT.exists() else []
    with tempfile.TemporaryDirectory() as place:
        for family in asked:
            for k, (name, task) in enumerate(families[family](Path(place))):
                row = judge(family, name, task, Path(place) / f"{family}-{k}")
                rows.append(row)
                print(
                    f"{family}: {name}  {row['winner']}  {row['source_only']} -> {row['chosen']}  {row['seconds']} s",
                    flush=True,
                )
            write(rows, list(families))


def write(rows: list[dict[str, Any]], order: list[str]) -> None:
    """One line a task, so that a changed result is a changed line."""
    rows = sorted(rows, key=lambda r: order.index(r["family"]))
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        part = f", {row['task'].split(':')[0]}" if row["family"] == "corn" else ""
        groups.setdefault(row["family"] + part, []).append(row)
    table = {name: summary(own) for name, own in groups.items()}
    head = {"command": "python benchmarks/guard_check.py", "seed": 0, "table": table}
    lines = ",\n".join(f"  {json.dumps(r, ensure_ascii=False)}" for r in rows)
    RESULT.write_text(json.dumps(head, indent=1)[:-2] + f',\n "tasks": [\n{lines}\n ]\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
