"""How the time of a fit grows with the rows, for every method on arrays; to results/cost.json, a fit at a time.

    python benchmarks/cost.py [--only tca kmm ...] [--sizes 250 500 1000 2000] [--limit 60] [--show]

Every method that adapts between domains without torch, by its defaults, on the simulated problems of benchmarks/speed
with 20 features and n rows a side; a method that needs target labels gets 40 of them at any n. Seconds are processor time
of one thread in a process of its own; short fits are the mean of several. The exponent is that of n over the last three
sizes, by least squares in logarithms: 1 is linear. A fit that takes more than --limit seconds is given up, and more rows
are not tried. A fit that is there is not run again without --again. Not here: selectors, which only rate what others
fitted, and methods for lists of tasks or streams; what a method says that refuses the problem is in `why`.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import platform
import sys
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "speed"))
import one_thread  # noqa: F401  first: libraries read their number of threads at import

# isort: split
import numpy as np
from problems import Problem
from sides import Case, Predict, ours
from turns import cell

import transferkit
from transferkit import catalogue
from transferkit.catalogue import Card

RESULT = Path(__file__).parent / "results" / "cost.json"
N_FEATURES = 20
SIZES = [250, 500, 1000, 2000]


def methods() -> dict[str, Card]:
    """What is timed: methods on arrays that follow the protocol of two domains."""
    every = catalogue.cards().values()
    return {
        card.name: card
        for card in every
        if card.protocol == "Transfer"
        and "vectors" in card.data
        and "torch" not in card.needs
        and card.cost != "epochs"
    }


def case_of(card: Card) -> Case:
    """One fit of the method by its defaults, on the problem that fits its card."""
    cls = getattr(transferkit, card.cls)
    seed = {"random_state": 0} if "random_state" in inspect.signature(cls).parameters else {}
    labels = not {"unsupervised", "label_shift"} & set(card.settings)
    kind = "numbers" if card.tasks == ("regression",) else "labels" if labels else "moved"
    if {"multi_source", "label_shift"} & set(card.settings) and not labels:
        kind = "shares"

    def fit(p: Problem) -> Predict:
        groups = p.groups if "multi_source" in card.settings else None
        if "multi_source" in card.settings and groups is None:
            groups = np.arange(len(p.X)) % 2
        return partial(ours, cls(**seed), p, labels=labels)(**({} if groups is None else {"groups": groups}))

    return Case(card.name, kind, "", {"transferkit": fit})


def exponent(seconds: dict[str, float]) -> float | None:
    """Of n over the last three sizes; None where there are not three."""
    last = sorted((int(n), s) for n, s in seconds.items())[-3:]
    if len(last) < 3:
        return None
    n, s = np.log(np.array(last)).T
    return round(float(np.polyfit(n, s, 1)[0]), 2)


def show(result: dict[str, Any]) -> None:
    """Print the table as Markdown."""
    print("| method | paradigm | " + " | ".join(f"n = {n}" for n in SIZES) + " | exponent |")
    print("|---" * (len(SIZES) + 3) + "|")
    for name, row in result["methods"].items():
        said = {n: why.split(":")[0] for n, why in row["why"].items()} | {
            n: f"{t:.3g}" for n, t in row["seconds"].items()
        }
        seconds = [said.get(str(n), "") for n in SIZES]
        print("|", " | ".join([name, row["paradigm"], *seconds, str(exponent(row["seconds"]))]), "|")


def main() -> None:
    cards = methods()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=list(cards), choices=list(cards), metavar="METHOD")
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="rows a side")
    parser.add_argument("--limit", type=int, default=60, help="seconds after which a fit is given up")
    parser.add_argument("--again", action="store_true", help="run fits that are there already too")
    parser.add_argument("--show", action="store_true", help="only print what is there, as Markdown")
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    result = json.loads(args.out.read_text(encoding="utf-8")) if args.out.exists() else {"methods": {}}
    if args.show:
        show(result)
        return
    result |= {
        "command": "python benchmarks/cost.py",
        "machine": {"cpu_count": os.cpu_count(), "system": platform.system()},
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "transferkit": transferkit.__version__,
        },
    }
    for n in args.sizes:
        for name in args.only:
            row = result["methods"].setdefault(name, {"paradigm": cards[name].paradigm, "seconds": {}, "why": {}})
            if str(n) in {**row["seconds"], **row["why"]}:
                if not args.again:
                    continue
                for place in ("seconds", "why"):
                    row[place].pop(str(n), None)
            if any(int(smaller) < n for smaller in row["why"]):
                continue  # what fails or takes too long with fewer rows
            found = cell(case_of(cards[name]), n, N_FEATURES, ["transferkit"], 1, args.limit, args.limit)["transferkit"]
            if "seconds" in found:
                row["seconds"][str(n)] = max(found["seconds"], 1e-4)
            else:
                row["why"][str(n)] = f"error: {found['error']}" if "error" in found else f"over {args.limit} s"
            partial_file = args.out.with_suffix(".partial")
            partial_file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
            partial_file.replace(args.out)
            print(f"{name:38} n={n}", row["seconds"].get(str(n), row["why"].get(str(n))), flush=True)


if __name__ == "__main__":
    main()
