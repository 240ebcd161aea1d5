"""Few shots on features with ImageNet weights: prototypes and transductive heads against logistic regression.

    python benchmarks/few_shot_features.py
    python benchmarks/few_shot_features.py --show

PACS (7 classes of one domain an episode, the four domains in turn) and hymenoptera (ants and bees), features of a frozen
MobileNetV2, 1, 5 and 10 shots, 15 queries a class on average, 600 episodes each; all heads see the same episodes and have the
settings of their papers. "balanced" episodes have the same number of queries of every class, which PT-MAP takes for known and
TIM aims at; "skewed" ones, of 5 shots, draw the shares of the classes from a Dirichlet(2). Results go to
benchmarks/results/few_shot_features.json, written after each cell, so that a stopped run goes on where it was. Needs the
folder that TRANSFERKIT_DATA names.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from transferkit import PTMAP, R2D2, TIM, PrototypicalNetworks
from transferkit.bench.noharm.domains import MOBILENET
from transferkit.core.files import atomic_write
from transferkit.data import named
from transferkit.engine.answers.labels import Labels
from transferkit.engine.backbones import load_backbone
from transferkit.engine.features.encoder import BackboneEncoder
from transferkit.engine.networks.network import Network
from transferkit.ops.nn.heads import Head

OUT = Path(__file__).parent / "results" / "few_shot_features.json"
DOMAINS = {"hymenoptera": ("train", "val"), "pacs": ("photo", "art", "cartoon", "sketch")}
SHOTS, N_QUERY, N_EPISODES, TASKS = (1, 5, 10), 15, 600, 20
Array = np.ndarray[Any, Any]


def features(name: str) -> list[tuple[Array, Array]]:
    """Features and codes of the classes of each domain; hymenoptera's two parts are one."""
    sets, found = named.load(name), []
    for part in DOMAINS[name]:
        encoder = BackboneEncoder(MOBILENET.format(folder=os.environ.get("TRANSFERKIT_DATA", "")), cache=True)
        codes = np.unique(np.asarray(sets[part].y), return_inverse=True)[1]
        found.append((encoder.fit(sets[part].X).transform(sets[part].X), codes))
    if name == "hymenoptera":
        return [(np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found]))]
    return found


def episode(
    domains: list[tuple[Array, Array]], k_shot: int, skewed: bool, number: int
) -> tuple[Array, Array, Array, Array]:
    """Support with its labels, queries with theirs."""
    rng = np.random.default_rng([number, k_shot, skewed])
    X, y = domains[number % len(domains)]
    of_class = [rng.permutation(np.flatnonzero(y == c)) for c in np.unique(y)]
    n = len(of_class)
    counts = np.full(n, N_QUERY)
    while skewed:
        counts = rng.multinomial(n * N_QUERY, rng.dirichlet(np.full(n, 2.0)))
        if all(c <= len(rows) - k_shot for c, rows in zip(counts, of_class)):
            break
    support = np.concatenate([rows[:k_shot] for rows in of_class])
    queries = np.concatenate([rows[k_shot : k_shot + c] for rows, c in zip(of_class, counts)])
    return X[support], np.repeat(np.arange(n), k_shot), X[queries], np.repeat(np.arange(n), counts)


def unit(X: Array) -> Array:
    return X / np.linalg.norm(X, axis=-1, keepdims=True)


def logistic(change: Callable[[Array], Array]) -> Callable[..., Array]:
    """A regression for each episode."""

    def answers(support: Array, y: Array, queries: Array) -> Array:
        models = [LogisticRegression(max_iter=1000).fit(change(s), labels) for s, labels in zip(support, y)]
        return np.stack([model.predict(change(q)) for model, q in zip(models, queries)])

    return answers


def head(method: Any, change: Callable[[Array], Array]) -> Callable[..., Array]:
    """The head of a meta-learner on given features, for all episodes at once; its network is not asked for anything."""
    body = load_backbone("small:mlp?hidden=2", sample=np.zeros(2))

    def answers(support: Array, y: Array, queries: Array) -> Array:
        n = int(y.max()) + 1
        learner = method._learner(Network(body, Head(2, n)), Labels("classification", n, np.arange(n)), y.shape[1])
        with torch.no_grad():
            z, q = (torch.as_tensor(change(v)).float() for v in (support, queries))
            found: Array = learner.respond(learner.learn(z, torch.as_tensor(y), n), q).argmax(-1).numpy()
        return found

    return answers


METHODS: dict[str, Callable[..., Array]] = {
    "logistic regression": logistic(lambda X: X),
    "logistic regression, unit length": logistic(unit),
    "prototypes": head(PrototypicalNetworks(), lambda X: X),
    "prototypes, unit length": head(PrototypicalNetworks(), unit),
    "ridge head, unit length": head(R2D2(), unit),
    "pt_map": head(PTMAP(), lambda X: X),
    "tim": head(TIM(), lambda X: X),
}


def measure(domains: list[tuple[Array, Array]], method: str, k_shot: int, skewed: bool) -> dict[str, float]:
    """Accuracy in percent, half its 95 % interval, and the time of an episode."""
    values: list[float] = []
    clock = 0.0
    for start in range(0, N_EPISODES, TASKS):
        drawn = [episode(domains, k_shot, skewed, k) for k in range(start, start + TASKS)]
        support, y, queries, truth = (np.stack(part) for part in zip(*drawn))
        begin = time.perf_counter()
        answers = METHODS[method](support, y, queries)
        clock += time.perf_counter() - begin
        values += (answers == truth).mean(1).tolist()
    spread = 1.96 * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return {
        "accuracy": round(100 * float(np.mean(values)), 2), "interval": round(100 * spread, 2),
        "ms_an_episode": round(1000 * clock / len(values), 2),
    }  # fmt: skip


def show(found: dict[str, dict[str, float]]) -> None:
    for cell, value in found.items():
        print(f"{cell:70} {value['accuracy']:6.2f} +- {value['interval']:.2f}   {value['ms_an_episode']:8.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="print what was found, measure nothing")
    asked = parser.parse_args()
    found: dict[str, dict[str, float]] = json.loads(OUT.read_text()) if OUT.exists() else {}
    if not asked.show:
        torch.set_num_threads(1)
        domains = {name: features(name) for name in DOMAINS}
        cells = [(name, "balanced", k_shot) for k_shot in SHOTS for name in DOMAINS]
        cells += [(name, "skewed", 5) for name in DOMAINS]
        for name, queries, k_shot in cells:
            for method in METHODS:
                cell = f"{name} | {queries} | {k_shot} | {method}"
                if cell not in found:
                    found[cell] = measure(domains[name], method, k_shot, queries == "skewed")
                    atomic_write(OUT, (json.dumps(found, indent=1) + "\n").encode())
    show(found)


if __name__ == "__main__":
    main()
