"""Learning curves of fine-tuning: accuracy by method and share of the training labels, with spread over seeds.

    python benchmarks/fine_tuning_curves.py hymenoptera pneumonia pacs reviews
    python benchmarks/fine_tuning_curves.py hymenoptera --methods features full --seeds 3 --threads 1

Every method gets the same settings on every data set, and the last epoch counts. The rates of head and body were set after a
first round on hymenoptera (README says how); nothing else was chosen after a look at test labels. Each
seed draws its own labelled rows and its own head. Results go to benchmarks/results/fine_tuning_<data set>.json, written
after each cell, so that a stopped run goes on where it was. Needs the folder that TRANSFERKIT_DATA names.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from transferkit import catalogue
from transferkit.core.files import atomic_write
from transferkit.data import named
from transferkit.engine.backbones import load_backbone
from transferkit.engine.training.settings import Training

RESULTS = Path(__file__).parent / "results"
DATA = Path(os.environ.get("TRANSFERKIT_DATA", "../shared/data"))
OPTIONS = "pad_type=same&mean=0.5&std=0.5"
WEIGHTS = DATA / "weights" / "mobilenetv2_100_imagenet_bncal_fp16.safetensors"
SHARES = (0.05, 0.10, 0.25, 1.0)
N_UPDATES, BATCH = 40, 16
# From a head at its optimum, ten times slower than from a new one: .967 of a fourth of hymenoptera's training labels that was
# set aside (224 pixels), where the usual rate, without augmentation, gave .934.
GENTLE = 0.01

# Method -> class and parameters. One learning rate for all that move the whole network; a fresh network gets ten times more.
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "scratch": ("fine_tuning", {"batch_norm": "train"}),
    "features": ("feature_extraction", {}),
    "full": ("fine_tuning", {}),
    "full_from_probe": ("fine_tuning", {"head_init": "probe"}),
    "gradual": ("fine_tuning", {"plan": "gradual"}),
    "l2_sp": ("l2_sp", {}),
    "delta": ("delta", {}),
    "bss": ("bss", {}),
    "stoch_norm": ("stoch_norm", {}),
    "co_tuning": ("co_tuning", {}),
    "lora": ("lora", {}),
}
TEXT_METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "features": ("feature_extraction", {}),
    "full": ("fine_tuning", {}),
    "setfit": ("setfit", {}),
}


def image_source(size: int) -> str:
    return f"file:{WEIGHTS}?arch=timm:mobilenetv2_100&{OPTIONS}&image_size={size}"


def scratch_source(size: int) -> str:
    return f"timm:mobilenetv2_100?pretrained=false&{OPTIONS}&image_size={size}"


def hymenoptera(seed: int) -> dict[str, Any]:
    """Ants and bees: the published training and validation folders."""
    sets = named.load("hymenoptera")
    return {"train": sets["train"], "test": sets["val"], "size": 96}


def hymenoptera_224(seed: int) -> dict[str, Any]:
    """Ants and bees at the network's own size, all labels, as many updates as `transferkit run` makes of them."""
    return {**hymenoptera(seed), "size": 224, "shares": (1.0,), "updates": 92,
            "methods": ("scratch", "features", "full", "full_from_probe", "gradual")}  # fmt: skip


def pneumonia(seed: int) -> dict[str, Any]:
    """Chest X-rays, 28 pixels, enlarged; official training and test parts. 1000 of the training rows are the pool."""
    sets = named.load("pneumoniamnist")
    images = {k: np.asarray(d.X).reshape(-1, 28, 28).astype(np.uint8) for k, d in sets.items()}
    rows = np.random.default_rng(seed).permutation(len(images["train"]))[:1000]
    return {
        "train": (images["train"][rows], sets["train"].y[rows]), "test": (images["test"], sets["test"].y), "size": 64,
    }  # fmt: skip


def pacs(seed: int) -> dict[str, Any]:
    """PACS sample: the network is first fine-tuned on all photos (the source), then carried over to art paintings."""
    sets = named.load("pacs")
    target = sets["art"]
    order = np.random.default_rng(seed).permutation(target.n_samples)
    cut = int(0.7 * len(order))
    return {"train": target.take(order[:cut]), "test": target.take(order[cut:]), "size": 96, "first": sets["photo"]}


def reviews(seed: int) -> dict[str, Any]:
    """Kitchen reviews: 8 and 64 labelled a class; 500 others are the test; texts are cut at 128 tokens."""
    domain = named.load("amazon-reviews-text")["kitchen"]
    order = np.random.default_rng(seed).permutation(domain.n_samples)
    return {"train": domain.take(order[500:]), "test": domain.take(order[:500])}


TASKS: Mapping[str, Callable[[int], dict[str, Any]]] = {
    "hymenoptera": hymenoptera, "hymenoptera_224": hymenoptera_224, "pneumonia": pneumonia, "pacs": pacs, "reviews": reviews,
}  # fmt: skip


def parts(rows: Any) -> tuple[Any, Any]:
    return rows if isinstance(rows, tuple) else (rows.X, rows.y)


def draw(y: Any, share: float | int, seed: int) -> Any:
    """A share of the rows of each class, or so many a class."""
    rng = np.random.default_rng([seed, 1])
    found = []
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        found.append(rows[: share if isinstance(share, int) else max(2, round(share * len(rows)))])
    return np.sort(np.concatenate(found))


def settings(n: int, text: bool, updates: int | None = None) -> Training:
    """The same number of updates whatever the number of rows."""
    batch = min(BATCH, n)
    per_epoch = -(-n // batch)
    epochs = max(1, round((updates or (60 if text else N_UPDATES)) / per_epoch))
    return Training(
        n_epochs=epochs,
        batch_size=batch,
        lr=2e-4 if text else 1e-3,  # the head's; the body's is a tenth of it
        progress=False,
        schedule="cosine",
    )


def first_source(task: Mapping[str, Any], size: int, seed: int) -> Any:
    """The network that knows: ImageNet's, or ImageNet's after the source domain."""
    if "first" not in task:
        return image_source(size)
    X, y = parts(task["first"])
    model = catalogue.load("fine_tuning")(image_source(size), training=settings(len(y), False), random_state=seed)
    return model.fit(X, y).network_.as_backbone()


def cell(name: str, method: str, share: float | int, seed: int, task: Mapping[str, Any], source: Any) -> dict[str, Any]:
    text = name == "reviews"
    size = task.get("size")
    X, y = parts(task["train"])
    rows = draw(y, share, seed)
    algorithm, params = (TEXT_METHODS if text else METHODS)[method]
    training = settings(len(rows), text, task.get("updates"))
    if method == "scratch":
        source = scratch_source(size)
        training.set_params(body_lr_scale=1.0)
    if method == "full_from_probe":
        training.set_params(body_lr_scale=GENTLE)
    if method == "setfit":
        params = {"iterations": 20 if share == 8 else 5}  # pairs a row: about as many updates for few rows as for many
        model = catalogue.load(algorithm)(source, random_state=seed, **params)
    else:
        model = catalogue.load(algorithm)(source, training=training, random_state=seed, **params)
    clock = time.perf_counter()
    model.fit(X[rows], np.asarray(y)[rows])
    seconds = time.perf_counter() - clock
    return {
        "method": method, "share": share, "seed": seed, "n_labelled": len(rows),
        "accuracy": round(model.score(*parts(task["test"])), 4), "fit_seconds": round(seconds, 1),
        "n_updates": model.n_updates_,
    }  # fmt: skip


def summary(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for method, share in dict.fromkeys((c["method"], c["share"]) for c in cells):
        values = [c["accuracy"] for c in cells if (c["method"], c["share"]) == (method, share)]
        found.append(
            {
                "method": method, "share": share, "mean": round(float(np.mean(values)), 4),
                "std": round(float(np.std(values, ddof=1)), 4) if len(values) > 1 else None, "seeds": len(values),
            }
        )  # fmt: skip
    return found


def run(name: str, methods: list[str] | None, n_seeds: int) -> None:
    path = RESULTS / f"fine_tuning_{name}.json"
    cells = json.loads(path.read_text())["cells"] if path.exists() else []
    have = {(c["method"], c["share"], c["seed"]) for c in cells}
    text = name == "reviews"
    for seed in range(n_seeds):
        task = TASKS[name](seed)
        shares = task.get("shares", (8, 64) if text else SHARES)
        known = methods or task.get("methods", TEXT_METHODS if text else METHODS)
        wanted = [(m, s) for m in known for s in shares if (m, s, seed) not in have]
        if not wanted:
            continue
        source = (
            load_backbone("sentence:all-MiniLM-L6-v2?max_length=128")
            if text
            else first_source(task, task["size"], seed)
        )
        for method, share in wanted:
            cells.append(cell(name, method, share, seed, task, source))
            print(name, cells[-1], flush=True)
            facts = {
                "data": name,
                "about": TASKS[name].__doc__,
                "command": f"python benchmarks/fine_tuning_curves.py {name}",
                "network": "MiniLM-L6 sentence embeddings" if text else f"MobileNetV2, {task['size']} pixels",
                "updates": task.get("updates", 60 if text else N_UPDATES),
                "summary": summary(cells),
                "cells": cells,
            }
            atomic_write(path, json.dumps(facts, indent=1) + "\n")


def table(name: str) -> str:
    """The result as it stands, in Markdown: mean and standard deviation in percent, with fewer seeds where that is said."""
    cells = {
        (r["method"], r["share"]): r for r in json.loads((RESULTS / f"fine_tuning_{name}.json").read_text())["summary"]
    }
    shares = list(dict.fromkeys(share for _, share in cells))
    heads = [f"{100 * s:g} %" if isinstance(s, float) else f"{s} a class" for s in shares]
    lines = [f"| {name} | " + " | ".join(heads) + " |", "|---" * (len(shares) + 1) + "|"]
    for method in dict.fromkeys(method for method, _ in cells):
        found = [cells.get((method, share)) for share in shares]
        texts = [
            "-" if r is None
            else f"{100 * r['mean']:.1f}" + (f" ± {100 * r['std']:.1f}" if r["std"] is not None else "")
            + ("" if r["seeds"] >= 3 else f" ({r['seeds']})")
            for r in found
        ]  # fmt: skip
        lines.append(f"| `{method}` | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", choices=sorted(TASKS))
    parser.add_argument("--methods", nargs="+", choices=sorted({*METHODS, *TEXT_METHODS}))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--show", action="store_true", help="print the results that are there, and run nothing")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    for name in args.data:
        if args.show:
            print(table(name), end="\n\n")
            continue
        run(name, args.methods, args.seeds)


if __name__ == "__main__":
    main()
