"""Complete facts of a run that never was, as `run.json` holds them."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["classification", "decided", "embedding", "networks", "regression", "seen_by_networks"]

CLASSES = ("backpack", "bike", "calculator", "headphones", "keyboard", "laptop", "monitor", "mouse", "mug", "projector")
METHODS = (
    ("source_only", "SourceOnly", "baseline", {}, "baseline"),
    ("pooled", "Pooled", "baseline", {}, "baseline"),
    ("target_only", "TargetOnly", "baseline", {}, "oracle"),
    ("coral", "CORAL", "feature", {"reg": 1.0}, "candidate"),
    ("coral", "CORAL", "feature", {"reg": 0.1}, "candidate"),
    ("tca", "TCA", "feature", {"n_components": 30, "kernel": "linear"}, "candidate"),
    ("jda", "JDA", "feature", {"n_components": 30, "max_iter": 10, "kernel": "linear", "reg": 1.0}, "candidate"),
    ("gfk", "GFK", "feature", {"n_components": 20}, "candidate"),
    ("subspace_alignment", "SubspaceAlignment", "feature", {"n_components": 20}, "candidate"),
    ("kmm", "KMM", "instance", {"gamma": "median"}, "candidate"),
    ("bbse", "BBSE", "label_shift", {}, "candidate"),
)


def _candidates(metric: str, few: int | None, rng: np.random.Generator) -> list[dict[str, Any]]:
    found = []
    for i, (method, cls, paradigm, params, role) in enumerate(METHODS[:few]):
        score = 0.30 + 0.016 * i + float(rng.normal(0, 0.03)) + (0.35 if role == "oracle" else 0)
        estimate = None if role == "oracle" else score + float(rng.normal(0, 0.03))
        found.append({
            "id": f"{method}-{i}", "method": method, "class": cls, "paradigm": paradigm, "summary": f"{cls}: what it does.",
            "params": params, "status": "fitted", "reason": "", "evidence": None if role == "oracle" else 0.2 + score,
            "changed": 0.0 if method == "source_only" else float(rng.uniform(0.1, 0.5)), "role": role,
            "estimate": estimate, "estimate_interval": None if estimate is None else [estimate - 0.06, estimate + 0.05],
            "score": score, "score_interval": [score - 0.055, score + 0.055],
        })  # fmt: skip
    base = {"params": {}, "summary": "", "evidence": None, "changed": None, "estimate": None, "estimate_interval": None,
            "score": None, "score_interval": None, "role": "candidate"}  # fmt: skip
    found.append({**base, "id": "kliep-1", "method": "kliep", "class": "KLIEP", "paradigm": "instance", "status": "failed",
                  "reason": "KLIEP.fit: X must have finite density ratios. Got 3 rows without a neighbour."})  # fmt: skip
    found.append({**base, "id": "tradaboost-1", "method": "tradaboost", "class": "TrAdaBoost", "paradigm": "instance",
                  "status": "skipped", "reason": "It needs target labels, and none are known."})  # fmt: skip
    return found


def classification(classes: tuple[Any, ...] = CLASSES, seed: int = 0) -> dict[str, Any]:
    """A run on two folders of object pictures, adapted with GFK."""
    rng = np.random.default_rng(seed)
    k, n = len(classes), 295
    candidates = _candidates("accuracy", None, rng)
    anchor, winner = candidates[0], candidates[7]
    anchor["score"], anchor["score_interval"], anchor["estimate"], anchor["estimate_interval"] = (
        0.298,
        [0.249, 0.353],
        0.31,
        [0.26, 0.36],
    )
    winner["score"], winner["score_interval"], winner["evidence"] = 0.441, [0.385, 0.498], 0.71
    source, target = rng.dirichlet(np.full(k, 8.0)), rng.dirichlet(np.full(k, 3.0))
    counts = rng.multinomial(n, target)
    before, after = [], []
    for i, rows in enumerate(counts):
        for matrix, right in ((before, 0.3), (after, 0.5)):
            chances = rng.dirichlet(np.full(k, 0.4)) * (1 - right)
            chances[i] += right
            matrix.append(rng.multinomial(rows, chances / chances.sum()).tolist())
    return {
        "schema": 1, "transferkit": "0.1.0", "command": "transferkit run amazon.csv webcam.csv --label object --target-labels test",
        "seed": 0, "versions": {"python": "3.11.7", "numpy": "2.4.6", "scikit-learn": "1.8.0"},
        "task": {
            "kind": "classification", "label": "object", "metric": "accuracy",
            "sources": [{"name": "amazon", "path": "data/amazon.csv", "n": 958, "sha256": "ab" * 32}],
            "target": {"name": "webcam", "path": "data/webcam.csv", "n": n, "n_known": 0, "n_held_back": n, "sha256": "cd" * 32},
            "target_labels": "test", "n_features": 800, "classes": list(classes),
        },
        "prepare": {"notes": ["Column order of the target was changed to the source's."], "features_in": 800, "features_out": 794},
        "gap": {
            "auc": 0.981, "auc_p": 0.00498, "mmd2": 0.0131, "mmd_p": 0.0005, "proxy_a_distance": 1.87,
            "columns": [
                {"name": f"surf_{i:03d}", "statistic": 0.6 - 0.02 * i, "effect": (-1) ** (i % 3) * (1.4 - 0.05 * i),
                 "p": 1e-12 * 9**i, "q": min(1.0, 3e-11 * 9**i)} for i in range(20)
            ],
            "label_shift": {"classes": list(classes), "source": source.tolist(), "target": target.tolist(), "tv": 0.144},
            "findings": [
                {"says": "The columns moved, and the classes kept their shape within them.", "number": "AUC 0.98",
                 "fits": ["feature"], "avoid": ["instance"]},
                {"says": "The domains hardly overlap, so weights on source rows would rest on a few of them.",
                 "number": "effective sample size 14 of 958", "fits": [], "avoid": ["instance", "label_shift"]},
            ],
        },
        "candidates": candidates,
        "guard": {
            "selector": "importance_weighted_validation", "anchor": anchor["id"], "winner": winner["id"], "adapted": True,
            "rule": "Source-only stays unless another candidate has more evidence by a margin and keeps most of its predictions.",
            "checks": [
                {"check": "more_evidence", "value": 0.21, "threshold": 0.02, "passed": True,
                 "says": "GFK has more evidence than the source's model."},
                {"check": "no_collapse", "value": 0.94, "threshold": 0.5, "passed": True,
                 "says": "All ten classes are still predicted."},
                {"check": "agreement", "value": 0.48, "threshold": 0.5, "passed": False,
                 "says": "It changes more than half of the predictions: look at a few."},
            ],
            "reason": "GFK has the most evidence of all candidates and passes the checks that would have stopped it.",
        },
        "verdict": {
            "sentence": "Adapt with GFK: expected 44 % against 30 % without; negative transfer is unlikely, because its evidence "
            "is ahead by ten times the margin.",
            "adapted": True, "expected": 0.441, "expected_interval": [0.385, 0.498], "baseline": 0.298, "basis": "held-back labels",
        },
        "per_class": [
            {"class": c, "n": int(counts[i]), "before": before[i][i] / max(counts[i], 1), "after": after[i][i] / max(counts[i], 1)}
            for i, c in enumerate(classes)
        ],
        "confusion": {"labels": list(classes), "before": before, "after": after},
        "regression": None,
        "next_steps": [
            "Label twenty rows of webcam, the ones on which GFK and the source's model differ, and run again with "
            "--target-labels few.",
            "Watch the classes that lost: calculator and mug.",
        ],
    }  # fmt: skip


def regression(seed: int = 0) -> dict[str, Any]:
    """A run between two instruments, where adapting was refused."""
    rng = np.random.default_rng(seed)
    facts = classification(seed=seed)
    truth = rng.normal(10, 0.5, 80)
    facts["task"] |= {"kind": "regression", "metric": "r2", "label": "moisture", "classes": None}
    facts |= {
        "per_class": None, "confusion": None,
        "regression": {"truth": truth.tolist(), "before": (truth * 0.5 + 4 + rng.normal(0, 0.3, 80)).tolist(),
                       "after": (truth + rng.normal(0, 0.15, 80)).tolist()},
    }  # fmt: skip
    facts["gap"]["label_shift"] = None
    facts["candidates"][4] |= {"score": -52.3, "score_interval": [-80.0, -31.0]}
    facts["guard"] |= {
        "winner": facts["guard"]["anchor"],
        "adapted": False,
        "reason": "No candidate was ahead by the margin.",
    }
    facts["verdict"] |= {"sentence": "Keep the source's model: adapting would probably make it worse.", "adapted": False,
                         "expected": 0.298, "expected_interval": [0.21, 0.36], "baseline": 0.298}  # fmt: skip
    return facts


def embedding(classes: tuple[Any, ...] = CLASSES, seed: int = 0) -> dict[str, Any]:
    """Both domains in two dimensions: apart before, together after."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(len(classes), 2)) * 3
    s, t = rng.integers(len(classes), size=500), rng.integers(len(classes), size=295)

    def cloud(which: np.ndarray, shift: float) -> list[list[float]]:
        return (centres[which] + rng.normal(size=(len(which), 2)) + shift).tolist()

    return {
        "before": {"source": cloud(s, 0.0), "target": cloud(t, 6.0)}, "after": {"source": cloud(s, 0.0), "target": cloud(t, 0.4)},
        "source_labels": [classes[i] for i in s], "target_labels": [classes[i] for i in t], "method": "PCA",
    }  # fmt: skip


def decided(state: str = "ambiguous", seed: int = 0) -> dict[str, Any]:
    """A run whose choice was made by the vote's evidence: adapted, kept or left to two readings."""
    facts = classification(seed=seed)
    rng = np.random.default_rng(seed)
    some = facts["candidates"]
    vote = {
        **some[3], "id": "vote", "method": "vote", "class": "Vote", "paradigm": "ensemble", "params": {}, "evidence": None,
        "summary": "Vote: half the plain models, half all others",
        "changed": 0.4, "estimate": None, "estimate_interval": None, "score": 0.5, "score_interval": [0.44, 0.56],
    }  # fmt: skip
    facts["candidates"] = [*some, vote]
    fitted = [c["id"] for c in some if c["status"] == "fitted"]
    weights = dict(zip(fitted, sorted(rng.dirichlet(np.ones(len(fitted))).tolist(), reverse=True)))
    adapted = state == "adapt"
    pairs = [("mug", "mouse", 40), ("mug", "bike", 12), ("laptop", "keyboard", 30), ("bike", "mug", 3)]
    facts["guard"] = {
        "selector": "evidence", "rule": "Adapt where the evidence says so", "anchor": some[0]["id"], "proposal": "vote",
        "winner": "vote" if adapted else some[0]["id"], "adapted": adapted, "state": state, "mode": "nothing",
        "reason": "negative transfer cannot be ruled out, because the clusters do not say enough",
        "checks": [
            {"check": "shift", "value": 0.98, "threshold": 0.6, "passed": True, "says": "The domains differ."},
            {"check": "clusters", "value": 0.01, "threshold": 0.05, "passed": False, "says": "The clusters hardly speak."},
        ],
        "evidence": {"auc": 0.98, "surplus": 0.31, "disputed": 0.4, "n_target": 295, "something_new": 1.0},
        "limits": {"auc": 0.6, "surplus": 0.2}, "weights": weights,
        "readings": [] if state != "ambiguous" else [
            {"assumption": "The classes are as common as before.", "then": "The vote is better.", "do": "Run with --assume."},
            {"assumption": "The classes became rarer.", "then": "Source-only is right.", "do": "Keep it."},
        ],
        "disputed": {
            "n": 100, "share": 100 / 295, "labels_needed": 15,
            "changes": [{"from": a, "to": b, "n": n} for a, b, n in pairs],
            "label_next": [
                {"row": int(i), "name": f"img_{i}.jpg", "source_only": "mug", "proposal": "mouse", "probability": 0.61}
                for i in rng.permutation(295)[:12]
            ],
        },
    }  # fmt: skip
    facts["verdict"] |= {
        "adapted": adapted,
        "baseline": 0.298,
        "expected": 0.5 if adapted else 0.298,
        "expected_interval": [0.44, 0.56] if adapted else [0.249, 0.353],
        "sentence": "Adapt with the vote." if adapted else "Keep source-only.",
    }
    return facts


def networks(n_epochs: int = 12, seed: int = 0) -> dict[str, Any]:
    """A run whose candidates trained networks on both domains: one with a critic, one without, and source-only's."""
    facts = decided("adapt", seed=seed)
    rng = np.random.default_rng(seed)
    some = {c["id"]: c for c in facts["candidates"]}
    for id, name in (("coral-3", "DANN"), ("tca-5", "MCC"), ("pooled-1", "DeepSourceOnly")):
        some[id] |= {"class": name, "params": {}}
    some["tca-5"]["reason"] = "MCC: predictions for the target have collapsed: 80% of its rows are given one class."

    def history(critic: bool, transfer: bool) -> list[dict[str, Any]]:
        rows = []
        for k in range(n_epochs):
            task, moved = 2.3 * 0.8**k, 0.7 - 0.4 * 0.9**k
            row = {"epoch": k + 1, "lr": 1e-3, "train/loss": task + moved, "train/task": task}
            row |= {"train/transfer": moved} if transfer else {}
            row |= {"train/critic": 0.55 + 0.4 * 0.8**k} if critic else {}
            row |= {
                "source/score": 1 - 0.5 * 0.7**k, "domain/auc": 0.6 + 0.4 * (0.9**k if transfer else 1.0), "target/entropy": 0.3,
                "target/diversity": 2.1, "target/largest_share": float(rng.uniform(0.1, 0.3)),
            }  # fmt: skip
            rows.append(row)
        return rows

    facts["learning"] = {
        "coral-3": history(True, True),
        "tca-5": history(False, True),
        "pooled-1": history(False, False),
    }
    before, after = rng.integers(10, 60, size=10), rng.integers(20, 40, size=10)
    facts["moves"] = {
        "n": int(before.sum()), "moved": 100,
        "classes": [
            {"class": name, "source": 0.1, "before": int(b), "after": int(a), "left": int(b) // 2, "joined": int(a) // 2}
            for name, b, a in zip(CLASSES, before, after)
        ],
    }  # fmt: skip
    return facts


def seen_by_networks(seed: int = 0) -> dict[str, Any]:
    """Both domains in the features of two networks."""
    found = embedding(seed=seed)
    found["before"] |= {"of": "DeepSourceOnly", "auc": 0.98, "target_labels": found["target_labels"][::-1]}
    found["after"] |= {
        "of": "DANN",
        "auc": 0.66,
        "chosen": False,
        "share": 0.12,
        "target_labels": found["target_labels"],
    }
    return found
