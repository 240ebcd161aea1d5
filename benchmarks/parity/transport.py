"""Plans, maps and labels by optimal transport beside POT 0.9.7's and skada 0.6's; to results/parity_transport.json.

python -m venv .venv-bench && .venv-bench/bin/pip install -c constraints.txt -e . -r benchmarks/requirements.txt
OMP_NUM_THREADS=1 .venv-bench/bin/python benchmarks/parity/transport.py

``apart`` is the largest difference of two arrays over the peer's largest number, on three problems. Pairs are ours and the
peer's, means over the problems; where both minimise one programme, ``value`` is what is left of it: lower is better. Neither
side has the other's nearest Brenier potential and linear Gromov map (POT) or sliced map (ours). Class shares by kernel
means (skada's MMDTarSReweight) are in `instance.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from beside import KNOWN, Array, Problem, apart, on_skada, tables, write
from ot import da
from ot.bregman import jcpot_barycenter
from skada import _gradual_da, _mapping, _ot
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, kneighbors_graph

import transferkit as tk
from transferkit import Domain
from transferkit.ops.kernels.gaussian import median_gamma, rbf, squared_distances
from transferkit.ops.transport.class_penalties import class_plan
from transferkit.ops.transport.plans import barycentric

NOTES = {
    "ot_sinkhorn, continuous": "POT's default moves a new row by the plan's potentials; we, and POT's other form, as far as the"
    " nearest row of the fit moves",
    "ot_class_reg, L1-L2": "POT's line search sees the cost and the penalty but not the entropy, whose weight `gcg` passes to the"
    " inner problem alone: it ends elsewhere, and higher",
    "ot_laplace": "the same programme; POT's conditional gradient is slow near the minimum (a sixth as far apart after 2000 steps"
    " as after 300)",
    "ot_mapping": "the same programme; POT takes turns and stops where a turn changes little",
    "ot_mapping, rbf with constant": "POT penalises the constant here, though not in its linear form: each side is lower in its"
    " own",
    "jcpot, POT": "POT's class loses its max_iter to a misspelt argument and stops after 100. Its labels divide the plan's rows by"
    " their sums, so that the shares that were found have no say in them; divided by columns they are ours",
    "jcpot, skada": "skada takes POT's labels",
    "goat": "the same where the plan is one to one; else skada keeps the largest entry of each row and column, all of one weight",
}
REG, MANY = 0.1, 100_000
LOGISTIC = LogisticRegression(tol=1e-10, max_iter=10_000)


def fitted(model: Any, p: Problem, known: bool = False) -> Any:
    """Our method; with `known` it sees some target labels."""
    target = Domain(p.Xt, p.yt, known=np.arange(len(p.yt)) < KNOWN) if known else Domain(p.Xt)
    return model.fit(p.X, p.y, target=target)


def of_pot(name: str, p: Problem, known: bool = False, **params: Any) -> Any:
    """POT's method; a label that is not known is -1."""
    model = getattr(da, name)(**params)
    model.fit(Xs=p.X, ys=p.y, Xt=p.Xt, yt=np.where(np.arange(len(p.yt)) < KNOWN, p.yt, -1) if known else None)
    return model


def unit(p: Problem) -> float:
    """The median squared distance between the domains, in which weights are given."""
    return float(np.median(squared_distances(p.X, p.Xt)))


def rows(ours: Any, theirs: Any, p: Problem) -> dict[str, Any]:
    """Rows of the fit and new ones, moved."""
    (a, b), (c, d) = ((ours.transform(X, domain="source"), theirs.transform(Xs=X)) for X in (p.X, p.new))
    return {"apart": apart(a, b), "apart, new rows": apart(c, d)}


def exact(p: Problem, known: bool) -> dict[str, Any]:
    ours, theirs = fitted(tk.ExactOT(), p, known), of_pot("EMDTransport", p, known, max_iter=MANY)
    return {"plan": apart(ours.coupling_.toarray(), theirs.coupling_)} | rows(ours, theirs, p)


def exact_skada(p: Problem) -> dict[str, Any]:
    return {"apart": apart(fitted(tk.ExactOT(), p).images_, on_skada(_mapping.OTMappingAdapter(max_iter=MANY), p))}


def entropic(p: Problem, norm: str | None, new: str) -> dict[str, Any]:
    reg = REG if norm else REG * unit(p)
    ours = fitted(tk.SinkhornOT(reg, norm, tol=1e-10, max_iter=MANY), p)
    theirs = of_pot("SinkhornTransport", p, reg_e=reg, norm=norm, tol=1e-10, max_iter=MANY, out_of_sample_map=new)
    return rows(ours, theirs, p)


def entropic_skada(p: Problem) -> dict[str, Any]:
    adapter = _mapping.EntropicOTMappingAdapter(REG, norm="median", max_iter=MANY, tol=1e-10)
    return {"apart": apart(fitted(tk.SinkhornOT(REG, tol=1e-10, max_iter=MANY), p).images_, on_skada(adapter, p))}


def of_classes(p: Problem, penalty: str) -> dict[str, Any]:
    """At weights at which the penalty moves the plan; the value of the programme that both state."""
    C, members = squared_distances(p.X, p.Xt), p.y == np.unique(p.y)[:, None]
    reg, reg_class = 0.05 * unit(p), {"lp_l1": 0.01, "l1_l2": 0.2}[penalty] * unit(p)
    ends = {"max_inner_iter": MANY, "tol": 1e-10}
    ours = class_plan(C.copy(), members.astype(float), penalty, reg, reg_class, max_iter=60, **ends).plan
    name = {"lp_l1": "SinkhornLpl1Transport", "l1_l2": "SinkhornL1l2Transport"}[penalty]
    theirs = of_pot(name, p, reg_e=reg, reg_cl=reg_class, max_iter=60, **ends)

    def value(P: Array) -> float:
        parts = [P[of_class] for of_class in members]
        root = [np.sqrt(Q.sum(axis=0) + 1e-3) if penalty == "lp_l1" else np.linalg.norm(Q, axis=0) for Q in parts]
        return float((P * C).sum() + reg * (P * np.log(np.maximum(P, 1e-300))).sum() + reg_class * np.sum(root))

    return {
        "apart": apart(barycentric(ours, p.Xt), theirs.transform(Xs=p.X)),
        "value": [value(ours), value(theirs.coupling_)],
    }


def of_classes_skada(p: Problem) -> dict[str, Any]:
    reg, reg_class = 0.05 * unit(p), 0.01 * unit(p)
    ours = tk.ClassRegularisedOT(reg, reg_class, norm=None, max_iter=60, max_inner_iter=MANY, tol=1e-10)
    adapter = _mapping.ClassRegularizerOTMappingAdapter(reg, reg_class, max_iter=60, max_inner_iter=MANY, tol=1e-10)
    return {"apart": apart(fitted(ours, p).images_, on_skada(adapter, p))}


def laplace(p: Problem, penalty: str) -> dict[str, Any]:
    """POT's weights are of sums, ours of means; the value is POT's."""
    n, m, k, share, weight = len(p.X), len(p.Xt), 3, 0.5, 0.3
    ours = fitted(tk.LaplaceOT(weight, share, penalty, k, False, tol=1e-5, max_iter=5000), p)
    source, target = 2 * weight * share * n / k, 2 * weight * (1 - share) * m / k
    theirs = of_pot(
        "EMDLaplaceTransport", p, reg_type={"position": "pos", "displacement": "disp"}[penalty], reg_lap=source + target,
        reg_src=source / (source + target), similarity_param=k, max_iter=300, tol=1e-8, inner_tol=1e-12,
    )  # fmt: skip

    def value(P: Array) -> float:
        total = (P * squared_distances(p.X, p.Xt)).sum()
        for Z, X, size, w in ((P @ p.Xt, p.X, n, source), (P.T @ p.X, p.Xt, m, target)):
            A = kneighbors_graph(X, k).toarray()
            A = (A + A.T) / 2
            Z = Z - X / size if penalty == "displacement" else Z
            total += w * np.trace(Z.T @ (np.diag(A.sum(axis=1)) - A) @ Z)
        return float(total)

    plans = ours.coupling_.toarray(), np.asarray(theirs.coupling_)
    return {"apart": apart(ours.images_, theirs.transform(Xs=p.X)), "value": [value(P) for P in plans]}


def mapping(p: Problem, kernel: str, intercept: bool) -> dict[str, Any]:
    """POT's weights are of sums, ours of means; its maps of new rows are compared, and its own value of both."""
    n, weight, gamma = len(p.X), 1e-2, median_gamma(p.X)
    eta = n * weight * (p.X.var(axis=0).mean() if kernel == "linear" else 1)
    ours = tk.MappingOT(kernel, 1.0, weight, gamma if kernel == "rbf" else None, intercept, max_iter=5000, tol=1e-4)
    fitted(ours, p)
    params = {"kernel": "gaussian", "sigma": (2 * gamma) ** -0.5} if kernel == "rbf" else {}
    theirs = of_pot("MappingTransport", p, mu=1, eta=eta, bias=intercept, max_iter=30, tol=1e-7, max_inner_iter=10,
                    inner_tol=1e-6, **params)  # fmt: skip
    K = rbf(p.X, p.X, gamma) if kernel == "rbf" else p.X

    def value(P: Array, L: Array, b: Array) -> float:
        gap = ((K @ L + b - n * P @ p.Xt) ** 2).sum() + n * (P * squared_distances(p.X, p.Xt)).sum()
        return float(gap + eta * (np.trace(L.T @ K @ L) if kernel == "rbf" else ((L - np.eye(len(L))) ** 2).sum()))

    L = np.asarray(theirs.mapping_)
    L, b = (L[:-1], L[-1]) if intercept else (L, np.zeros(L.shape[1]))
    values = [value(ours.coupling_.toarray(), ours.coef_, ours.intercept_), value(theirs.coupling_, L, b)]
    found = {
        "apart, new rows": apart(ours.transform(p.new, domain="source"), theirs.transform(p.new)),
        "value": values,
    }
    if kernel == "rbf" and intercept:
        own = [v + eta * (c**2).sum() for v, c in zip(values, (ours.intercept_, b))]
        found["value with the constant penalised"] = own
    return found


def unbalanced(p: Problem) -> dict[str, Any]:
    ours = tk.UnbalancedOT(REG, reg_marginal=0.5, weigh=False, tol=1e-12, max_iter=MANY)
    theirs = of_pot("UnbalancedSinkhornTransport", p, reg_e=REG, reg_m=0.5, norm="median", tol=1e-14, max_iter=MANY)
    found = rows(fitted(ours, p), theirs, p)
    masses = theirs.coupling_.sum(axis=1) * len(p.X), theirs.coupling_.sum(axis=0) * len(p.Xt)
    return found | {"mass": max(apart(a, b) for a, b in zip((ours.mass_source_, ours.mass_target_), masses))}


def shares(p: Problem, peer: str) -> dict[str, Any]:
    """Two sources with classes in other shares than the target's, which are equal: the shares found, the labels that arrive."""
    groups = np.repeat([0, 1], [len(p.X) // 2, len(p.X) - len(p.X) // 2])
    kept = (np.arange(len(p.X)) % 4 > 0) | (p.y != groups)
    X, y, groups, reg = p.X[kept], p.y[kept], groups[kept], 0.1 * unit(p)
    ours = tk.JCPOT(reg, None, max_iter=MANY, tol=1e-12, estimator=LOGISTIC).fit(
        X, y, target=Domain(p.Xt), groups=groups
    )
    if peer == "POT":
        theirs = da.JCPOTTransport(reg, max_iter=MANY, tol=1e-12, log=True)
        sources, labels = [X[groups == g] for g in (0, 1)], [y[groups == g] for g in (0, 1)]
        theirs.fit(Xs=sources, ys=labels, Xt=p.Xt)
        arrived = sum(np.eye(3)[own].T @ P for own, P in zip(labels, theirs.coupling_))
        to_the_end = jcpot_barycenter(sources, labels, p.Xt, reg, numItermax=MANY, stopThr=1e-12)
        return {
            "shares": apart(ours.target_prior_, theirs.proportions_),
            "shares, with as many iterations as ours": apart(ours.target_prior_, to_the_end),
            "labels": apart(ours.labels_target_, theirs.transform_labels(labels)),
            "labels by columns": apart(ours.labels_target_, (arrived / arrived.sum(axis=0)).T),
        }
    adapter = _ot.JCPOTLabelPropAdapter(reg=reg, max_iter=MANY, tol=1e-12)
    domain = np.concatenate([groups + 1, np.full(len(p.Xt), -9)])
    _, said, _ = adapter.fit_transform(np.vstack([X, p.Xt]), np.concatenate([y, np.full(len(p.Xt), -1)]), domain)
    own = ours.labels_target_.argmax(axis=1)
    return {"other class": float((own != said[len(X) :]).mean())}


def joint(p: Problem, task: str, rounds: int) -> dict[str, Any]:
    """Distances over their mean weigh as much as the loss; of classes the probabilities."""
    C = squared_distances(p.X, p.Xt)
    numbers = task == "numbers"
    inner, y = (Ridge(), p.value) if numbers else (LOGISTIC, p.y)
    ours = tk.JDOT(float(C.max() / C.mean()), n_rounds=rounds, tol=0.0, estimator=inner).fit(
        p.X, y, target=Domain(p.Xt)
    )
    theirs = (_ot.JDOTRegressor if numbers else _ot.JDOTClassifier)(inner, alpha=0.5, n_iter_max=rounds, tol=0.0)
    hidden = np.full(len(p.Xt), np.nan if numbers else -1)
    X, domain = np.vstack([p.X, p.Xt]), np.repeat([1, -2], [len(p.X), len(p.Xt)])
    theirs.fit(X, np.concatenate([y, hidden]), sample_domain=domain)
    method = "predict" if numbers else "predict_proba"
    return {
        "apart": apart(getattr(ours, method)(p.new_t), getattr(theirs, method)(p.new_t)),
        "rounds": [ours.n_iter_, len(theirs.lst_loss_ot_)],
    }


def propagation(p: Problem, task: str, reg: float) -> dict[str, Any]:
    """The labels that target rows get: those that the nearest row has."""
    numbers = task == "numbers"
    weight = reg * unit(p)
    adapter = _ot.OTLabelPropAdapter(reg=weight, n_iter_max=MANY)
    y = p.value if numbers else p.y
    hidden = np.full(len(p.Xt), np.nan if numbers else -1)
    domain = np.repeat([1, -2], [len(p.X), len(p.Xt)])
    _, said, _ = adapter.fit_transform(np.vstack([p.X, p.Xt]), np.concatenate([y, hidden]), domain)
    inner = Ridge(1e-12) if numbers else KNeighborsClassifier(1)
    ours = tk.OTLabelPropagation(weight, hard=True, norm=None, max_iter=MANY, estimator=inner)
    ours.fit(p.X, y, target=Domain(p.Xt))
    own, theirs = ours.predict(p.Xt), said[len(p.X) :]
    if numbers:
        return {"apart": apart(own, Ridge(1e-12).fit(p.Xt, theirs).predict(p.Xt))}
    return {"other class": float((own != theirs).mean())}


def gradual(p: Problem) -> dict[str, Any]:
    """As many rows on both sides, so that the plan has one entry a row, which is all that skada keeps of it."""
    n = len(p.Xt)
    X, y = p.X[:n], p.y[:n]
    ours = tk.GOAT(5, drop=0.0, estimator=LOGISTIC).fit(X, y, target=Domain(p.Xt))
    plan = da.EMDTransport(max_iter=MANY)
    theirs = _gradual_da.GradualEstimator(
        n_steps=5, ot_method=plan, base_estimator=clone(LOGISTIC), advanced_ot_plan_sampling=True
    )
    domain = np.repeat([1, -2], n)
    theirs.fit(np.vstack([X, p.Xt]), np.concatenate([y, np.full(n, -1)]), sample_domain=domain)
    return {"apart": apart(ours.predict_proba(p.new_t), theirs.predict_proba(p.new_t))}


ROWS: dict[str, Callable[[Problem], dict[str, Any]]] = {
    "ot_exact, POT": partial(exact, known=False),
    "ot_exact, known labels, POT": partial(exact, known=True),
    "ot_exact, skada": exact_skada,
    **{f"ot_sinkhorn, norm={norm}, POT": partial(entropic, norm=norm, new="ferradans") for norm in (None, "median", "max")},
    "ot_sinkhorn, continuous, POT": partial(entropic, norm="median", new="continuous"),
    "ot_sinkhorn, skada": entropic_skada,
    "ot_class_reg, Lp-L1, POT": partial(of_classes, penalty="lp_l1"),
    "ot_class_reg, Lp-L1, skada": of_classes_skada,
    "ot_class_reg, L1-L2, POT": partial(of_classes, penalty="l1_l2"),
    **{f"ot_laplace, {penalty}, POT": partial(laplace, penalty=penalty) for penalty in ("position", "displacement")},
    "ot_mapping, linear, POT": partial(mapping, kernel="linear", intercept=False),
    "ot_mapping, linear with constant, POT": partial(mapping, kernel="linear", intercept=True),
    "ot_mapping, rbf, POT": partial(mapping, kernel="rbf", intercept=False),
    "ot_mapping, rbf with constant, POT": partial(mapping, kernel="rbf", intercept=True),
    "ot_unbalanced, POT": unbalanced,
    "jcpot, POT": partial(shares, peer="POT"),
    "jcpot, skada": partial(shares, peer="skada"),
    **{f"jdot, {task}, {rounds} rounds, skada": partial(joint, task=task, rounds=rounds)
       for task in ("numbers", "classes") for rounds in (1, 2, 10)},
    "ot_label_propagation, classes, skada": partial(propagation, task="classes", reg=0.0),
    "ot_label_propagation, classes, entropic, skada": partial(propagation, task="classes", reg=0.1),
    "ot_label_propagation, numbers, skada": partial(propagation, task="numbers", reg=0.0),
    "goat, skada": gradual,
}  # fmt: skip


if __name__ == "__main__":
    write("parity_transport.json", ("POT", "skada", "scikit-learn", "numpy"), NOTES, tables(ROWS))
