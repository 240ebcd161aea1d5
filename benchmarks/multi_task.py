"""Multi-task learning: architectures and balancers beside single-task training, and what balancing costs.

    python benchmarks/multi_task.py                      # all data, three seeds; goes on where it was stopped
    python benchmarks/multi_task.py --data uji --seeds 0
    python benchmarks/multi_task.py --cost               # updates a second, in alternating rounds

Every fit is written to benchmarks/results/multi_task.json as soon as it is there. Nothing was tuned: one network, one
learning rate and one number of epochs a data set. Needs TRANSFERKIT_DATA, or the sets fetched.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import mean_absolute_error, roc_auc_score

from transferkit import MTAN, PLE, CrossStitch, Domain, HardSharing, MMoE, SingleTask, TaskAdapters, Training
from transferkit.core.files import atomic_write
from transferkit.data import named
from transferkit.ops.metrics.task_gains import delta_m, task_gains
from transferkit.ops.nn.balancing import BALANCERS, GradientBalancer

RESULT = Path(__file__).parent / "results" / "multi_task.json"
ARCHITECTURES = {"mmoe": MMoE, "ple": PLE, "cross_stitch": CrossStitch, "mtan": MTAN, "task_adapters": TaskAdapters}


@dataclass(frozen=True)
class World:
    """Tasks to fit on and rows to judge on, by task; errors are numbers of which less is better."""

    train: list[Domain]
    test: list[Domain]
    backbone: str
    n_epochs: int
    batch_size: int
    errors: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()


def amazon(seed: int) -> World:
    """Reviews of four kinds of goods, good or bad: one task a kind, with rows of its own; 1,200 to train, the others to test."""
    sets, rng = named.load("amazon-reviews-400", preprocess="paper"), np.random.default_rng(seed)
    train, test = [], []
    for name, domain in sets.items():
        order, own = rng.permutation(domain.n_samples), Domain(domain.X, domain.y, name=name)
        train.append(own.take(order[:1200]))
        test.append(own.take(order[1200:]))
    return World(train, test, "small:mlp?hidden=128", 10, 64)


def uji(seed: int) -> World:
    """Building, floor and position of phones from what they hear: 3,000 rows of 16 phones; the table of four months later."""
    rng, labels = np.random.default_rng(seed), ("building", "floor", "longitude", "latitude")
    read = {label: named.load("uji-indoorloc", label=label, preprocess="filled") for label in labels}

    def tasks(prefix: str, n: int | None) -> list[Domain]:
        phones = [p for p in read["floor"] if p.startswith(prefix)]
        X = (np.vstack([np.asarray(read["floor"][p].X) for p in phones]) + 105) / 105
        rows = np.arange(len(X)) if n is None else rng.permutation(len(X))[:n]
        X = X[rows]
        found = []
        for label in labels:
            y = np.concatenate([read[label][p].y for p in phones])[rows]
            found.append(Domain(X, y.astype(float) if label.endswith("itude") else y, name=label))
        return found

    return World(tasks("phone", 3000), tasks("validation", None), "small:mlp?hidden=128", 15, 64, labels[2:])


def credit(seed: int) -> World:
    """Default of card clients (area under the curve), and the logarithm of their limit: 4,000 rows to train, 6,000 to test."""
    sets, rng = named.load("credit"), np.random.default_rng(seed)
    tables = [d.X for d in sets.values()]
    columns = [c for c in tables[0].columns if c != "LIMIT_BAL"]
    X = np.vstack([t.select(columns).to_numpy() for t in tables]).astype(np.float64)
    limit = np.log(np.concatenate([t["LIMIT_BAL"].to_numpy() for t in tables]).astype(np.float64))
    default = np.concatenate([d.y for d in sets.values()])
    order = rng.permutation(len(X))
    X = np.sign(X) * np.log1p(np.abs(X))  # amounts of money have long tails
    mean, std = X[order[:4000]].mean(axis=0), X[order[:4000]].std(axis=0) + 1e-12
    X = (X - mean) / std
    parts = []
    for rows in (order[:4000], order[4000:10000]):
        own = X[rows]
        parts.append([Domain(own, default[rows], name="default"), Domain(own, limit[rows], name="limit")])
    return World(*parts, "small:mlp?hidden=64", 10, 64, ("limit",), ("default",))


def multi_mnist(seed: int) -> World:
    """Two digits in one picture of 36 x 36, one at the top left, one at the bottom right: 6,000 to train, 2,000 to test."""
    sets, rng = named.load("mnist"), np.random.default_rng(seed)

    def tasks(domain: Domain, n: int) -> list[Domain]:
        one, two = (rng.permutation(domain.n_samples)[:n] for _ in range(2))
        X = np.zeros((n, 1, 36, 36), np.float32)
        pixels = np.asarray(domain.X).reshape(-1, 28, 28) / 255
        X[:, 0, :28, :28] = pixels[one]
        X[:, 0, 8:, 8:] = np.maximum(X[:, 0, 8:, 8:], pixels[two])
        return [Domain(X, domain.y[one], name="left"), Domain(X, domain.y[two], name="right")]

    return World(tasks(sets["train"], 6000), tasks(sets["test"], 2000), "small:lenet", 4, 64)


DATA: dict[str, Callable[[int], World]] = {"credit": credit, "amazon": amazon, "uji": uji, "multi_mnist": multi_mnist}


def training(world: World) -> Training:
    return Training(n_epochs=world.n_epochs, batch_size=world.batch_size, lr=1e-3, progress=False, device="cpu")


def make(method: str, world: World, seed: int) -> Any:
    given = {"backbone": world.backbone, "training": training(world), "random_state": seed}
    if method == "single":
        return SingleTask(**given)
    if method in ARCHITECTURES:
        return ARCHITECTURES[method](**given)
    return HardSharing(**given, balancing=method)


def scores(model: Any, world: World) -> dict[str, float]:
    """Accuracy in percent, area under the curve in percent, or the mean absolute error."""
    found = {}
    for task in world.test:
        if task.name in world.areas:
            proba = model.predict_proba(task.X, task=task.name)[:, 1]
            found[task.name] = 100 * roc_auc_score(task.y, proba)
        else:
            predicted = model.predict(task.X, task=task.name)
            is_error = task.name in world.errors
            found[task.name] = (
                mean_absolute_error(task.y, predicted) if is_error else 100 * np.mean(predicted == task.y)
            )
    return {name: float(value) for name, value in found.items()}


def read() -> dict[str, Any]:
    return json.loads(RESULT.read_text()) if RESULT.exists() else {"fits": {}, "cost": {}}


def write(record: dict[str, Any]) -> None:
    record["summary"] = summary(record["fits"])
    atomic_write(RESULT, (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())


def summary(fits: dict[str, Any]) -> dict[str, Any]:
    """Mean and deviation of delta_m in percent over the seeds, scores and the worst task's gain, by data and method."""
    found: dict[str, Any] = {}
    for key, fit in fits.items():
        data, method, seed = key.split("/")
        single = fits.get(f"{data}/single/{seed}")
        if single is None:
            continue
        own = found.setdefault(data, {}).setdefault(method, {"delta_m": [], "gains": [], "scores": []})
        own["delta_m"].append(100 * delta_m(fit["scores"], single["scores"], fit["errors"]))
        own["gains"].append(task_gains(fit["scores"], single["scores"], fit["errors"]))
        own["scores"].append(fit["scores"])
    for methods in found.values():
        for own in methods.values():
            values, names = own.pop("delta_m"), list(own["scores"][0])
            own |= {"delta_m": round(float(np.mean(values)), 3), "deviation": round(float(np.std(values)), 3)}
            own["n_seeds"] = len(values)
            for part, factor in (("gains", 100), ("scores", 1)):
                rows = own.pop(part)
                own[part] = {name: round(factor * float(np.mean([r[name] for r in rows])), 3) for name in names}
    return found


def cost(data: str, rounds: int = 3) -> dict[str, float]:
    """Median time of an update with each balancer over that with equal weights; the least of several alternating rounds each."""
    world = DATA[data](0)
    short = replace(world, train=[t.take(np.arange(960)) for t in world.train], n_epochs=2)
    best: dict[str, float] = {}
    for _ in range(rounds):
        for method in (*BALANCERS, "mgda on features"):
            name = method.removesuffix(" on features")
            options = {} if name == method else {"gradients": "representation"}
            times: list[float] = []
            clock = training(short).set_params(callbacks=[_Clock(times)])
            make(name, short, 0).set_params(**options, training=clock).fit(short.train)
            best[method] = min(best.get(method, np.inf), float(np.median(np.diff(times))))
    return {method: round(seconds / best["equal"], 2) for method, seconds in best.items()}


class _Clock:
    """Notes when updates end."""

    def __init__(self, times: list[float]) -> None:
        self.times = times

    def __call__(self, event: str, state: dict[str, Any]) -> None:
        if event == "update":
            self.times.append(time.perf_counter())


def show(record: dict[str, Any]) -> None:
    for data, methods in record["summary"].items():
        print(f"\n{data}: delta_m in percent over single-task training")
        for method, own in sorted(methods.items(), key=lambda item: -item[1]["delta_m"]):
            worst = min(own["gains"], key=own["gains"].__getitem__)
            kind = "gradients" if issubclass(BALANCERS.get(method, object), GradientBalancer) else ""
            print(
                f"  {method:14} {own['delta_m']:+7.2f} +- {own['deviation']:.2f} ({own['n_seeds']})  worst {worst} "
                f"{own['gains'][worst]:+.2f}  {kind}"
            )
    for data, ratios in record["cost"].items():
        print(f"\ntime over equal weights, {data}: " + ", ".join(f"{m} {r}" for m, r in ratios.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=["single", *BALANCERS, *ARCHITECTURES])
    parser.add_argument("--cost", action="store_true", help="measure what balancing costs instead")
    parser.add_argument("--minutes", type=float, default=60, help="stop after the fit that passes this")
    args = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    if args.cost:
        for data in args.data:
            record = read()
            record["cost"][data] = cost(data)
            write(record)
    else:
        for seed in args.seeds:
            for data in args.data:
                world = None
                for method in args.methods:
                    record, key = read(), f"{data}/{method}/{seed}"
                    if key in record["fits"] or time.perf_counter() - start > 60 * args.minutes:
                        continue
                    world = world or DATA[data](seed)
                    clock = time.perf_counter()
                    model = make(method, world, seed).fit(world.train)
                    seconds = time.perf_counter() - clock
                    record["fits"][key] = {
                        "scores": scores(model, world), "errors": list(world.errors), "seconds": round(seconds, 2),
                    }  # fmt: skip
                    write(record)
                    print(key, record["fits"][key], flush=True)
    show(read())


if __name__ == "__main__":
    main()
