"""`transferkit run` end to end on real data: what the guard decides, and what that is worth; JSON to results/real_runs.json.

python benchmarks/real_runs.py [--only surf amazon corn files]

Target labels are hidden in every run and give the final score only. One seed; intervals are those of the runs themselves
(Wilson for accuracy, bootstrap for R^2). The rows "files" read the SURF domains from CSV and Parquet files with named
columns and the class names as labels.
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

RESULT = Path(__file__).parent / "results" / "real_runs.json"


def surf() -> Iterator[tuple[str, TransferTask]]:
    for a, b in itertools.permutations(named.info("office-caltech-surf").domains, 2):
        yield f"{a} -> {b}", TransferTask(sources=[f"office-caltech-surf:{a}"], target=f"office-caltech-surf:{b}")


def amazon() -> Iterator[tuple[str, TransferTask]]:
    for a, b in itertools.permutations(named.info("amazon-reviews-400").domains, 2):
        yield f"{a} -> {b}", TransferTask(sources=[f"amazon-reviews-400:{a}"], target=f"amazon-reviews-400:{b}")


def corn() -> Iterator[tuple[str, TransferTask]]:
    for label, device in itertools.product(("moisture", "oil", "protein", "starch"), ("device2", "device3")):
        task = TransferTask(
            sources=["corn-nir:device1"], target=f"corn-nir:{device}", label=label, kind="regression"
        )
        yield f"{label}, device1 -> {device}", task


def few() -> Iterator[tuple[str, TransferTask]]:
    for a, b in (("amazon", "webcam"), ("caltech", "amazon"), ("dslr", "caltech")):
        task = TransferTask(
            sources=[f"office-caltech-surf:{a}"], target=f"office-caltech-surf:{b}", target_labels="few", shots=3
        )
        yield f"{a} -> {b}, 3 labels a class", task


def files(folder: Path) -> Iterator[tuple[str, TransferTask]]:
    names = ("backpack", "bike", "calculator", "headphones", "keyboard", "laptop", "monitor", "mouse", "mug", "projector")
    domains = named.load("office-caltech-surf", domains=["amazon", "webcam"])
    for name, domain in domains.items():
        X = np.asarray(domain.X)
        labels = [names[int(k) - 1] for k in np.asarray(domain.y)]
        frame = pl.DataFrame({f"word_{j}": X[:, j] for j in range(X.shape[1])}).with_columns(thing=pl.Series(labels))
        frame = frame if name == "amazon" else frame.select(reversed(frame.columns))  # another order of the columns
        frame.write_csv(folder / f"{name}.csv")
        frame.write_parquet(folder / f"{name}.parquet")
    for kind in ("csv", "parquet"):
        task = TransferTask(sources=[folder / f"amazon.{kind}"], target=folder / f"webcam.{kind}", label="thing")
        yield f"amazon.{kind} -> webcam.{kind}", task


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=["surf", "amazon", "corn", "few", "files"])
    families = parser.parse_args().only
    rows: list[dict[str, Any]] = json.loads(RESULT.read_text())["rows"] if RESULT.exists() else []
    rows = [r for r in rows if r["family"] not in families]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        makers = {"surf": surf, "amazon": amazon, "corn": corn, "few": few, "files": lambda: files(folder)}
        for family in families:
            for k, (name, task) in enumerate(makers[family]()):
                started = time.perf_counter()
                facts = run(task, out=folder / f"{family}-{k}").facts
                verdict = facts["verdict"]
                fitted = [c["score"] for c in facts["candidates"] if c["score"] is not None and c["role"] == "candidate"]
                rows.append(
                    {
                        "family": family,
                        "task": name,
                        "metric": facts["task"]["metric"],
                        "winner": facts["guard"]["winner"],
                        "adapted": verdict["adapted"],
                        "source_only": round(verdict["baseline"], 4),
                        "chosen": round(verdict["expected"], 4),
                        "interval": [round(v, 4) for v in verdict["expected_interval"]],
                        "best_candidate_in_hindsight": round(max(fitted), 4),
                        "worst_candidate_in_hindsight": round(min(fitted), 4),
                        "seconds": round(time.perf_counter() - started),
                    }
                )
                last = rows[-1]
                print(family, name, last["winner"], last["source_only"], "->", last["chosen"], f"{last['seconds']} s", flush=True)
                versions = facts["versions"]
    summary = {}
    for family in dict.fromkeys(r["family"] for r in rows):
        own = [r for r in rows if r["family"] == family]
        gains = [r["chosen"] - r["source_only"] for r in own]
        summary[family] = {
            "tasks": len(own),
            "adapted": sum(r["adapted"] for r in own),
            "mean_gain": round(float(np.mean(gains)), 4),
            "worse_by_more_than_0.01": sum(g < -0.01 for g in gains),
            "worst": round(min(gains), 4),
            "mean_gain_of_best_in_hindsight": round(
                float(np.mean([max(r["best_candidate_in_hindsight"] - r["source_only"], 0) for r in own])), 4
            ),
        }
    result = {"command": "python benchmarks/real_runs.py", "seed": 0, "versions": versions, "summary": summary, "rows": rows}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
