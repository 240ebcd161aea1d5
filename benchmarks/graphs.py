"""Classes of papers across citation networks: what does adaptation add to a graph network of the source alone?

    OMP_NUM_THREADS=1 python benchmarks/graphs.py
    python benchmarks/graphs.py --directions "dblp -> citation" --methods gcn mlp --seeds 1
    python benchmarks/graphs.py --show

ACMv9, Citationv1 and DBLPv7, the six directions, all source labels and no target label, five topics of which a paper may have
two, counts of words as they are. Every method of the catalogue for graphs, beside the source-only graph network (gcn) and the
same without edges (mlp); 3 seeds; the last epoch. Settings are those of PyGDA's benchmark for these graphs
(benchmark/node/run_citation.sh): where they differ between directions, those of most directions, so that one setting holds for
all six. Its authors may have chosen them by target scores; we have not changed them. What is not given there is our default.
PyGDA has one class a paper, so that its numbers are of another task.

Micro- and macro-F1 in percent over the target's nodes. "F1" takes the labels that a method predicts; "top" takes, as the code
of ACDNE and AdaGCN does, for each paper as many of the most probable topics as it truly has, which a user cannot know. Means
and standard deviations over the seeds go to benchmarks/results/graphs.json after each cell, so that a stopped run goes on where
it was, and one with more seeds adds to it. Needs the folder that TRANSFERKIT_DATA names.

Source-free methods take one class a node. Their rows, and the graph network that they start from, have each paper's first topic
(one class a paper, as PyGDA has it), for which micro-F1 is the accuracy and there is no "top".
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from functools import cache
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from transferkit import Domain, TransferWarning, catalogue
from transferkit.core.files import atomic_write
from transferkit.data import named

OUT = Path(__file__).parent / "results" / "graphs.json"
DIRECTIONS = tuple(f"{a} -> {b}" for a, b in permutations(("acm", "citation", "dblp"), 2))
SEEDS = 3
Array = np.ndarray[Any, Any]


def adam(n_epochs: int, lr: float, weight_decay: float) -> dict[str, Any]:
    """The training that all methods of PyGDA share."""
    return {
        "n_epochs": n_epochs, "lr": lr, "weight_decay": weight_decay,
        "optimizer": "adam", "schedule": "constant", "warmup": 0.0,
    }  # fmt: skip


# By row: the method's id where it is another, its parameters, its training. A method that is not here has its defaults.
SETTINGS: dict[str, dict[str, Any]] = {
    "mlp": {"method": "gcn", "params": {"conv": "mlp"}},
    "a2gnn": {
        "params": {"n_layers": 2, "dropout": 0.5, "source_steps": 0, "target_steps": 10, "trade_off": 10.0},
        "training": adam(200, 1e-2, 5e-3),
    },
    "acdne": {"params": {"dropout": 0.5, "pair_weight": 0.1}, "training": adam(200, 1e-3, 1e-3)},
    "adagcn": {"params": {"n_layers": 2, "dropout": 0.4, "trade_off": 0.1}, "training": adam(400, 1e-2, 1e-2)},
    "asn": {
        "params": {"code": 128, "dropout": 0.3, "reconstruction": 0.1, "trade_off": 1.0, "difference": 0.001},
        "training": adam(100, 1e-3, 1e-3),
    },
    "dane": {"params": {"n_layers": 3, "dropout": 0.1, "supervised": True}, "training": adam(200, 1e-3, 0.0)},
    "grade": {"params": {"n_layers": 5, "dropout": 0.5, "trade_off": 0.002}, "training": adam(200, 1e-3, 1e-3)},
    "pair_align": {
        "params": {"n_layers": 2, "dropout": 0.0, "edge_penalty": 3.0, "class_penalty": 0.01},
        "training": adam(200, 1e-3, 3e-3),
    },
    "strurw": {"params": {"n_layers": 2, "dropout": 0.2, "kept": 0.8}, "training": adam(200, 3e-3, 1e-2)},
    "udagcn": {"params": {"n_layers": 2, "dropout": 0.4}, "training": adam(400, 1e-4, 1e-3)},
}


ONE_TOPIC = ", one topic"


def rows_of_the_table() -> list[str]:
    """Every method for graphs, and the network that sees no edge; then the source-free ones and where they start."""
    with_source = [card.name for card in catalogue.find(data="graph", protocol="Transfer", setting="unsupervised")]
    without = ["gcn", *(card.name for card in catalogue.find(data="graph", protocol="ModelTransfer"))]
    return ["mlp", *with_source, *(name + ONE_TOPIC for name in without)]


def model_of(row: str, seed: int) -> Any:
    """The method of a row, not fitted."""
    settings = SETTINGS.get(row, {})
    cls = catalogue.load(settings.get("method", row))
    params = {**settings.get("params", {})}
    if "training" in settings:
        from transferkit import Training

        params["training"] = Training(**settings["training"])
    if "random_state" in cls._constraints:
        params["random_state"] = seed
    return cls(**params)


@cache
def graphs(direction: str, label: str) -> tuple[Domain, Domain]:
    """Source and target."""
    source, target = (named.load("citation-graphs", label=label)[name] for name in direction.split(" -> "))
    return source, target


def with_source(row: str, seed: int, direction: str, label: str) -> Any:
    """A method that has the source at hand, fitted."""
    source, target = graphs(direction, label)
    return model_of(row, seed).fit(source.X, source.y, target=target.hide(), edges=source.edges)


@cache
def start_of(seed: int, direction: str) -> Any:
    """The graph network of the source, one topic a paper, that source-free methods start from."""
    return with_source("gcn", seed, direction, "topic")


def fitted(row: str, seed: int, direction: str) -> Any:
    """The method of a row, adapted to the target's nodes."""
    own = row.removesuffix(ONE_TOPIC)
    if own == row:
        return with_source(row, seed, direction, "topics")
    start, (_, target) = start_of(seed, direction), graphs(direction, "topic")
    return start if own == "gcn" else catalogue.load(own)(start, random_state=seed).fit(target.X, edges=target.edges)


def scores(y: Array, predicted: Array, proba: Array) -> dict[str, float]:
    """Both ways to count, in percent; one way where a node has one class."""
    if y.ndim == 1:
        averages = ("micro", "macro")
        return {f"f1_{a}": 100 * float(f1_score(y, predicted, average=a, zero_division=0)) for a in averages}
    places = np.argsort(np.argsort(-proba, axis=1, kind="stable"), axis=1)
    top = (places < y.sum(axis=1, keepdims=True)).astype(int)
    found = {}
    for name, labels in (("f1", predicted), ("top", top)):
        for average in ("micro", "macro"):
            found[f"{name}_{average}"] = 100 * float(f1_score(y, labels, average=average, zero_division=0))
    return found


def measure(direction: str, row: str, n_seeds: int, before: list[dict[str, float]]) -> dict[str, Any]:
    """One cell: a method in one direction; seeds that were run before are not run again."""
    _, target = graphs(direction, "topic" if row.endswith(ONE_TOPIC) else "topics")
    runs = list(before)
    for seed in range(len(runs), n_seeds):
        start = time.perf_counter()
        model = fitted(row, seed, direction)
        seconds = round(time.perf_counter() - start, 1)
        found = scores(np.asarray(target.y), model.predict(target.X), model.predict_proba(target.X))
        runs.append({"seconds": seconds, **found})
    cell: dict[str, Any] = {"seeds": len(runs), "seconds_a_fit": round(float(np.mean([r["seconds"] for r in runs])), 1)}
    for key in runs[0]:
        if key != "seconds":
            values = [one[key] for one in runs]
            cell[key] = round(float(np.mean(values)), 2)
            cell[f"{key}_sd"] = round(float(np.std(values, ddof=1)), 2) if len(runs) > 1 else None
    return {**cell, "runs": runs}


def top(cell: dict[str, Any]) -> str:
    return f" ({cell['top_micro']:.1f})" if "top_micro" in cell else ""


def show(found: dict[str, Any]) -> None:
    """The table: micro / macro, top-k in brackets."""
    rows = list(dict.fromkeys(cell.partition(" | ")[2] for cell in found))
    print(f"{'':28}" + "".join(f"{d:>22}" for d in DIRECTIONS))
    for row in rows:
        cells = [found.get(f"{d} | {row}") for d in DIRECTIONS]
        shown = ["" if c is None else f"{c['f1_micro']:.1f}/{c['f1_macro']:.1f}{top(c)}" for c in cells]
        print(f"{row:28}" + "".join(f"{text:>22}" for text in shown))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="print what was found, measure nothing")
    parser.add_argument("--directions", nargs="+", choices=DIRECTIONS, default=DIRECTIONS)
    parser.add_argument("--methods", nargs="+", default=None, help="rows of the table; all without it")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    found: dict[str, Any] = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    if not asked.show:
        warnings.simplefilter("ignore", TransferWarning)  # a collapse shows in the numbers
        for row in asked.methods or rows_of_the_table():
            for direction in asked.directions:
                cell = f"{direction} | {row}"
                there = found.get(cell, {"seeds": 0})
                if there["seeds"] < asked.seeds:
                    found[cell] = measure(direction, row, asked.seeds, there.get("runs", []))
                    atomic_write(asked.out, json.dumps(found, indent=1) + "\n")
                    print(f"{cell}: {found[cell]}", flush=True)
    show(found)


if __name__ == "__main__":
    main()
