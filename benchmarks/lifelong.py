"""Streams of tasks: permuted and split MNIST, PACS drawn in four ways, CWRU bearings under four loads; all lifelong methods.

    TRANSFERKIT_DATA=DATA python benchmarks/lifelong.py            # three seeds; goes on where it was stopped
    python benchmarks/lifelong.py --seeds 0 --streams split_class  # a part
    python benchmarks/lifelong.py --show                           # tables from the JSON
    python benchmarks/lifelong.py --show --pictures docs           # and two matrices as pictures

Every finished run is in benchmarks/results/lifelong.json: the matrix of accuracies (row: after task i, column: on task j of
rows that no method has seen), and what is read off it. Settings are the same numbers for all streams. A first run
on seed 0 with strengths of 1000 (EWC) and 1 (MAS) learned new tasks badly; the ones below were then chosen on the permuted stream
with seed 100, which is in no table. All other settings were set beforehand. The values that the
baselines of Avalanche (ContinualAI/continual-learning-baselines, target_results.csv) state for the same kind of stream stand
beside ours: they are longer trainings of wider networks on all rows, so an orientation and no reproduction.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

RESULT = Path(__file__).parent / "results" / "lifelong.json"
MEMORY = 500
METHODS: dict[str, dict[str, Any]] = {
    "naive": {}, "joint": {}, "ewc": {"reg": 100.0, "fisher": "sampled", "fisher_rows": 300},
    "ewc online": {"reg": 100.0, "decay": 0.9, "fisher": "sampled", "fisher_rows": 300}, "si": {"reg": 5.0},
    "mas": {"reg": 0.1, "importance_rows": 300}, "continual_lwf": {}, "replay": {"memory_size": MEMORY},
    "der_pp": {"memory_size": MEMORY}, "agem": {"memory_size": MEMORY}, "gdumb": {"memory_size": MEMORY},
    "icarl": {"memory_size": MEMORY}, "streaming_lda": {"reg": 1e-2}, "streaming_ridge": {"reg": 1.0},
}  # fmt: skip
SHALLOW = ("streaming_lda", "streaming_ridge")
# stream -> method -> accuracy that Avalanche's baselines state
PUBLISHED = {
    "permuted": {"si": 0.94, "ewc": 0.83, "agem": 0.81, "continual_lwf": 0.51},
    "split_task": {"si": 0.97},
    "split_class": {"continual_lwf": 0.31},
}
Stream = list[tuple[Any, Any]]  # a Domain to learn and one to be judged on, task by task


def mnist(seed: int, n: int, n_test: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Rows of MNIST in [0, 1], drawn by the seed."""
    from transferkit.data import named

    rng = np.random.default_rng(seed)
    found = {}
    for part, rows in (("train", n), ("test", n_test)):
        domain = named.load("mnist", domains=[part])[part]
        chosen = rng.permutation(domain.n_samples)[:rows]
        found[part] = np.asarray(domain.X)[chosen] / 255, np.asarray(domain.y)[chosen]
    return found


def permuted(seed: int) -> Stream:
    """Five tasks: the ten digits with the pixels in another order each; 3000 rows to learn, 500 to judge."""
    from transferkit import Domain

    rng, rows = np.random.default_rng([seed, 1]), mnist(seed, 15000, 500)
    (X, y), (Xt, yt) = rows["train"], rows["test"]
    tasks = []
    for k in range(5):
        order = np.arange(784) if k == 0 else rng.permutation(784)
        part = slice(3000 * k, 3000 * (k + 1))
        name = f"order {k}"
        tasks.append((Domain(X[part][:, order], y[part], name=name), Domain(Xt[:, order], yt, name=name)))
    return tasks


def split(seed: int, *, parity: bool = False) -> Stream:
    """Five tasks of two digits each, in their natural order: 10000 rows to learn and 1500 to judge in all."""
    from transferkit import Domain

    rows = mnist(seed, 10000, 1500)

    def task(part: str, k: int) -> Any:
        X, y = rows[part]
        own = np.isin(y, (2 * k, 2 * k + 1))
        return Domain(X[own], y[own] % 2 if parity else y[own], name=f"{2 * k} and {2 * k + 1}")

    return [(task("train", k), task("test", k)) for k in range(5)]


def halves(domain: Any, X: np.ndarray, seed: int, name: str) -> tuple[Any, Any]:
    """Half of the rows of each class to learn, half to judge."""
    from sklearn.model_selection import train_test_split

    from transferkit import Domain

    y = np.asarray(domain.y).astype(str)
    rows = train_test_split(np.arange(len(y)), test_size=0.5, random_state=seed, stratify=y)
    return tuple(Domain(X[r], y[r], name=name) for r in rows)


_FEATURES: dict[str, np.ndarray] = {}


def pacs(seed: int) -> Stream:
    """Photos, art, cartoons, sketches: the same seven classes, features of a frozen MobileNetV2 with ImageNet weights."""
    from transferkit.bench.noharm.domains import MOBILENET
    from transferkit.data import named
    from transferkit.engine.features.encoder import BackboneEncoder

    found, tasks = named.load("pacs"), []
    for name in ("photo", "art", "cartoon", "sketch"):
        if name not in _FEATURES:
            encoder = BackboneEncoder(MOBILENET.format(folder=os.environ.get("TRANSFERKIT_DATA", "")), cache=True)
            _FEATURES[name] = encoder.fit(found[name].X).transform(found[name].X)
        tasks.append(halves(found[name], _FEATURES[name], seed, name))
    return tasks


def cwru(seed: int) -> Stream:
    """Four loads of a motor: the same nine kinds of damage, spectra scaled by the first load's spread."""
    from transferkit.data import named

    found = named.load("cwru", preprocess="spectrum")
    scale = np.asarray(found["0hp"].X).std()
    return [halves(found[load], np.asarray(found[load].X) / scale, seed, load) for load in ("0hp", "1hp", "2hp", "3hp")]


# name: the stream, whether methods get separate heads and are told the task, epochs a task
STREAMS: dict[str, tuple[Callable[[int], Stream], bool, int]] = {
    "permuted": (permuted, False, 3),
    "split_task": (split, True, 3),
    "split_domain": (lambda seed: split(seed, parity=True), False, 3),
    "split_class": (split, False, 3),
    "pacs": (pacs, False, 8),
    "cwru": (cwru, False, 8),
}


def build(method: str, seed: int, *, separate: bool, n_epochs: int, settings: dict[str, Any]) -> Any:
    """A method with the settings of this benchmark."""
    from transferkit import catalogue
    from transferkit.engine.training.settings import Training

    cls = catalogue.load(method.split()[0])
    if method in SHALLOW:
        return cls(**settings)
    rate = {"lr": 0.05, "optimizer": "sgd", "momentum": 0.0} if method == "agem" else {"lr": 1e-3, "optimizer": "adam"}
    training = Training(
        n_epochs=n_epochs, batch_size=64, weight_decay=0.0, schedule="constant", warmup=0.0, progress=False, **rate
    )
    heads = {} if method == "icarl" else {"heads": "separate" if separate else "shared"}
    return cls("small:mlp?hidden=256&hidden=256", training=training, random_state=seed, **heads, **settings)


def measure(stream: str, method: str, seed: int, **settings: Any) -> dict[str, Any]:
    """One method on one stream."""
    from transferkit.pipeline.stream import learn_stream

    make, told, n_epochs = STREAMS[stream]
    tasks = make(seed)
    if method == "gdumb":  # as many updates as the others, on the few rows that it keeps
        n_epochs *= max(1, round(tasks[0][0].n_samples / MEMORY))
    model = build(method, seed, separate=told, n_epochs=n_epochs, settings={**METHODS[method], **settings})
    return learn_stream(model, [t for t, _ in tasks], [t for _, t in tasks], told=told).facts()


def plan(args: argparse.Namespace) -> Iterator[tuple[str, str, int]]:
    for seed in args.seeds:  # the first seed of everything, then the second
        for stream in args.streams:
            yield from ((stream, method, seed) for method in args.methods)


def as_lines(facts: dict[str, Any]) -> str:
    """The result as text, one line a run, so that a changed run is a changed line."""
    runs = ",\n".join(f"  {json.dumps(key)}: {json.dumps(run)}" for key, run in facts["runs"].items())
    head = json.dumps({k: v for k, v in facts.items() if k != "runs"}, indent=1)
    return head[:-2] + f',\n "runs": {{\n{runs}\n }}\n}}\n'


def show(found: dict[str, Any]) -> None:
    """A table a stream: means over the seeds."""
    for stream in STREAMS:
        rows = [(m, [r for k, r in found.items() if k.startswith(f"{stream}/{m}/")]) for m in METHODS]
        rows = [(m, r) for m, r in rows if r]
        if not rows:
            continue
        print(f"\n{stream}, {max(len(r) for _, r in rows)} seeds\n")
        print(
            "| method | average accuracy | forgetting | just learned | rows kept | published |\n|---|---|---|---|---|---|"
        )
        for method, runs in rows:
            mean = {k: np.mean([r[k] for r in runs]) for k in ("average_accuracy", "forgetting", "learning_accuracy")}
            published = PUBLISHED.get(stream, {}).get(method, "")
            spread = f" ± {np.std([r['average_accuracy'] for r in runs]):.3f}" if len(runs) > 1 else ""
            print(
                f"| {method} | {mean['average_accuracy']:.3f}{spread} | {mean['forgetting']:.3f} |"
                f" {mean['learning_accuracy']:.3f} | {runs[0]['memory']} | {published} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--streams", nargs="+", choices=STREAMS, default=list(STREAMS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--pictures", type=Path, help="folder for the matrices of two methods on split MNIST")
    parser.add_argument("--show", action="store_true", help="print the tables and measure nothing")
    args = parser.parse_args()
    found: dict[str, Any] = json.loads(RESULT.read_text())["runs"] if RESULT.exists() else {}
    if not args.show:
        import torch

        from transferkit.core.files import atomic_write

        torch.set_num_threads(1)
        for stream, method, seed in plan(args):
            key = f"{stream}/{method}/{seed}"
            if key in found:
                continue
            clock = time.perf_counter()
            found[key] = measure(stream, method, seed)
            facts = {
                "command": "python benchmarks/lifelong.py",
                "methods": METHODS,
                "published": PUBLISHED,
                "runs": found,
            }
            atomic_write(RESULT, as_lines(facts))
            print(f"{key:32} {found[key]['average_accuracy']:.3f}  {time.perf_counter() - clock:.1f} s", flush=True)
    show(found)
    if args.pictures:
        from transferkit.report.stream import stream_picture

        for method in ("naive", "replay"):
            one = found[f"split_class/{method}/0"]
            name = args.pictures / f"lifelong-{method}.svg"
            name.write_text(stream_picture(one["tasks"], one["matrix"], f"split MNIST, {method}"), encoding="utf-8")


if __name__ == "__main__":
    main()
