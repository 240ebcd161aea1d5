"""Source weights beside ADAPT 0.4.5's, on the same rows with the same settings; to results/parity_instance_adapt.json.

It needs an environment of its own, since ADAPT brings TensorFlow:
python -m venv .venv-bench && .venv-bench/bin/pip install -c constraints.txt -e . -r benchmarks/requirements.txt
OMP_NUM_THREADS=1 .venv-bench/bin/python benchmarks/parity/instance_adapt.py

Weights are scaled to mean 1. ``apart`` is their largest difference over the peer's largest number, on three problems. Pairs
are ours and ADAPT's, means over the problems: the likelihood (higher is better) and the objective (lower is better) of
weights that fulfil the same constraints.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from adapt import instance_based as adapt
from beside import KNOWN, Array, Problem, apart, tables, write
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import SVC

import transferkit as tk
from transferkit import Domain
from transferkit.ops.kernels.gaussian import median_gamma, rbf

NOTES = {
    "kliep": "one programme, which each side ends by its own rule: the likelihoods differ by less than 1e-6",
    "kmm": "the programme is all but flat: both are feasible, with the same objective",
    "tradaboost": "a target row that is all wrong gains (2 - e) / e in ADAPT and (1 - e) / e in the papers and ours, e being the"
    " error of the first round, which is the same",
    "tradaboost, probabilities": "where there are probabilities ADAPT takes their error, too, in the place of the classes'",
}
LOGISTIC = LogisticRegression(tol=1e-10, max_iter=10_000)


def mean_one(weights: Array) -> Array:
    return np.ravel(weights) / np.mean(weights)


def ours(model: Any, p: Problem) -> Array:
    """Our weights of the source rows."""
    return np.asarray(model.fit(p.X, p.y, target=Domain(p.Xt)).sample_weight_)


def theirs(name: str, p: Problem, **params: Any) -> tuple[Any, Array]:
    """ADAPT's method, and its weights of the source rows as they come."""
    model = getattr(adapt, name)(verbose=0, random_state=0, **params)
    return model, np.ravel(model.fit_weights(p.X, p.Xt))


def width(p: Problem) -> float:
    return median_gamma(np.vstack([p.X, p.Xt]))


def least_squares(p: Problem, relative: bool) -> dict[str, Any]:
    """With all target rows for centres."""
    gamma, m = width(p), len(p.Xt)
    model = tk.RuLSIF(0.1, gamma, 0.1, m) if relative else tk.ULSIF(gamma, 0.1, m)
    _, b = theirs("RULSIF" if relative else "ULSIF", p, gamma=gamma, lambdas=0.1, max_centers=m)
    return {"apart": apart(ours(model, p), mean_one(b))}


def kliep(p: Problem) -> dict[str, Any]:
    gamma, m = width(p), len(p.Xt)
    model = tk.KLIEP(gamma, m, max_iter=20_000, tol=1e-6)
    a = ours(model, p)
    other, b = theirs("KLIEP", p, gamma=gamma, max_centers=m)
    ratio = rbf(p.Xt, other.centers_, gamma) @ np.ravel(other.alphas_) / b.mean()
    return {"apart": apart(a, mean_one(b)), "likelihood": [float(model.objective_[-1]), float(np.log(ratio).mean())]}


def kmm(p: Problem) -> dict[str, Any]:
    gamma, n = width(p), len(p.X)
    model = tk.KMM(gamma)
    a = ours(model, p)
    _, b = theirs("KMM", p, gamma=gamma)
    K, kappa = rbf(p.X, p.X, gamma), rbf(p.X, p.Xt, gamma).mean(axis=1) * n
    return {
        "apart": apart(a, mean_one(b)),
        "objective": [float(w @ K @ w / 2 - kappa @ w) for w in (model.beta_, b)],
    }


def nearest(p: Problem) -> dict[str, Any]:
    model = tk.NearestNeighbourRatio(smoothing=0.0, n_neighbors=3)
    return {"apart": apart(ours(model, p), mean_one(theirs("NearestNeighborsWeighting", p, n_neighbors=3)[1]))}


def classifier(p: Problem) -> dict[str, Any]:
    model = tk.DomainClassifierWeighting(LOGISTIC, cv=None, clip=None)
    return {"apart": apart(ours(model, p), mean_one(theirs("IWC", p, classifier=LOGISTIC)[1]))}


def balanced(p: Problem) -> dict[str, Any]:
    Xt, yt = p.Xt[:KNOWN], p.yt[:KNOWN]
    model = tk.BalancedWeighting(0.7, estimator=LOGISTIC).fit(p.X, p.y, target=Domain(Xt, yt))
    other = adapt.BalancedWeighting(LOGISTIC, Xt=Xt, yt=yt, gamma=0.7, verbose=0)
    weights = other.fit_weights(p.X, Xt, p.y, yt)[0]
    return {"apart": apart(np.concatenate([model.sample_weight_, model.target_weight_]), weights)}


def first_round(p: Problem, inner: Any) -> dict[str, Any]:
    """Of two: its error, and the factor by which a target row that is all wrong gains on one that is right."""
    numbers = isinstance(inner, Ridge)
    Xt, y, yt = p.Xt[:KNOWN], p.value, p.value_t[:KNOWN] ** 3
    if not numbers:
        y, yt = p.y > 0, (p.yt[:KNOWN] > 0) ^ (np.arange(KNOWN) % 5 == 0)
    name = "TrAdaBoostR2" if numbers else "TrAdaBoost"
    model = getattr(tk, name)(2, estimator=inner).fit(p.X, y, target=Domain(Xt, yt))
    other = getattr(adapt, name)(inner, Xt=Xt, yt=yt, n_estimators=2, verbose=0).fit(p.X, y)
    e, error = model.errors_[0], other.estimator_errors_[0]
    before, after = other.sample_weights_tgt_[:2]
    first = other.estimators_[0]
    if numbers:
        wrong, of_source = (np.abs(np.ravel(first.predict(X)) - v) for X, v in ((Xt, yt), (p.X, y)))
        wrong = wrong / max(wrong.max(), of_source.max())
    elif hasattr(first, "predict_proba"):
        wrong = 1 - first.predict_proba(Xt)[np.arange(KNOWN), yt.astype(int)]
    else:
        wrong = first.predict(Xt) != yt
    gain = np.exp(np.polyfit(wrong.astype(float), np.log(after / before), 1)[0])
    return {
        "error": apart(e, error),
        "gain": [(1 - e) / e, gain],
        "gain by (2 - e) / e": apart((2 - error) / error, gain),
    }


ROWS: dict[str, Callable[[Problem], dict[str, Any]]] = {
    "ulsif": partial(least_squares, relative=False),
    "rulsif": partial(least_squares, relative=True),
    "kliep": kliep,
    "kmm": kmm,
    "nearest_neighbour_ratio": nearest,
    "domain_classifier": classifier,
    "balanced_weighting": balanced,
    "tradaboost_r2": partial(first_round, inner=Ridge()),
    "tradaboost, classes": partial(first_round, inner=SVC(kernel="linear", tol=1e-10)),
    "tradaboost, probabilities": partial(first_round, inner=LOGISTIC),
}


if __name__ == "__main__":
    write("parity_instance_adapt.json", ("adapt", "scikit-learn", "numpy"), NOTES, tables(ROWS))
