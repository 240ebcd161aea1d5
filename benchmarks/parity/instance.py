"""Weights and class shares beside skada 0.6's, on the same rows with the same settings; to results/parity_instance.json.

python -m venv .venv-bench && .venv-bench/bin/pip install -c constraints.txt -e . -r benchmarks/requirements.txt
OMP_NUM_THREADS=1 .venv-bench/bin/python benchmarks/parity/instance.py

Weights are scaled to mean 1. ``apart`` is their largest difference over the largest weight, ``correlation`` theirs with each
other, ``truth`` each one's with the true ratio. Where both solve a program, its value is given for both, at weights that
fulfil the same constraints: higher likelihood (KLIEP) and lower discrepancy (KMM) are better.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import multivariate_normal
from skada._reweight import (
    DensityReweightAdapter,
    GaussianReweightAdapter,
    KLIEPReweightAdapter,
    KMMReweightAdapter,
    MMDTarSReweightAdapter,
    NearestNeighborReweightAdapter,
)

from transferkit import KLIEP, KMM, Domain, GaussianRatio, KDERatio, MMDTargetShift, NearestNeighbourRatio
from transferkit.ops.kernels.gaussian import median_gamma, rbf

NOTES = {
    "kde_ratio": "the same until skada's many dimensions: sklearn's KernelDensity, which it sums with, is off by 0.3 in the"
    " logarithm of some rows' density at d=50 and by 500 at d=800, against the sum written out",
    "gaussian_ratio, Ledoit-Wolf": "we shrink columns that have been divided by their spread; at d=800 both of skada's densities"
    " are 0",
    "nearest_neighbour_ratio": "skada takes X[~source_index] for the target, with row numbers in the place of a mask: that is"
    " the last n_source rows, so source rows too where there are more of them. Given those rows ours is the same",
    "kliep": "skada's gradient steps stop before the optimum",
    "kmm": "the program is all but flat: both are feasible, and our objective is lower",
    "mmd_target_shift": "skada lets the sum of the weights be off by max_weight / (4 sqrt(n))",
}
RESULTS = Path(__file__).parents[1] / "results" / "parity_instance.json"
MOVE = 0.8


def problem(d: int, n: int = 200, m: int = 150) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Source rows, target rows and the true ratio at the source rows: two Gaussians, the target moved and narrower."""
    rng = np.random.default_rng(d)
    mean = np.full(d, MOVE / np.sqrt(d))
    Xs, Xt = rng.normal(size=(n, d)), mean + 0.7 * rng.normal(size=(m, d))
    log_ratio = multivariate_normal(mean, 0.49 * np.eye(d)).logpdf(Xs) - multivariate_normal(np.zeros(d)).logpdf(Xs)
    return Xs, Xt, np.exp(log_ratio - log_ratio.max())


def theirs(adapter: Any, Xs: np.ndarray, Xt: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
    """skada's weights of the source rows, as they come."""
    X, domain = np.vstack([Xs, Xt]), np.repeat([1, -2], [len(Xs), len(Xt)])
    # Its masked labels: target rows have -1.
    labels = None if y is None else np.concatenate([y, np.full(len(Xt), -1)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapter.fit(X, labels, sample_domain=domain)
        return np.asarray(adapter.compute_weights(X, labels, sample_domain=domain))[: len(Xs)]


def ours(method: Any, Xs: np.ndarray, Xt: np.ndarray) -> np.ndarray:
    """Our weights of the source rows."""
    return np.asarray(method.fit(Xs, np.arange(len(Xs)) % 2, target=Domain(Xt)).sample_weight_)


def compare(a: np.ndarray, b: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Our weights a beside skada's b."""
    finite = bool(np.isfinite(b).all() and b.sum() > 0)
    if not finite:
        return {"skada": "not finite", "truth": [round(float(np.corrcoef(a, truth)[0, 1]), 3), None]}
    a, b = a / a.mean(), b / b.mean()
    return {
        "apart": float(f"{np.abs(a - b).max() / b.max():.2g}"),
        "correlation": round(float(np.corrcoef(a, b)[0, 1]), 4),
        "truth": [round(float(np.corrcoef(w, truth)[0, 1]), 3) for w in (a, b)],
    }


def kliep(Xs: np.ndarray, Xt: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """The mean log ratio of the target, under ``mean w(source) = 1``, with all target rows as centres."""
    gamma = median_gamma(np.vstack([Xs, Xt]))
    model = KLIEP(gamma=gamma, n_centres=len(Xt), tol=1e-5, max_iter=10_000, random_state=0)
    a = ours(model, Xs, Xt)
    adapter = KLIEPReweightAdapter(gamma=gamma, n_centers=len(Xt), random_state=0)
    b = theirs(adapter, Xs, Xt)
    ratio = rbf(Xt, adapter.centers_, gamma) @ adapter.alpha_ / b.mean()
    return compare(a, b, truth) | {"likelihood": [float(model.objective_[-1]), float(np.log(ratio).mean())]}


def kmm(Xs: np.ndarray, Xt: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """The objective ``1/2 b'Kb - kappa'b``, and by how much a constraint is broken."""
    gamma, n = median_gamma(np.vstack([Xs, Xt])), len(Xs)
    model = KMM(gamma=gamma)
    a = ours(model, Xs, Xt)
    b = theirs(KMMReweightAdapter(gamma=gamma), Xs, Xt)
    K, kappa = rbf(Xs, Xs, gamma), rbf(Xs, Xt, gamma).mean(axis=1) * n
    eps = (np.sqrt(n) - 1) / np.sqrt(n)

    def broken(w: np.ndarray) -> float:
        return float(max(-w.min(), w.max() - 1000, w.sum() - n * (1 + eps), n * (1 - eps) - w.sum(), 0))

    values = [float(w @ K @ w / 2 - kappa @ w) for w in (model.beta_, b)]
    return compare(a, b, truth) | {"objective": values, "broken": [broken(model.beta_), broken(b)]}


def target_shift(move: float) -> dict[str, Any]:
    """Class shares that both find where only they moved, from 50:30:20 to 20:30:50; the labels' kernel is skada's own."""
    rng = np.random.default_rng(0)
    y, yt = rng.choice(3, 200, p=[0.5, 0.3, 0.2]), rng.choice(3, 150, p=[0.2, 0.3, 0.5])
    Xs, Xt = (rng.normal(size=(len(v), 3)) + move * np.eye(3)[v] for v in (y, yt))
    gamma = median_gamma(np.vstack([Xs, Xt]))
    model = MMDTargetShift(gamma=gamma).fit(Xs, y, target=Domain(Xt))
    weights = theirs(MMDTarSReweightAdapter(gamma=gamma), Xs, Xt, y)
    shares = np.bincount(y, weights=weights, minlength=3)
    return {
        "true": [round(float(s), 3) for s in np.bincount(yt) / len(yt)],
        "ours": [round(float(s), 3) for s in model.target_prior_],
        "skada": [round(float(s), 3) for s in shares / shares.sum()],
        "skada_sum": round(float(shares.sum() / len(y)), 3),
    }


def table() -> dict[str, Any]:
    """All comparisons, by method and number of features."""
    plain: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "kde_ratio": (lambda: KDERatio(1.0, standardize=False, clip=None), DensityReweightAdapter),
        "gaussian_ratio": (lambda: GaussianRatio(reg=0.0, clip=None), lambda: GaussianReweightAdapter(reg=None)),
        "gaussian_ratio, Ledoit-Wolf": (lambda: GaussianRatio(clip=None), lambda: GaussianReweightAdapter(reg="auto")),
        "nearest_neighbour_ratio": (
            NearestNeighbourRatio, lambda: NearestNeighborReweightAdapter(laplace_smoothing=True),
        ),
    }  # fmt: skip
    found: dict[str, Any] = {name: {} for name in plain}
    for d in (1, 5, 50, 800):
        Xs, Xt, truth = problem(d)
        for name, (make, adapter) in plain.items():
            if name == "gaussian_ratio" and d > 50:  # no inverse without shrinkage
                continue
            found[name][f"d={d}"] = compare(ours(make(), Xs, Xt), theirs(adapter(), Xs, Xt), truth)
        picked = np.vstack([Xs, Xt])[~np.arange(len(Xs))]
        found.setdefault("nearest_neighbour_ratio, skada's rows", {})[f"d={d}"] = compare(
            ours(NearestNeighbourRatio(), Xs, picked), theirs(plain["nearest_neighbour_ratio"][1](), Xs, Xt), truth
        )
        if d <= 50:
            found.setdefault("kliep", {})[f"d={d}"] = kliep(Xs, Xt, truth)
            found.setdefault("kmm", {})[f"d={d}"] = kmm(Xs, Xt, truth)
    found["mmd_target_shift"] = {f"distance {move:g}": target_shift(move) for move in (1.5, 3.0)}
    return found


def main() -> None:
    """Write the table."""
    result = {"versions": {name: version(name) for name in ("skada", "numpy", "scikit-learn")}, "methods": table()}
    result["notes"] = NOTES
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
