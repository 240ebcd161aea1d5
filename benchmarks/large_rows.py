"""Forms for many rows, 100,000 + 100,000 of 50 columns: time, peak memory, accuracy; and their error beside the exact form.

    python benchmarks/large_rows.py [--rows 100000] [--only tca_nystroem ...]

Each case is a process of its own, whose peak memory is that of the operating system; cpu_seconds are what the fit used of the
processor, also where other work runs beside it. "exact" beside "approximate"
at 2,000 + 2,000 rows is the accuracy of both on the same rows, the means over 3 seeds; for weights also the share of the
kernel discrepancy that is left (of unweighted rows: 1) and the correlation with the true density ratio, which is known here.
The rows: two classes; the target has another mean and spread in the first 5 of 50 columns (weights) or is rotated in pairs of
columns (maps). The result is benchmarks/results/large_rows.json; a case that is there is measured anew only where named.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

RESULT = Path(__file__).parent / "results" / "large_rows.json"
N_COLUMNS, SMALL, SEEDS = 50, 2000, 3
# Method, parameters of the form for many rows, those of the exact form (None: it is exact and linear already).
RBF = {"kernel": "rbf", "n_components": 20}
PARTS = {"approx": "minibatch", "random_state": 0}
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any] | None]] = {
    "tca": ("TCA", {"n_components": 20}, None),
    "jda": ("JDA", {"n_components": 20, "n_iter": 3}, None),
    "kmm_minibatch": ("KMM", {"max_weight": 10.0, "approx": "minibatch", "random_state": 0}, {"max_weight": 10.0}),
    "kliep": ("KLIEP", {"random_state": 0}, None),
    "ulsif": ("ULSIF", {"random_state": 0}, None),
    "tca_nystroem": ("TCA", {**RBF, "approx": "nystroem", "random_state": 0}, RBF),
    "jda_nystroem": ("JDA", {**RBF, "n_iter": 3, "approx": "nystroem", "random_state": 0}, {**RBF, "n_iter": 3}),
    "bda_nystroem": ("BDA", {**RBF, "n_iter": 3, "approx": "nystroem", "random_state": 0}, {**RBF, "n_iter": 3}),
    "meda_nystroem": ("MEDA", {"n_iter": 3, "approx": "nystroem", "random_state": 0}, {"n_iter": 3}),
    "exact_ot_minibatch": ("ExactOT", PARTS, {}),
    "sinkhorn_ot_minibatch": ("SinkhornOT", PARTS, {}),
    "class_regularised_ot_minibatch": ("ClassRegularisedOT", {**PARTS, "batch_size": 400, "tol": 1e-4}, {"tol": 1e-4}),
    "unbalanced_ot_minibatch": ("UnbalancedOT", PARTS, {}),
    "laplace_ot_minibatch": ("LaplaceOT", {**PARTS, "batch_size": 150, "tol": 0.1}, {"tol": 0.1}),
    "linear_monge": ("LinearMonge", {}, None),
    "sliced_ot": ("SlicedOT", {"random_state": 0}, None),
}


def rows(n: int, seed: int, weights: bool) -> tuple[Any, ...]:
    """Source rows and labels, target rows and labels, and the true density ratio at the source rows."""
    rng = np.random.default_rng(seed)
    if weights:
        Xs, Xt = rng.normal(size=(n, N_COLUMNS)), rng.normal(size=(n, N_COLUMNS))
        Xt[:, :5] = 0.8 * Xt[:, :5] + 0.5
        moved = Xs[:, :5]
        ratio = np.exp(0.5 * (moved**2 - ((moved - 0.5) / 0.8) ** 2).sum(axis=1)) / 0.8**5
        # A curve in the first columns: a linear model has to be fitted where the target is.
        label = lambda X: (X[:, 0] + X[:, 1] ** 2 + 0.5 * X[:, 5] + 0.3 * rng.normal(size=len(X)) > 1).astype(int)  # noqa: E731
        return Xs, label(Xs), Xt, label(Xt), ratio
    ys, yt = rng.integers(0, 2, size=n), rng.integers(0, 2, size=n)
    centre = np.where(np.arange(N_COLUMNS) < 10, 1.2, 0.0)
    spread = np.linspace(2, 0.5, N_COLUMNS)
    Xs, Xt = ((rng.normal(size=(n, N_COLUMNS)) + centre * y[:, None]) * spread for y in (ys, yt))
    angle = 0.4
    Xt[:, 0::2], Xt[:, 1::2] = (
        np.cos(angle) * Xt[:, 0::2] - np.sin(angle) * Xt[:, 1::2],
        np.sin(angle) * Xt[:, 0::2] + np.cos(angle) * Xt[:, 1::2],
    )
    return Xs, ys, Xt + 0.5, yt, None


def fitted(case: str, params: dict[str, Any], data: tuple[Any, ...]) -> Any:
    """The fitted method."""
    import transferkit
    from transferkit import Domain

    return getattr(transferkit, CASES[case][0])(**params).fit(data[0], data[1], target=Domain(data[2]))


def left(weight: Any, Xs: Any, Xt: Any, gamma: float) -> float:
    """Share of the squared discrepancy of the kernel means that the weights leave."""
    from transferkit.ops.kernels.gaussian import rbf

    K, k = rbf(Xs, Xs, gamma), rbf(Xs, Xt, gamma).mean(axis=1)
    target = rbf(Xt, Xt, gamma).mean()
    found = [w @ K @ w - 2 * w @ k + target for w in (weight / weight.sum(), np.full(len(Xs), 1 / len(Xs)))]
    return float(found[0] / found[1])


def measure(case: str, n: int) -> dict[str, Any]:
    """In a process of its own: many rows, then few beside the exact form."""
    name, params, exact = CASES[case]
    weights = name in ("KMM", "KLIEP", "ULSIF")
    fitted(case, exact or params, rows(100, 0, weights))  # what is imported and compiled on the way is not counted
    data = rows(n, 0, weights)
    clock, used = time.perf_counter(), time.process_time()
    model = fitted(case, params, data)
    seconds, used = time.perf_counter() - clock, time.process_time() - used
    found: dict[str, Any] = {
        "rows": n,
        "fit_seconds": round(seconds, 1),
        "cpu_seconds": round(used, 1),
        "params": params,
    }
    found["accuracy"] = round(float(np.mean(model.predict(data[2]) == data[3])), 4)
    found["peak_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    if data[4] is not None:
        found["correlation_with_true_ratio"] = round(float(np.corrcoef(model.sample_weight_, data[4])[0, 1]), 3)
    if exact is None:
        return found
    sides: dict[str, list[list[float]]] = {"approximate": [], "exact": []}
    for seed in range(SEEDS):
        small = rows(SMALL, seed, weights)
        for side, chosen in (("approximate", params), ("exact", exact)):
            one = fitted(case, chosen, small)
            facts = [float((one.predict(small[2]) == small[3]).mean())]
            if weights:
                facts.append(left(one.sample_weight_, small[0], small[2], one.gamma_))
                facts.append(float(np.corrcoef(one.sample_weight_, small[4])[0, 1]))
            sides[side].append(facts)
    names = ("accuracy", "discrepancy_left", "correlation_with_true_ratio")
    found["small"] = {"rows": SMALL}
    for side, table in sides.items():
        found["small"][side] = {key: round(float(v), 5) for key, v in zip(names, np.mean(table, axis=0))}
    return found


def main() -> None:
    """Measure case by case, keep each result as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--only", nargs="*", choices=list(CASES))
    parser.add_argument("--case", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(measure(given.case, given.rows)))
        return
    facts = json.loads(RESULT.read_text()) if RESULT.exists() else {"columns": N_COLUMNS, "seeds": SEEDS, "cases": {}}
    for case in CASES:
        if case not in given.only if given.only else case in facts["cases"]:
            continue
        command = [sys.executable, __file__, "--case", case, "--rows", str(given.rows)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        facts["cases"][case] = json.loads(done.stdout)
        print(case, facts["cases"][case], flush=True)
        RESULT.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
