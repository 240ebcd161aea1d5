"""MAML as it is written with `higher` (one task after the other), on the episodes and with the network of few_shot.py; prints JSON.

Called by few_shot.py with an interpreter that has higher==0.2.1. Trains sinusoids to the end, and times updates of 5-way 1-shot.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import few_shot
import higher
import numpy as np
import torch

from transferkit import Domain
from transferkit.engine.backbones import load_backbone
from transferkit.engine.meta.episodes import Episodes, Shape
from transferkit.engine.meta.inner_loop import GradientLearner
from transferkit.engine.meta.tasks import check_domains, read_tasks
from transferkit.engine.networks.network import Network
from transferkit.ops.nn.edits import apply_edit
from transferkit.ops.nn.heads import Head

N_TIMED = 6


def world(task: str, domains: list[Domain], seed: int, n: int, labels: Any = None) -> tuple[Episodes, Any, Network]:
    """Episodes, labels and the network of a task."""
    given = few_shot.settings("MAML", task, "maml")
    checked = check_domains("higher", domains)
    torch.manual_seed(0)
    backbone = load_backbone(given["backbone"], sample=checked[0].X[0])
    shape = Shape(given.get("n_way", 5), given["k_shot"], given["n_query"])
    found = read_tasks(
        "higher", checked, backbone, task="auto", by="auto", shape=shape, rotations=given.get("rotations", False)
    )
    if labels is not None and labels.kind == "regression":
        for rows, domain in zip(found.domains, checked):
            rows.y = labels.encode(domain.y)
    used = labels or found.labels
    network = Network(backbone, Head(backbone.n_features, used.n_outputs))
    if found.by == "domains":
        shape = Shape(None, shape.k_shot, shape.n_query)
    return Episodes(found.domains, found.pools, shape, seed, n), used, network


def batches(episodes: Episodes, size: int) -> Any:
    plan = [np.arange(k, k + size) for k in range(0, len(episodes) - size + 1, size)]
    for stream in episodes.batches(plan):
        yield episodes.preprocess.finish(stream.x, training=False), stream.y


def outer_step(network: Network, labels: Any, x: Any, y: Any, n: int, given: dict[str, Any]) -> None:
    """The gradient of the mean query loss, task after task."""
    inner = torch.optim.SGD(network.parameters(), lr=given["inner_lr"])
    for rows, truth in zip(x, y):
        with higher.innerloop_ctx(network, inner, copy_initial_weights=False) as (model, steps):
            for _ in range(given["n_inner_steps"]):
                steps.step(labels.loss(model(rows[:n]), truth[:n]))
            (labels.loss(model(rows[n:]), truth[n:]) / len(x)).backward()


def train_sinusoid() -> dict[str, Any]:
    given = few_shot.settings("MAML", "sinusoid", "maml")
    size, updates = 25, few_shot.N_SINUSOID
    episodes, labels, network = world("sinusoid", few_shot.sinusoids(2000, 1), 0, size * updates)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    start = time.perf_counter()
    for x, y in batches(episodes, size):
        optimizer.zero_grad()
        outer_step(network, labels, x, y, episodes.n_support, given)
        optimizer.step()
    seconds = time.perf_counter() - start
    test, _, _ = world("sinusoid", few_shot.sinusoids(few_shot.N_TEST, 2), 7, few_shot.N_TEST, labels)
    errors, n = [], test.n_support
    inner = torch.optim.SGD(network.parameters(), lr=given["inner_lr"])
    for x, y in batches(test, 1):
        with higher.innerloop_ctx(network, inner, track_higher_grads=False) as (model, steps):
            steps.step(labels.loss(model(x[0, :n]), y[0, :n]))
            errors.append(float(((model(x[0, n:]) - y[0, n:]) ** 2).mean().detach()) * float(labels.scale[0]) ** 2)
    half = 1.96 * np.std(errors, ddof=1) / len(errors) ** 0.5
    return {
        "mean": round(float(np.mean(errors)), 5), "interval": round(float(half), 5), "name": "squared error",
        "n_tasks": few_shot.N_TEST, "updates": updates, "seconds": round(seconds, 1),
    }  # fmt: skip


def timing(task: str, domains: list[Domain], size: int) -> dict[str, float]:
    """Median processor seconds of an outer step, the two in turn on the same batches."""
    given = few_shot.settings("MAML", task, "maml")
    episodes, labels, network = world(task, domains, 0, size * N_TIMED)
    plain = network.copy().train()
    apply_edit(network.body, {"edit": "task_norm"})
    learner = GradientLearner(
        network, labels, episodes.n_support, rate=given["inner_lr"], n_steps=given["n_inner_steps"], n_test_steps=1,
        statistics="batch",
    )  # fmt: skip
    seconds: dict[str, list[float]] = {"ours": [], "higher": []}
    for x, y in batches(episodes, size):
        start = time.process_time()
        learner.parts(learner.outputs(x, y[:, : episodes.n_support]), y[:, episodes.n_support :])["loss"].backward()
        seconds["ours"].append(time.process_time() - start)
        start = time.process_time()
        outer_step(plain, labels, x, y, episodes.n_support, given)
        seconds["higher"].append(time.process_time() - start)
    found = {name: float(np.median(values[1:])) for name, values in seconds.items()}
    return {**{k: round(v, 4) for k, v in found.items()}, "ratio": round(found["higher"] / found["ours"], 2)}


def main() -> None:
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    ways, shots, size, _ = few_shot.SIZES["5w1s"]
    step = {
        "sinusoid, 25 tasks": timing("sinusoid", few_shot.sinusoids(200, 1), 25),
        f"{ways}-way {shots}-shot, {size} tasks": timing("5w1s", [few_shot.omniglot()[0]], size),
    }
    print(json.dumps({"cells": {"MAML with higher | sinusoid | 0": train_sinusoid()}, "outer_step_cpu_seconds": step}))


if __name__ == "__main__":
    main()
