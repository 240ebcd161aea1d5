"""Mapped and selected features beside skada 0.6's, ADAPT 0.4.5's and POT's; to results/parity_feature.json.

It needs an environment of its own, since ADAPT brings TensorFlow (torch is for two maps of skada's):
python -m venv .venv-bench && .venv-bench/bin/pip install -c constraints.txt -e . -r benchmarks/requirements.txt
OMP_NUM_THREADS=1 .venv-bench/bin/python benchmarks/parity/feature.py

``apart`` is the largest difference of two arrays over the peer's largest number, on three problems; columns whose sign is
arbitrary are turned alike. Pairs are ours and the peer's, means over the problems. No peer has GFK or JDA, and ours no
barycentre of several sources (skada's MultiLinearMonge); ADAPT's linear interpolation is in `parameter.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import torch
from adapt import feature_based as adapt
from beside import KNOWN, Array, Problem, apart, on_skada, signed, tables, write
from ot.da import LinearTransport
from scipy.linalg import eig, subspace_angles
from scipy.spatial.distance import cdist
from skada import _mapping, _subspace
from sklearn.linear_model import LogisticRegression, Ridge

import transferkit as tk
from transferkit import Domain
from transferkit.ops.kernels.gaussian import median_gamma, rbf

_COVARIANCE = "the peer divides covariances by n, we by n - 1; with that factor taken out the rows are the same"
NOTES = {
    "coral, skada": f"{_COVARIANCE}. skada moves both domains to 0, ours the source onto the target's mean, which is taken out",
    "linear_monge, skada": _COVARIANCE,
    "tca": "both peers take `eigh` of a matrix that is not symmetric, which reads its lower half: the vectors are not the"
    " paper's, and with the linear kernel have 3 % less variance for the discrepancy. Ours are the eigenvectors that"
    " `eig` finds of the peer's matrix",
    "tjm, one round": "skada factors K H K + 1e-10, all but singular, and loses digits; with K M K + reg factored instead its"
    " problem has our solution to 1e-12",
    "tjm, ten rounds": "skada stops after its first round: its rule divides a change by the last loss, which begins below 0",
    "tsl, pca": "skada's gradient steps end at a tolerance",
    "tsl, flda": "what skada minimises over the total scatter is that of the classes' means, not that within classes: it finds"
    " the subspace in which classes do not differ (ratio: within over total)",
    "tsl, lpp": "skada's sign is the other way: it sends neighbours of a class apart (ratio: between neighbours over total)."
    " Its divergence, left out here, has distances in the place of their squares",
    "ls_cons, skada": "skada's kernel has the distance in the place of its square; with the square put in, both end at one point"
    " to their tolerance",
    "fmmd, linear": "ours is closed, ADAPT's an interior point method with a tolerance",
    "fmmd, rbf": "ADAPT's |w x|^2 + |y|^2 - 2 x' w y between rows is no distance; its weights show less of the discrepancy",
    "pred, classes": "ADAPT appends the number of the class that the source's model predicts, we its probabilities",
}
K, MU = 3, 0.1
LOGISTIC = LogisticRegression(tol=1e-10, max_iter=10_000)


def moved(model: Any, p: Problem) -> Array:
    """Our source rows after the map."""
    return model.fit(p.X, p.y, target=Domain(p.Xt)).transform(p.X, domain="source")


def of_adapt(name: str, p: Problem, **params: Any) -> tuple[Any, Array]:
    """A map of ADAPT, and its source rows."""
    model = getattr(adapt, name)(verbose=0, random_state=0, **params)
    return model, np.asarray(model.fit_transform(p.X, p.Xt))


def coral_adapt(p: Problem) -> dict[str, Any]:
    return {"apart": apart(moved(tk.CORAL(reg=0.1), p), of_adapt("CORAL", p, lambda_=0.1)[1])}


def coral_skada(p: Problem, scale: bool) -> dict[str, Any]:
    model = tk.CORAL(reg=0.0, centre=True)
    ours = moved(model, p) - model.mean_target_
    return {"apart": apart(ours * (p.biased if scale else 1), on_skada(_mapping.CORALAdapter(reg=None), p))}


def monge(p: Problem, peer: str, scale: bool) -> dict[str, Any]:
    model = tk.LinearMonge(reg=1e-12)
    ours = moved(model, p)
    if scale:
        ours = model.mean_target_ + (ours - model.mean_target_) * p.biased
    if peer == "skada":
        return {"apart": apart(ours, on_skada(_mapping.LinearOTMappingAdapter(reg=1e-12), p))}
    theirs = LinearTransport(reg=1e-12)
    theirs.fit(Xs=p.X, Xt=p.Xt)
    return {"apart": apart(ours, theirs.transform(Xs=p.X))}


def monge_of_one_source(p: Problem) -> dict[str, Any]:
    """The barycentre of one source is the source, so that the target's rows are moved onto it."""
    ours = tk.LinearMonge(reg=0.0).fit(p.Xt, p.yt, target=Domain(p.X))
    adapter = _mapping.MultiLinearMongeAlignmentAdapter(reg=1e-12)
    X, domain = np.vstack([p.X, p.Xt]), np.repeat([1, -2], [len(p.X), len(p.Xt)])
    theirs = adapter.fit_transform(X, sample_domain=domain)[len(p.X) :]
    centred = ours.transform(p.Xt, domain="source") - ours.mean_target_
    return {"apart": apart(centred / p.biased + ours.mean_target_, theirs)}


def alignment(p: Problem, peer: str) -> dict[str, Any]:
    model = tk.SubspaceAlignment(K)
    ours = np.vstack([moved(model, p), model.transform(p.new_t)])
    if peer == "skada":
        adapter = _subspace.SubspaceAlignmentAdapter(n_components=K, random_state=0)
        rows = on_skada(adapter, p)
        theirs = np.vstack([rows, adapter.transform(p.new_t, sample_domain=np.full(len(p.new_t), -2))])
    else:
        other, rows = of_adapt("SA", p, n_components=K)
        theirs = np.vstack([rows, other.transform(p.new_t)])
    return {"apart": apart(signed(ours, theirs), theirs)}


def tca(p: Problem, peer: str, kernel: str) -> dict[str, Any]:
    """Components, ours beside the eigenvectors of the peer's own matrix, and their ratios of variance to discrepancy."""
    n, m = len(p.X), len(p.Xt)
    gamma = 1 / p.X.shape[1]
    reg = 1 / (MU * (1 / n + 1 / m))  # ours divides the discrepancy by its norm
    ours = moved(tk.TCA(K, reg, kernel, gamma if kernel == "rbf" else None, normalize=False), p)
    if peer == "skada":
        adapter = _subspace.TransferComponentAnalysisAdapter(kernel, K, MU)
        theirs = on_skada(adapter, p)
        vectors = adapter.eigvects_
    else:
        params = {"gamma": gamma} if kernel == "rbf" else {}
        model, theirs = of_adapt("TCA", p, n_components=K, mu=MU, kernel=kernel, **params)
        vectors = model.vectors_
    X = np.vstack([p.X, p.Xt])
    G = rbf(X, X, gamma) if kernel == "rbf" else X @ X.T
    e = np.concatenate([np.full(n, 1 / n), np.full(m, -1 / m)])
    H = np.eye(n + m) - 1 / (n + m)
    A, B = np.eye(n + m) + MU * np.outer(G @ e, G @ e), G @ H @ G

    def ratio(V: Array) -> float:
        return float(np.trace(np.linalg.solve(V.T @ A @ V, V.T @ B @ V)))

    values, right = eig(np.linalg.solve(A, B))
    true = np.real(right[:, np.argsort(-values.real)[:K]])
    exact = (G @ true)[:n]
    return {
        "apart": apart(signed(ours, theirs), theirs),
        "ratio": [ratio(true), ratio(vectors)],
        "apart from eig": apart(signed(ours, exact), exact),
    }


def tjm(p: Problem, rounds: int) -> dict[str, Any]:
    """Columns of length 1: skada scales them to variance 1, ours the coefficients to length 1."""
    ours = moved(tk.TJM(K, 0.01, "rbf", 1 / p.X.shape[1], False, rounds), p)
    theirs = on_skada(_subspace.TransferJointMatchingAdapter(K, tradeoff=0.01, max_iter=100), p)
    a, b = (Z / np.linalg.norm(Z, axis=0) for Z in (ours, theirs))
    return {"apart": apart(signed(a, b), b)}


def subspace(p: Problem, method: str) -> dict[str, Any]:
    """Without the divergence, in which nothing is left to chance; the angle between the spans is in radians."""
    k = 2
    model = tk.TransferSubspaceLearning(k, method, reg=0.0, shrinkage=0.0, random_state=0)
    ours = model.fit(p.X, p.y, target=Domain(p.Xt)).components_
    adapter = _subspace.TransferSubspaceLearningAdapter(k, method, mu=0.0, reg=0.0, max_iter=60, tol=1e-6)
    on_skada(adapter, p)
    theirs = np.asarray(adapter.W_)
    found = {"apart": float(subspace_angles(ours, theirs).max())}
    if method == "pca":
        return found
    C = np.cov(p.X.T, bias=True)
    if method == "flda":
        means = np.array([p.X[p.y == c].mean(axis=0) for c in range(3)])[p.y]
        inner = (p.X - means).T @ (p.X - means) / len(p.X)
    else:
        E = np.exp(-cdist(p.X, p.X) / 2) * (p.y[:, None] == p.y)
        inner = p.X.T @ (np.diag(E.sum(axis=1)) - E) @ p.X / len(p.X)
    return found | {"ratio": [float(np.trace(W.T @ inner @ W) / np.trace(W.T @ C @ W)) for W in (ours, theirs)]}


def location_scale(p: Problem, squared: bool) -> dict[str, Any]:
    """From the identity, in the unit of ours, in which the penalties are the same; what is left in either side's kernel."""
    origin, unit, reg = p.Xt.mean(axis=0), p.Xt.std(axis=0).mean(), 0.01
    p = replace(p, X=(p.X - origin) / unit, Xt=(p.Xt - origin) / unit)
    gamma = median_gamma(p.Xt)
    ours = moved(tk.LSConS(gamma, reg, "identity", n_components=None, max_iter=1000), p)
    with patch("torch.cdist", _squared if squared else torch.cdist):
        adapter = _mapping.MMDLSConSMappingAdapter(gamma, reg_m=reg / (2 * p.X.shape[1]), tol=1e-6, max_iter=100)
        theirs = on_skada(adapter, p)

    def left(Z: Array, power: int) -> float:
        kernel = [np.exp(-gamma * cdist(a, b) ** power).mean() for a, b in ((Z, Z), (Z, p.Xt), (p.Xt, p.Xt))]
        return float(kernel[0] - 2 * kernel[1] + kernel[2])

    return {
        "apart": apart(ours, theirs),
        "Gaussian": [left(Z, 2) for Z in (ours, theirs)],
        "of distances": [left(Z, 1) for Z in (ours, theirs)],
    }


def _squared(a: Any, b: Any, p: int = 2) -> Any:
    return ((a[:, None] - b) ** 2).sum(dim=2)


def fmmd(p: Problem, kernel: str) -> dict[str, Any]:
    """Columns of spread 1, which ours gives them anyway; the weights, the columns kept, and the discrepancy that they show."""
    X = np.vstack([p.X, p.Xt])
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    Xs, Xt = np.split(X, [len(p.X)])
    d, gamma = X.shape[1], median_gamma(X)
    model = tk.FMMD(kernel, gamma if kernel == "rbf" else None, level=1.0, max_iter=2000)
    model.fit(Xs, p.y, target=Domain(Xt))
    width = gamma * np.sqrt(d)
    other = adapt.fMMD(kernel=kernel, gamma=width, verbose=0)
    other.fit_transform(Xs, Xt)

    def shown(w: Array) -> float:
        a, b = Xs * np.sqrt(np.maximum(w, 0)), Xt * np.sqrt(np.maximum(w, 0))
        if kernel == "linear":
            return float(w @ (Xs.mean(axis=0) - Xt.mean(axis=0)) ** 2)
        return float(rbf(a, a, width).mean() - 2 * rbf(a, b, width).mean() + rbf(b, b, width).mean())

    weights = model.weights_, other.features_scores_
    return {
        "apart": apart(*weights),
        "columns kept otherwise": int((model.support_ != other.selected_features_).sum()),
        "discrepancy": [shown(w) for w in weights],
    }


def few_labels(p: Problem, name: str, task: str) -> dict[str, Any]:
    """Predictions for new target rows: numbers, or probabilities and the share of rows that get another class."""
    numbers = task == "numbers"
    inner = Ridge() if numbers else LOGISTIC
    y, yt = (p.value, p.value_t) if numbers else (p.y, p.yt)
    Xt, yt = p.Xt[:KNOWN], yt[:KNOWN]
    ours = (tk.PRED if name == "PRED" else tk.FeatureAugmentation)(estimator=inner).fit(p.X, y, target=Domain(Xt, yt))
    theirs = getattr(adapt, name)(inner, Xt=Xt, yt=yt, verbose=0, random_state=0).fit(p.X, y)
    if numbers:
        return {"apart": apart(ours.predict(p.new_t), np.ravel(theirs.predict(p.new_t)))}
    a, b = ours.predict_proba(p.new_t), theirs.estimator_.predict_proba(theirs.transform(p.new_t))
    return {"apart": apart(a, b), "other class": float((a.argmax(axis=1) != b.argmax(axis=1)).mean())}


ROWS: dict[str, Callable[[Problem], dict[str, Any]]] = {
    "coral, ADAPT": coral_adapt,
    "coral, skada": partial(coral_skada, scale=False),
    "coral, skada, its covariance": partial(coral_skada, scale=True),
    "linear_monge, skada": partial(monge, peer="skada", scale=False),
    "linear_monge, skada, its covariance": partial(monge, peer="skada", scale=True),
    "linear_monge, POT, its covariance": partial(monge, peer="POT", scale=True),
    "linear_monge, skada's MultiLinearMonge with one source, its covariance": monge_of_one_source,
    "subspace_alignment, skada": partial(alignment, peer="skada"),
    "subspace_alignment, ADAPT": partial(alignment, peer="ADAPT"),
    **{f"tca, {kernel}, {peer}": partial(tca, peer=peer, kernel=kernel)
       for kernel in ("rbf", "linear") for peer in ("skada", "ADAPT")},
    "tjm, one round, skada": partial(tjm, rounds=1),
    "tjm, ten rounds, skada": partial(tjm, rounds=10),
    **{f"tsl, {method}, skada": partial(subspace, method=method) for method in ("pca", "flda", "lpp")},
    "ls_cons, skada": partial(location_scale, squared=False),
    "ls_cons, skada with squared distances": partial(location_scale, squared=True),
    **{f"fmmd, {kernel}, ADAPT": partial(fmmd, kernel=kernel) for kernel in ("linear", "rbf")},
    **{f"{ours}, {task}, ADAPT": partial(few_labels, name=name, task=task)
       for ours, name in (("pred", "PRED"), ("feature_augmentation", "FA")) for task in ("numbers", "classes")},
}  # fmt: skip


if __name__ == "__main__":
    write("parity_feature.json", ("skada", "adapt", "POT", "scikit-learn", "numpy"), NOTES, tables(ROWS))
