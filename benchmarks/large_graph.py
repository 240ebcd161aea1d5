"""A graph of a million nodes and ten million edges on one machine: time, peak memory and accuracy with drawn neighbours.

    OMP_NUM_THREADS=2 python benchmarks/large_graph.py
    python benchmarks/large_graph.py --nodes 100000 --edges 1000000 --methods gcn --out small.json

Nothing is downloaded: two stochastic block models with five classes, made from a seed. The source has a fifth of the target's
nodes and edges. An edge joins nodes of one class with probability 0.8 in the source and 0.6 in the target; features are 32 normal
numbers around a mean for each class, and all of them are moved in the target. Two layers of 64, an update of 1024 nodes of each
graph with 5 drawn neighbours a node and layer, one pass over the target. Each method is a process of its own, whose peak
memory is that of the operating system, the graphs included; cpu_seconds are what it used of the processors, also where other
work runs beside it. "mlp" does not look at edges. The result is benchmarks/results/large_graph.json; a method that is there
is measured anew only where named.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

RESULT = Path(__file__).parent / "results" / "large_graph.json"
N_CLASSES, N_FEATURES, SOURCE_SHARE = 5, 32, 5
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "gcn": ("GraphSourceOnly", {}),
    "mlp": ("GraphSourceOnly", {"conv": "mlp"}),
    "grade": ("GRADE", {}),
}
Array = np.ndarray[Any, Any]


def graph(n_nodes: int, n_edges: int, homophily: float, shift: float, seed: int) -> tuple[Array, Array, Array]:
    """Features, classes and edges of shape (2, n_edges) of a stochastic block model."""
    *means, direction = np.random.default_rng(7).normal(size=(N_CLASSES + 1, N_FEATURES)).astype(np.float32)
    rng = np.random.default_rng(seed)
    y = np.sort(rng.integers(0, N_CLASSES, n_nodes)).astype(np.int64)
    X = rng.standard_normal((n_nodes, N_FEATURES), dtype=np.float32)
    X += 0.25 * np.stack(means)[y] + np.float32(shift) * direction
    start = np.searchsorted(y, np.arange(N_CLASSES + 1))  # nodes of a class lie together
    one = rng.integers(0, n_nodes, n_edges, dtype=np.int64)
    kind = np.where(rng.random(n_edges) < homophily, y[one], rng.integers(0, N_CLASSES, n_edges))
    other = start[kind] + (rng.random(n_edges) * (start[kind + 1] - start[kind])).astype(np.int64)
    return X, y, np.stack([one, other])


def measure(name: str, n_nodes: int, n_edges: int) -> dict[str, Any]:
    """In a process of its own."""
    import transferkit
    from transferkit import Domain, Training

    cls, params = METHODS[name]
    X, y, edges = graph(n_nodes // SOURCE_SHARE, n_edges // SOURCE_SHARE, 0.8, 0.0, 0)
    Xt, yt, edges_t = graph(n_nodes, n_edges, 0.6, 0.2, 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    training = Training(
        n_epochs=1, batch_size=1024, lr=0.01, optimizer="adam", weight_decay=5e-4, schedule="constant", warmup=0.0
    )
    model = getattr(transferkit, cls)(**params, hidden=64, n_layers=2, n_neighbors=5, training=training, random_state=0)
    clock, used = time.perf_counter(), time.process_time()
    model.fit(X, y, target=Domain(Xt, edges=edges_t), edges=edges)
    fit, fit_used = time.perf_counter() - clock, time.process_time() - used
    clock, used = time.perf_counter(), time.process_time()
    found = model.predict(Xt)
    predict, predict_used = time.perf_counter() - clock, time.process_time() - used
    return {
        "source": {"nodes": len(y), "edges": edges.shape[1]},
        "target": {"nodes": len(yt), "edges": edges_t.shape[1]},
        "updates": model.n_updates_,
        "fit_seconds": round(fit, 1),
        "fit_cpu_seconds": round(fit_used, 1),
        "predict_seconds": round(predict, 1),
        "predict_cpu_seconds": round(predict_used, 1),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "graphs_mib": round(before / 1024),
        "accuracy": round(float((found == yt).mean()), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1_000_000, help="of the target")
    parser.add_argument("--edges", type=int, default=10_000_000)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=None)
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(asked.one, asked.nodes, asked.edges)))
        return
    facts = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    for name in METHODS:
        if name not in asked.methods if asked.methods else name in facts:
            continue
        command = [sys.executable, __file__, "--one", name, "--nodes", str(asked.nodes), "--edges", str(asked.edges)]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        if found.returncode:
            sys.exit(found.stderr)
        facts[name] = json.loads(found.stdout.splitlines()[-1])
        print(name, facts[name], flush=True)
        from transferkit.core.files import atomic_write

        atomic_write(asked.out, json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
