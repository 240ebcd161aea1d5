"""Fit times and target accuracy beside skada 0.6: same data, same settings, one run; to results/speed_vs_skada.json.

python -m venv .venv-bench && .venv-bench/bin/pip install -c constraints.txt -e . -r benchmarks/requirements.txt
OMP_NUM_THREADS=1 .venv-bench/bin/python benchmarks/speed_vs_skada.py

A fit is the whole call, the inner classifier (logistic regression on both sides) included. The two sides take turns, and
each repeat changes who goes first; the table has medians. Settings are the same numbers on both sides wherever both have
the parameter; `MATCH` says how, and where they cannot agree. With TRANSFERKIT_DATA set, Amazon reviews join the simulated data.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import skada
from sklearn.linear_model import LogisticRegression

from transferkit import CORAL, JDA, KMM, TCA, ClassRegularisedOT, Domain, ExactOT, LinearMonge, SinkhornOT
from transferkit.core.errors import DataError
from transferkit.core.protocols import Array
from transferkit.data import named
from transferkit.ops.kernels.gaussian import squared_distances

RESULT = Path(__file__).parent / "results" / "speed_vs_skada.json"
COMPONENTS = 20
MATCH = {
    "TCA, rbf kernel": "gamma = 1 / d, 20 components, no row normalisation; skada's mu = 0.1 is our reg = 1 / (mu ||M||_F)."
    " skada takes `eigh` of a matrix that is not symmetric, so that its components are not the paper's; ours are.",
    "TCA, linear kernel": "the same with the linear kernel, our default.",
    "KMM": "rbf kernel, gamma = 1 / d, weights up to 1000, the same eps. skada: its default, at most 1000 Frank-Wolfe steps,"
    " which end short of the optimum; ours: to a relative duality gap of 1e-8.",
    "KMM, solved": "the same, with skada's other solver (scipy), which goes to the optimum.",
    "entropic OT": "raw squared distances, reg = median / 40, at most 1000 iterations, tolerance 1e-8 (ours L1, skada's L2)."
    " skada runs POT's log-domain solver.",
    "exact OT": "the same solver (POT's network simplex) on the same distances.",
    "class-regularised OT": "Lp-L1 on raw squared distances, reg = median / 40, reg_class = median / 400, 10 problems of at"
    " most 200 iterations (skada's defaults).",
    "CORAL": "skada shrinks with 1e-3 towards the mean variance; we add the same amount to the diagonal. Both centre.",
    "linear Monge map": "1e-3 added to both diagonals.",
    "JDA": "skada has none: ours alone, rbf kernel, 20 components, 10 rounds.",
}


def simulated(n: int) -> tuple[Array, Array, Array, Array]:
    """Four Gaussian classes in 20 dimensions; the target is stretched, sheared and moved."""
    rng = np.random.default_rng(0)
    means = rng.normal(size=(4, 20))
    shear = np.eye(20) + 0.25 * rng.normal(size=(20, 20)) / np.sqrt(20)
    y, yt = rng.integers(4, size=n), rng.integers(4, size=n)
    X, Xt = means[y] + rng.normal(size=(n, 20)), means[yt] + rng.normal(size=(n, 20))
    return X, y, Xt @ shear * rng.uniform(0.6, 1.6, size=20) + 0.7, yt


def amazon(n: int) -> tuple[Array, Array, Array, Array]:
    """Books to dvds: `n` rows drawn from each."""
    domains = named.load("amazon-reviews-400", preprocess="paper", domains=["books", "dvd"])
    rng = np.random.default_rng(0)
    books, dvd = (d.take(np.sort(rng.permutation(d.n_samples)[:n])) for d in domains.values())
    return books.X, books.y, dvd.X, dvd.y


def ours(X: Array, Xt: Array) -> dict[str, Any]:
    """Our methods, with settings that come from the data where skada's are absolute."""
    gamma, unit = 1 / X.shape[1], float(np.median(squared_distances(X, Xt)))
    norm_of_m = 1 / len(X) + 1 / len(Xt)
    inner = LogisticRegression(max_iter=1000)
    tca = {"n_components": COMPONENTS, "reg": 1 / (0.1 * norm_of_m), "normalize": False, "estimator": inner}
    kmm = KMM(gamma=gamma, max_weight=1000.0, estimator=inner)
    return {
        "TCA, rbf kernel": TCA(kernel="rbf", gamma=gamma, **tca),
        "TCA, linear kernel": TCA(kernel="linear", **tca),
        "KMM": kmm,
        "KMM, solved": kmm,
        "entropic OT": SinkhornOT(reg=unit / 40, norm=None, max_iter=1000, tol=1e-8, estimator=inner),
        "exact OT": ExactOT(estimator=inner),
        "class-regularised OT": ClassRegularisedOT(
            reg=unit / 40, reg_class=unit / 400, norm=None, max_iter=10, max_inner_iter=200, tol=1e-8, estimator=inner
        ),
        "CORAL": CORAL(reg=1e-3 * float(X.var(axis=0).mean()), centre=True, estimator=inner),
        "linear Monge map": LinearMonge(reg=1e-3, estimator=inner),
        "JDA": JDA(COMPONENTS, kernel="rbf", gamma=gamma, normalize=False, estimator=inner),
    }


def theirs(X: Array, Xt: Array) -> dict[str, Any]:
    """skada's methods with the same settings."""
    unit = float(np.median(squared_distances(X, Xt)))
    inner = LogisticRegression(max_iter=1000)
    weighted = LogisticRegression(max_iter=1000).set_fit_request(sample_weight=True)
    return {
        "TCA, rbf kernel": skada.TransferComponentAnalysis(inner, n_components=COMPONENTS, mu=0.1),
        "TCA, linear kernel": skada.TransferComponentAnalysis(inner, "linear", n_components=COMPONENTS, mu=0.1),
        "KMM": skada.KMMReweight(weighted, B=1000.0),
        "KMM, solved": skada.KMMReweight(weighted, B=1000.0, solver="scipy"),
        "entropic OT": skada.EntropicOTMapping(inner, reg_e=unit / 40, max_iter=1000, tol=1e-8),
        "exact OT": skada.OTMapping(inner, max_iter=1_000_000),
        "class-regularised OT": skada.ClassRegularizerOTMapping(inner, reg_e=unit / 40, reg_cl=unit / 400),
        "CORAL": skada.CORAL(inner, reg=1e-3),
        "linear Monge map": skada.LinearOTMapping(inner, reg=1e-3),
    }


def _fit_ours(model: Any, X: Array, y: Array, Xt: Array) -> Any:
    return model.fit(X, y, target=Domain(Xt))


def _fit_theirs(model: Any, X: Array, y: Array, Xt: Array) -> Any:
    domain = np.concatenate([np.ones(len(X), dtype=int), np.full(len(Xt), -2)])
    return model.fit(np.vstack([X, Xt]), np.concatenate([y, np.full(len(Xt), -1)]), sample_domain=domain)


def _timed(fit: Callable[..., Any], model: Any, data: tuple[Array, ...]) -> dict[str, Any]:
    X, y, Xt, yt = data
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = time.perf_counter()
        fitted = fit(model, X, y, Xt)
        seconds = time.perf_counter() - start
    said = sorted({str(w.message).splitlines()[0] for w in caught if issubclass(w.category, UserWarning)})
    return {"seconds": seconds, "accuracy": float(np.mean(fitted.predict(Xt) == yt)), "warnings": said}


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "seconds": round(median(r["seconds"] for r in runs), 4),
        "seconds_each": [round(r["seconds"], 4) for r in runs],
        "accuracy": round(runs[0]["accuracy"], 4),
        "warnings": runs[0]["warnings"],
    }


def compare(data: tuple[Array, ...], repeats: int, only: list[str]) -> list[dict[str, Any]]:
    """One row a method: medians of both sides, who goes first changing from repeat to repeat."""
    X, y, Xt, yt = data
    left, right = ours(X, Xt), theirs(X, Xt)
    source_only = LogisticRegression(max_iter=1000).fit(X, y).score(Xt, yt)
    rows = [{"method": "source-only", "transferkit": {"accuracy": round(float(source_only), 4)}}]
    for method in only:
        runs: dict[str, list[dict[str, Any]]] = {"transferkit": [], "skada": []}
        for repeat in range(repeats):
            sides = [("transferkit", _fit_ours, left), ("skada", _fit_theirs, right)]
            for side, fit, models in sides[:: -1 if repeat % 2 else 1]:
                if method in models:
                    runs[side].append(_timed(fit, models[method], data))
        row: dict[str, Any] = {"method": method, "match": MATCH[method]}
        row |= {side: _summary(r) for side, r in runs.items() if r}
        if "skada" in row:
            row["ratio"] = round(row["skada"]["seconds"] / row["transferkit"]["seconds"], 1)
        rows.append(row)
        _show(row)
    return rows


def _show(row: Mapping[str, Any]) -> None:
    parts = [
        f"{side} {row[side]['seconds']:8.3f} s, {row[side]['accuracy']:.3f}"
        for side in ("transferkit", "skada")
        if side in row
    ]
    print(f"{row['method']:22}", *parts, f"{row['ratio']:.1f}x" if "ratio" in row else "", sep="  ", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=list(MATCH), choices=list(MATCH))
    parser.add_argument("--sizes", nargs="+", type=int, default=[500, 1000])
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    sets: dict[str, tuple[Array, ...]] = {f"simulated, {n} + {n} rows, 20 features": simulated(n) for n in args.sizes}
    try:
        sets["amazon-reviews-400, books to dvd, 500 + 500 rows"] = amazon(500)
    except DataError as err:
        print(f"without amazon-reviews-400: {err}")
    compare(simulated(40), 1, args.only)  # imports and first calls are not timed
    tables = {}
    for name, data in sets.items():
        print(name)
        tables[name] = compare(data, args.repeats, args.only)
    result = {
        "command": f"OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', '')} python benchmarks/{Path(sys.argv[0]).name}"
        f" {' '.join(sys.argv[1:])}".strip(),
        "machine": {"cpu_count": os.cpu_count(), "system": platform.system()},
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("transferkit", "skada", "numpy", "scipy", "scikit-learn", "POT")},
        "repeats": args.repeats,
        "tables": tables,
    }
    args.out.parent.mkdir(exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(args.out)


if __name__ == "__main__":
    main()
