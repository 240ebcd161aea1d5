"""How fast: cached features beside the tutorial loop, the loop's own overhead, and images a second by network and precision.

    python benchmarks/training_speed.py

All in one run on this machine, as ratios; the result is benchmarks/results/training_speed.json. Images are the hymenoptera
training folder (needs TRANSFERKIT_DATA).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from transferkit import FeatureExtraction
from transferkit.core.files import atomic_write
from transferkit.data import named
from transferkit.engine.answers.labels import find_labels
from transferkit.engine.backbones import load_backbone
from transferkit.engine.features.extraction import extract
from transferkit.engine.fine_tuning.supervised import Supervised
from transferkit.engine.inputs.rows import Rows
from transferkit.engine.networks.network import Network
from transferkit.engine.training.freezing import make_plan
from transferkit.engine.training.loop import Loop
from transferkit.engine.training.settings import Training
from transferkit.ops.nn.heads import Head

RESULT = Path(__file__).parent / "results" / "training_speed.json"
DATA = Path(os.environ.get("TRANSFERKIT_DATA", "../shared/data"))
WEIGHTS = DATA / "weights" / "mobilenetv2_100_imagenet_bncal_fp16.safetensors"
MOBILENET = f"file:{WEIGHTS}?arch=timm:mobilenetv2_100&pad_type=same&mean=0.5&std=0.5"
N_EPOCHS = 10


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    clock = time.perf_counter()
    found = work()
    return time.perf_counter() - clock, found


def tutorial(train: Any, test: Any) -> float:
    """What everybody copies: freeze the body, replace the head, forward through everything in every epoch."""
    backbone = load_backbone(MOBILENET)
    body, prepare = backbone.body, backbone.preprocess
    for p in body.parameters():
        p.requires_grad = False
    torch.manual_seed(0)
    classes = np.unique(train.y)
    model = nn.Sequential(body, nn.Linear(backbone.n_features, len(classes)))
    optimizer = torch.optim.Adam(model[1].parameters(), lr=1e-3)
    codes = torch.as_tensor(np.searchsorted(classes, train.y))
    for epoch in range(N_EPOCHS):
        model.train()
        body.eval()
        order = np.random.default_rng(epoch).permutation(len(codes))
        for k in range(0, len(order), 32):
            rows = order[k : k + 32]
            x = prepare.batch([train.X[int(i)] for i in rows])
            loss = functional.cross_entropy(model(x), codes[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        logits = torch.cat(
            [
                model(prepare.batch([test.X[i] for i in range(k, min(k + 32, len(test.y)))]))
                for k in range(0, len(test.y), 32)
            ]
        )
    return float((classes[logits.argmax(1).numpy()] == test.y).mean())


def cached(train: Any, test: Any, precision: str) -> float:
    """The same head, trained as long, on features that are computed once."""
    training = Training(
        n_epochs=N_EPOCHS,
        lr=1e-3,
        optimizer="adam",
        weight_decay=0.0,
        schedule="constant",
        warmup=0.0,
        progress=False,
        precision=precision,
    )
    with tempfile.TemporaryDirectory() as folder:
        model = FeatureExtraction(MOBILENET, head="linear", standardise=False, training=training, cache=folder)
        return model.fit(train.X, train.y).score(test.X, test.y)


def head_start() -> dict[str, Any]:
    """The tutorial's loop and ours, fit and test together."""
    sets = named.load("hymenoptera")
    train, test = sets["train"], sets["val"]
    found = {}
    for name, work in (
        ("tutorial loop", lambda: tutorial(train, test)),
        ("cached features", lambda: cached(train, test, "fp32")),
        ("cached features, bf16", lambda: cached(train, test, "bf16")),
    ):
        seconds, accuracy = timed(work)
        found[name] = {"seconds": round(seconds, 2), "accuracy": round(accuracy, 4)}
        print(name, found[name], flush=True)
    base = found["tutorial loop"]["seconds"]
    for row in found.values():
        row["times_faster"] = round(base / row["seconds"], 1)
    return {
        "epochs": N_EPOCHS,
        "rows": len(train.y),
        "includes": "loading, decoding, fit, and scoring the validation rows",
        **found,
    }


def overhead(rounds: int = 5) -> dict[str, Any]:
    """One epoch of full fine-tuning in our loop and in a minimal one written by hand, in turn."""
    backbone = load_backbone(MOBILENET + "&image_size=96")
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, size=(192, 96, 96, 3), dtype=np.uint8)
    y = np.arange(192) % 2
    labels = find_labels("benchmark", y, len(y))
    prepared = torch.stack([backbone.preprocess.prepare(x) for x in X])
    codes = torch.as_tensor(y)

    def network() -> Network:
        torch.manual_seed(0)
        return Network(backbone, Head(backbone.n_features, 2)).to(memory_format=torch.channels_last)

    def by_hand() -> None:
        model = network()
        model.eval()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        for k in range(0, len(codes), 16):
            x = backbone.preprocess.finish(prepared[k : k + 16], training=False).contiguous(
                memory_format=torch.channels_last
            )
            loss = functional.cross_entropy(model(x), codes[k : k + 16])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    rows = Rows(X, backbone.preprocess, codes)
    for k in range(len(rows)):
        rows[k]  # decoded beforehand, as by hand

    def ours() -> None:
        model = network()
        loop = Loop(
            Supervised(model, labels), {"target": rows},
            Training(n_epochs=1, batch_size=16, progress=False, augment=False), network=model, groups=model.groups,
            plan=make_plan(model.groups, "full", n_epochs=1), seed=0,
        )  # fmt: skip
        loop.run()

    by_hand(), ours()
    pairs = [(timed(by_hand)[0], timed(ours)[0]) for _ in range(rounds)]
    hand, own = (float(np.median(t)) for t in zip(*pairs))
    found = {
        "by_hand_seconds": round(hand, 3),
        "loop_seconds": round(own, 3),
        "overhead": round(own / hand - 1, 4),
        "rounds": rounds,
    }
    print("overhead", found, flush=True)
    return found


def throughput() -> list[dict[str, Any]]:
    """Features of 224-pixel images, by network and precision."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, size=(96, 224, 224, 3), dtype=np.uint8)
    found = []
    for name in ("mobilenetv2_100", "resnet18", "resnet50", "vit_small_patch16_224"):
        backbone = load_backbone(f"timm:{name}?pretrained=false")
        row: dict[str, Any] = {"network": name}
        for precision in ("fp32", "bf16"):
            extract(backbone, X[:32], precision=precision)
            seconds = min(timed(lambda: extract(backbone, X, precision=precision))[0] for _ in range(2))  # noqa: B023
            row[f"images_per_second_{precision}"] = round(len(X) / seconds, 1)
        found.append(row)
        print(row, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    facts = {
        "command": "python benchmarks/training_speed.py",
        "machine": {"processor": platform.machine(), "threads": torch.get_num_threads(), "torch": torch.__version__},
        "frozen_body": head_start(),
        "loop_overhead": overhead(),
        "throughput": throughput(),
    }
    atomic_write(RESULT, json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
