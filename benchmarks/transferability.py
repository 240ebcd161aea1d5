"""Do transferability scores find the backbone that transfers best? To results/transferability.json.

python benchmarks/transferability.py [--cache FOLDER]

Candidates: MobileNetV2 and SqueezeNet 1.1 with ImageNet weights, at three input sizes and several depths, and five networks
of timm with random weights. Targets: hymenoptera, the four domains of PACS, PneumoniaMNIST; 400 rows each, three random
halvings. The scores see one half. The truth is the accuracy of a logistic probe that is fitted on that half and judged on
the other, averaged over the halvings. Beside the scores stand plain rules that need no label: more parameters, more
features, a better ImageNet accuracy as published (random weights: chance), and a larger input.

Needs TRANSFERKIT_DATA, with its folder `weights`. Nothing is tuned here: all scores have their defaults, but for the two
rows that say otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import pearsonr, weightedtau
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from transferkit import GBC, LEEP, NCE, NLEEP, PARC, Domain, HScore, LogME, TransRate
from transferkit.core.protocols import Array
from transferkit.data import named
from transferkit.data.images import ImageSamples
from transferkit.engine.backbones import load_backbone
from transferkit.engine.features.extraction import extract

RESULT = Path(__file__).parent / "results" / "transferability.json"
ROWS, SEEDS, SIZES = 400, (0, 1, 2), (64, 112, 160)
# Published ImageNet top-1: Keras applications (the weights come from there), torchvision.
PRETRAINED = {
    "mobilenetv2": (
        "mobilenetv2_100_imagenet_bncal_fp16.safetensors?arch=timm:mobilenetv2_100&pad_type=same&mean=0.5&std=0.5",
        ("blocks.2", "blocks.4", "blocks.6", "out"),
        0.713,
    ),
    "squeezenet1_1": (
        "squeezenet1_1_imagenet_features_fp16.safetensors?arch=torchvision:squeezenet1_1",
        ("features.5", "features.8", "features.10", "out"),
        0.582,
    ),
}
RANDOM = ("mobilenetv3_small_100", "convnext_atto", "vit_tiny_patch16_224", "resnet18", "resnet50")
SCORES = {
    "LogME": LogME(),
    "H-score, Ledoit-Wolf": HScore(),
    "H-score, original (shrinkage=0)": HScore(shrinkage=0.0),
    "GBC": GBC(),
    "TransRate": TransRate(),
    "TransRate, normalize=True": TransRate(normalize=True),
    "PARC": PARC(random_state=0),
    "N-LEEP": NLEEP(random_state=0),
    "LEEP": LEEP(),
    "NCE": NCE(),
}
OF_PROBABILITIES = ("LEEP", "NCE")
RULES = ("parameters", "features", "imagenet", "input size")


@dataclass(eq=False)
class Candidate:
    """What a backbone makes of the rows of one target; a row is its number."""

    name: str
    facts: dict[str, float]
    features: Array
    proba: Array | None

    @property
    def classes_(self) -> Array:
        return np.arange(0 if self.proba is None else self.proba.shape[1])

    def transform(self, X: Array) -> Array:
        return self.features[X[:, 0]]

    def predict_proba(self, X: Array) -> Array:
        return self.proba[X[:, 0]]

    def predict(self, X: Array) -> Array:
        return self.predict_proba(X).argmax(axis=1)


def targets() -> dict[str, tuple[Any, Array]]:
    """Samples and labels by name, at most ROWS of each."""
    ants = named.load("hymenoptera")
    xray = named.load("pneumoniamnist", domains=["train"])["train"]
    whole = {
        "hymenoptera": (
            ImageSamples([i for d in ants.values() for i in d.X.items]),
            np.concatenate([d.y for d in ants.values()]),
        ),
        **{f"PACS {name}": (d.X, d.y) for name, d in named.load("pacs").items()},
        "PneumoniaMNIST": (ImageSamples.from_array(xray.X.reshape(-1, 28, 28).astype(np.uint8)), xray.y),
    }
    drawn = {}
    for name, (X, y) in whole.items():
        rows = np.sort(np.random.default_rng(0).permutation(len(y))[:ROWS])
        drawn[name] = X[rows], np.unique(y[rows].astype(str), return_inverse=True)[1]
    return drawn


def backbones() -> list[tuple[str, str, tuple[str, ...], float, int]]:
    """Name, source, layers, ImageNet accuracy, input size."""
    weights = Path(os.environ["TRANSFERKIT_DATA"]) / "weights"
    found = []
    for name, (file, layers, accuracy) in PRETRAINED.items():
        found += [(name, f"file:{weights / file}&image_size={size}", layers, accuracy, size) for size in SIZES]
    found += [
        (f"random {name}", f"timm:{name}?pretrained=false&image_size=112", ("out",), 0.001, 112) for name in RANDOM
    ]
    return found


def candidates(sets: dict[str, tuple[Any, Array]], cache: str | None) -> dict[str, list[Candidate]]:
    """All candidates of every target; each network sees each image once."""
    found: dict[str, list[Candidate]] = {name: [] for name in sets}
    for name, source, layers, accuracy, size in backbones():
        clock = time.perf_counter()
        torch.manual_seed(0)
        whole = load_backbone(source)
        one_by_one = [load_backbone(whole, layers=layer) if layer != "out" else whole for layer in layers]
        joined = load_backbone(whole, layers=",".join(layers)) if len(layers) > 1 else whole
        ends = np.cumsum([b.n_features for b in one_by_one])
        facts = {
            "parameters": float(sum(p.numel() for p in whole.body.parameters())),
            "imagenet": accuracy,
            "input size": float(size),
        }
        for target, (X, _) in sets.items():
            parts = np.split(extract(joined, X, precision="fp32", cache=cache), ends[:-1], axis=1)
            for layer, Z in zip(layers, parts):
                proba = None
                if layer == "out" and whole.source_head is not None:
                    with torch.inference_mode():
                        proba = whole.source_head(torch.from_numpy(Z)).softmax(dim=1).numpy()
                label = f"{name} {size} {layer}"
                found[target].append(Candidate(label, {**facts, "features": float(Z.shape[1])}, Z, proba))
        print(f"{name} at {size}: {time.perf_counter() - clock:.0f} s", flush=True)
    return found


def measure(own: list[Candidate], y: Array) -> dict[str, Any]:
    """Probe accuracy (mean over the halvings), scores (one each) and seconds a score of one target's candidates."""
    rows = np.arange(len(y))[:, None]
    accuracy = np.zeros((len(SEEDS), len(own)))
    scores: dict[str, list[list[float]]] = {name: [] for name in SCORES}
    seconds = dict.fromkeys(SCORES, 0.0)
    for k, seed in enumerate(SEEDS):
        train, test = train_test_split(rows[:, 0], test_size=0.5, stratify=y, random_state=seed)
        shown = Domain(rows, y, np.isin(rows[:, 0], train))
        for j, candidate in enumerate(own):
            probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            probe.fit(candidate.features[train], y[train])
            accuracy[k, j] = probe.score(candidate.features[test], y[test])
        for name, score in SCORES.items():
            clock = time.perf_counter()
            able = [c for c in own if name not in OF_PROBABILITIES or c.proba is not None]
            scores[name].append([score.score(c, None, shown) for c in able])
            seconds[name] += (time.perf_counter() - clock) / len(able) / len(SEEDS)
    return {"accuracy": accuracy, "scores": scores, "seconds": seconds}


def agreement(scores: Array, truth: Array) -> tuple[float, float, float]:
    """Weighted Kendall tau, Pearson's r, and the accuracy lost by taking the highest score (the mean over ties)."""
    if np.ptp(scores) == 0:
        return 0.0, 0.0, float(truth.max() - truth.mean())
    lost = truth.max() - truth[scores == scores.max()].mean()
    return float(weightedtau(scores, truth).statistic), float(pearsonr(scores, truth).statistic), float(lost)


def judge(all_own: dict[str, list[Candidate]], found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Agreement with the truth, mean over targets and halvings, on groups of candidates that a score can compare."""
    groups = {
        "all candidates": lambda c: True,
        "pretrained candidates": lambda c: not c.name.startswith("random"),
        "candidates with a source classifier": lambda c: c.proba is not None,
    }
    table: dict[str, Any] = {}
    for group, member in groups.items():
        inside = np.array([member(c) for c in next(iter(all_own.values()))])
        every = group == "candidates with a source classifier"
        table[group] = {"n": int(inside.sum())}
        for name in (*SCORES, *RULES):
            if name in OF_PROBABILITIES and not every:
                continue
            cells = []
            for target, own in all_own.items():
                truth = found[target]["accuracy"].mean(axis=0)[inside]
                if name in RULES:
                    runs = [[c.facts[name] for c in own]]
                else:
                    runs = found[target]["scores"][name]
                for run in runs:
                    values = np.array(run) if name in OF_PROBABILITIES else np.array(run)[inside]
                    cells.append((target, *agreement(values, truth)))
            tau, r, lost = np.mean([c[1:] for c in cells], axis=0)
            table[group][("rule: more " if name in RULES else "") + name] = {
                "weighted_tau": round(tau, 3),
                "pearson": round(r, 3),
                "points_lost_by_its_choice": round(100 * lost, 1),
                "weighted_tau_by_target": {
                    t: round(float(np.mean([c[1] for c in cells if c[0] == t])), 3) for t in all_own
                },
            }
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", help="folder that keeps features between runs")
    cache = parser.parse_args().cache
    clock = time.perf_counter()
    sets = targets()
    own = candidates(sets, cache)
    found = {}
    for target, (_, y) in sets.items():
        found[target] = measure(own[target], y)
        print(f"{target}: {time.perf_counter() - clock:.0f} s", flush=True)
    table = judge(own, found)
    for group, rows in table.items():
        print(f"\n{group} ({rows['n']}): weighted tau, Pearson, points lost")
        for name, row in sorted(((n, r) for n, r in rows.items() if n != "n"), key=lambda r: -r[1]["weighted_tau"]):
            numbers = row["weighted_tau"], row["pearson"], row["points_lost_by_its_choice"]
            print(f"  {name:34s} {numbers[0]:6.3f} {numbers[1]:6.3f} {numbers[2]:5.1f}")
    head = {
        "command": "python benchmarks/transferability.py",
        "note": "Means over 6 targets and 3 halvings. Candidates share two sets of weights; where a network, or its depth,"
        " makes all the difference, a plain rule can do as well as a score. LEEP and NCE need a source classifier, which"
        " only MobileNetV2 and the random networks (an untrained one) have here.",
        "rows": {name: len(y) for name, (_, y) in sets.items()},
        "table": table,
        "seconds_a_score": {
            n: round(float(np.mean([f["seconds"][n] for f in found.values()])), 4) for n in SCORES
        },
        "versions": {"python": platform.python_version()} | {p: version(p) for p in ("numpy", "scikit-learn", "torch", "timm")},
    }  # fmt: skip
    names = [c.name for c in next(iter(own.values()))]
    truth = {
        t: dict(zip(names, np.round(f["accuracy"].mean(axis=0), 4).tolist())) for t, f in found.items()
    }  # fmt: skip
    lines = ",\n".join(f'  "{t}": {json.dumps(row)}' for t, row in truth.items())
    text = json.dumps(head, indent=1)[:-2] + f',\n "probe_accuracy": {{\n{lines}\n }}\n}}\n'
    json.loads(text)
    RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
