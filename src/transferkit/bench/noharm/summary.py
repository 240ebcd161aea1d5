"""Tables of the benchmark: one line a rule, then one a family."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ...core.protocols import Array
from ...pipeline.guard.decide import LIMITS
from .asked import BUDGETS, settled
from .estimate import expectations
from .judge import MORE_SHOTS, SELECTORS
from .refits import JUDGED, REFITTED, SETTINGS
from .rules import GRIDS, LEVEL, SIMILAR, few_labels, gains, nested

__all__ = ["line", "summarise"]

N_BOOT = 2000


def summarise(rows: Sequence[Mapping[str, Any]], missing: Mapping[str, str]) -> dict[str, Any]:
    """The benchmark's result from the judged tasks; numbers are points of accuracy against source-only."""
    rows = sorted(rows, key=lambda r: r["name"])
    groups = np.array([r["group"] for r in rows])
    anchor = np.array([r["anchor"] for r in rows])
    oracle = np.maximum(0.0, np.array([r["oracle"] for r in rows]) - anchor)
    similar = np.array([r["tv"] for r in rows]) <= SIMILAR
    every = np.ones(len(rows), dtype=bool)
    table: dict[str, dict[str, Any]] = {}

    def add(name: str, gain: Array, where: Array = every, best: Array = oracle) -> None:
        table[name] = line(gain[where], best[where], groups[where])

    add("oracle: the best candidate in hindsight", oracle)
    add("a random candidate (mean)", np.array([r["mean_candidate"] for r in rows]) - anchor)
    for name in SELECTORS:
        there = np.array([name in r["picks"] for r in rows])
        picked = np.array([r["picks"].get(name, np.nan) for r in rows]) - anchor
        add(f"pick of {name}", picked, there)
        add(f"pick of {name}, similar shares", picked, there & similar)
    vote = np.array([r["vote"] for r in rows]) - anchor
    add("vote, unguarded", vote)
    add("vote, unguarded, similar shares", vote, similar)
    derived = {}
    by_mode = {}
    for mode, where, name in (
        ("nothing", every, "strict"),
        ("same-priors", similar, "same priors, where true"),
        ("target-shares", every, "given shares"),
    ):
        fixed = gains(rows, mode)  # type: ignore[arg-type]
        add(f"{name}: limits in force", fixed, where)
        inside = [r for r, w in zip(rows, where) if w]
        found, used = nested(inside, mode)  # type: ignore[arg-type]
        table[f"{name}: nested, the group judged was not seen"] = line(found, oracle[where], groups[where])
        derived[mode] = {group: {key: getattr(limits, key) for key in GRIDS[mode]} for group, limits in used.items()}
        by_mode[name] = (fixed, where)
    wrong = gains(rows, "same-priors")
    add("same priors, where false (limits in force)", wrong, ~similar)
    add(
        "label shift assumed, halves with other shares",
        gains(rows, "label-shift"),
        np.array([r["kind"] == "other shares" for r in rows]),
    )
    few, few_oracle = few_labels([r["few"] for r in rows])

    def add_few(name: str, own: Sequence[Mapping[str, Any]], draws: Sequence[Any], level: float = LEVEL) -> None:
        gain, best = few_labels(draws, level)
        table[name] = line(gain.ravel(), best.ravel(), np.repeat([r["group"] for r in own], gain.shape[1]))

    two = [r for r in rows if r["n_classes"] == 2]
    add_few(f"few labels (3 a class): pooling, sign test p <= {LEVEL}", rows, [r["few"] for r in rows])
    add_few("few labels (3 a class): pooling, untested", rows, [r["few"] for r in rows], 1.0)
    add_few("two classes, 3 labels a class", two, [r["few"] for r in two])
    for shots in MORE_SHOTS:
        add_few(f"two classes, {shots} labels a class", two, [r["more"][str(shots)] for r in two])
    for taught, most in BUDGETS:
        draws = [[d for d in r["asked"] if d["taught"] == taught] for r in two]
        found = [settled(own, most) for own in draws]
        own = np.repeat([r["group"] for r in two], [len(gain) for gain, _, _ in found])
        name = f"two classes, {taught} labels that teach, at most {most} of rows in dispute"
        table[name] = line(*(np.concatenate(part) for part in list(zip(*found))[:2]), own)
        table[name]["labels_asked"] = round(float(np.concatenate([n for _, _, n in found]).mean()), 1)
    votes = [settled([_disputed(r)], BUDGETS[-1][1], "nothing") for r in two]
    table[f"two classes, vote, at most {BUDGETS[-1][1]} labels of rows in dispute"] = line(
        *(np.concatenate(part) for part in list(zip(*votes))[:2]),
        np.repeat([r["group"] for r in two], [len(gain) for gain, _, _ in votes]),
    )
    families = {}
    for family in sorted({r["family"] for r in rows}):
        own = np.array([r["family"] == family for r in rows])
        families[family] = {
            "tasks": int(own.sum()),
            "oracle": _points(oracle[own].mean()),
            "vote": _points(vote[own].mean()),
            **{name: line((gain)[own & where], oracle[own & where], groups[own & where], boot=False)
               for name, (gain, where) in by_mode.items() if (own & where).any()},
            "few labels": line(few[own].ravel(), few_oracle[own].ravel(), np.repeat(groups[own], few.shape[1]), boot=False),
        }  # fmt: skip
    for label, pick in (("two classes", True), ("three classes or more", False)):
        own = np.array([(r["n_classes"] == 2) == pick for r in rows])
        for name, (gain, where) in by_mode.items():
            add(f"{label}, {name}", gain, own & where)
    return {
        "command": "transferkit bench noharm",
        "tasks": len(rows),
        "groups": sorted(set(groups.tolist())),
        "missing": dict(missing),
        "similar_shares": SIMILAR,
        "limits": asdict(LIMITS),
        "table": table,
        "families": families,
        "nested_limits": derived,
        "expected_accuracy": expectations(rows),
        "not_scored": _reasons({name: {why: 1} for name, why in r.get("lost_picks", {}).items()} for r in rows),
        "refits": _part([r for r in rows if "refits" in r]),
        "rows": [
            {
                "name": r["name"], "tv": round(r["tv"], 3), "source_only": r["anchor"], "oracle": r["oracle"], "vote": r["vote"],
                **{name: round(float(r["anchor"] + gain[k]), 5) for name, (gain, _) in by_mode.items()},
                "few": round(float(few[k].mean()), 5),
            }
            for k, r in enumerate(rows)
        ],
    }  # fmt: skip


def _disputed(row: Mapping[str, Any]) -> dict[str, float]:
    """Wins and losses of the vote on the rows where it differs from source-only: one of both is right, of two classes."""
    n, gain = row["n_target"], row["vote"] - row["anchor"]
    disputed = round(row["evidence"]["disputed"] * n)
    wins = round((disputed + gain * n) / 2)
    return {"wins": wins, "losses": disputed - wins, "gain": gain, "oracle": max(0.0, row["oracle"] - row["anchor"])}


def _part(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All selectors on the tasks whose candidates were fitted again: those that need it, and the others on the same tasks."""
    if not rows:
        return {}
    groups, anchor = np.array([r["group"] for r in rows]), np.array([r["anchor"] for r in rows])
    oracle = np.maximum(0.0, np.array([r["oracle"] for r in rows]) - anchor)
    table = {}
    for name in (*JUDGED, *REFITTED, *SELECTORS):
        picks = [r["refits"]["picks"].get(name, r["picks"].get(name, np.nan)) for r in rows]
        there = np.isfinite(picks)
        if there.any():
            table[f"pick of {name}"] = line((np.array(picks) - anchor)[there], oracle[there], groups[there])
    table["vote, unguarded"] = line(np.array([r["vote"] for r in rows]) - anchor, oracle, groups)
    table["strict: limits in force"] = line(gains(rows, "nothing"), oracle, groups)
    return {
        "tasks": len(rows),
        "settings": SETTINGS,
        "table": table,
        "candidates_not_scored": _reasons(r["refits"]["lost"] for r in rows),
    }


def _reasons(found: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    """How many candidates a selector could not score, by selector and reason, over all tasks."""
    counts: dict[str, Counter[str]] = {}
    for own in found:
        for name, reasons in own.items():
            counts.setdefault(name, Counter()).update(reasons)
    return {name: dict(own) for name, own in counts.items()}


def line(gain: Array, oracle: Array, groups: Array, boot: bool = True) -> dict[str, Any]:
    """Mean, harm, worst and captured share; with 90 % intervals of a bootstrap over groups of data."""
    found: dict[str, Any] = {
        "n": len(gain),
        "adapted": _points((gain != 0).mean()),
        "mean": _points(gain.mean()),
        "harmed_1": _points((gain < -0.01 - 1e-9).mean()),
        "harmed_5": _points((gain < -0.05 - 1e-9).mean()),
        "worst": _points(gain.min()),
        "captured": _points(gain.sum() / oracle.sum()) if oracle.sum() > 0 else None,
    }
    if boot:
        rng = np.random.default_rng(0)
        names, codes = np.unique(groups, return_inverse=True)
        sums = np.array([[m[codes == k].sum() for m in (gain, gain < -0.01 - 1e-9, oracle, np.ones(len(gain)))]
                         for k in range(len(names))])  # fmt: skip
        drawn = sums[rng.integers(0, len(names), size=(N_BOOT, len(names)))].sum(axis=1)
        found["mean_interval"] = [_points(v) for v in np.quantile(drawn[:, 0] / drawn[:, 3], (0.05, 0.95))]
        found["harmed_1_interval"] = [_points(v) for v in np.quantile(drawn[:, 1] / drawn[:, 3], (0.05, 0.95))]
    return found


def _points(value: float) -> float:
    return round(100 * float(value), 2) + 0.0
