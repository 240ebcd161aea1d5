"""Methods that map or select features."""

from __future__ import annotations

import numpy as np
from sides import INNER, Case, adapt, ours, pot, skada
from sklearn.base import clone

import transferkit as tk
from transferkit.ops.kernels.gaussian import rbf
from transferkit.ops.solvers.linalg import symmetric_product

COMPONENTS = 20
PRODUCTS = 128  # two in each of the 64 steps that 1000 rows a side need


def _tca(kernel: str) -> Case:
    def mine(p):
        # Theirs weigh by mu; ours divides the discrepancy by its norm.
        reg = 1 / (0.1 * (1 / len(p.X) + 1 / len(p.Xt)))
        gamma = {"gamma": 1 / p.X.shape[1]} if kernel == "rbf" else {}
        return ours(tk.TCA(COMPONENTS, reg, kernel, **gamma, normalize=False, estimator=INNER), p)

    return Case(
        f"TCA, {kernel}", "moved", "gamma = 1 / d, 20 components, mu = 0.1. skada takes `eigh` of a matrix that is not"
        " symmetric, so that its components are not the paper's.", {
            "transferkit": mine,
            "skada": lambda p: skada("TransferComponentAnalysis", p, kernel=kernel, n_components=COMPONENTS, mu=0.1),
            "ADAPT": lambda p: adapt("TCA", p, kernel=kernel, n_components=COMPONENTS, mu=0.1,
                                     **({"gamma": 1 / p.X.shape[1]} if kernel == "rbf" else {})),
        },
        ("the kernel, the products with it of the Lanczos steps, and the inner fit", _products_and_fit)
        if kernel == "rbf" else None,
    )  # fmt: skip


def _products_and_fit(p):
    rows = np.vstack([p.X, p.Xt])
    product = symmetric_product(rbf(rows, rows, 1 / p.X.shape[1]))
    v = np.ones(len(rows))
    for _ in range(PRODUCTS):
        v = product(v / len(rows))
    clone(INNER).fit(p.X[:, :COMPONENTS], p.y)
    return lambda: p.yt


def _ridge(p) -> float:
    """What skada's shrinkage with 1e-3 adds to the diagonal."""
    return 1e-3 * float(p.X.var(axis=0).mean())


CASES = [
    Case("CORAL", "moved", "the same amount added to the diagonals; means stay.", {
        "transferkit": lambda p: ours(tk.CORAL(reg=_ridge(p), estimator=INNER), p),
        "ADAPT": lambda p: adapt("CORAL", p, lambda_=_ridge(p)),
    }),
    Case("CORAL, centred", "moved", "about the same amount added to the diagonals; the source's mean goes to the target's.", {
        "transferkit": lambda p: ours(tk.CORAL(reg=_ridge(p), centre=True, estimator=INNER), p),
        "skada": lambda p: skada("CORAL", p, reg=1e-3),
    }),
    Case("subspace alignment", "moved", "10 components.", {
        "transferkit": lambda p: ours(tk.SubspaceAlignment(10, estimator=INNER), p),
        "skada": lambda p: skada("SubspaceAlignment", p, n_components=10),
        "ADAPT": lambda p: adapt("SA", p, n_components=10),
    }),
    _tca("rbf"),
    _tca("linear"),
    Case("TJM", "moved", "rbf kernel, gamma = 1 / d, 20 components, penalty 0.01. Ours makes 10 rounds; skada stops"
         " after its first (its stopping rule divides by a negative number).", {
        "transferkit": lambda p: ours(tk.TJM(COMPONENTS, 0.01, "rbf", 1 / p.X.shape[1], False, 10, estimator=INNER), p),
        "skada": lambda p: skada("TransferJointMatching", p, n_components=COMPONENTS, tradeoff=0.01),
    }),
    Case("transfer subspace learning", "moved", "Fisher's subspace of 3 components; each by its own other defaults.", {
        "transferkit": lambda p: ours(tk.TransferSubspaceLearning(3, random_state=0, estimator=INNER), p),
        "skada": lambda p: skada("TransferSubspaceLearning", p, n_components=3),
    }),
    Case("linear Monge map", "moved", "1e-3 added to both diagonals.", {
        "transferkit": lambda p: ours(tk.LinearMonge(reg=1e-3, estimator=INNER), p),
        "skada": lambda p: skada("LinearOTMapping", p, reg=1e-3),
        "POT": lambda p: pot("LinearTransport", p, reg=1e-3),
    }),
    Case("location and scale of each class", "moved", "median width. Ours by its defaults: from the moments, with random"
         " features; skada from the identity, with the whole kernel.", {
        "transferkit": lambda p: ours(tk.LSConS(gamma=p.gamma, random_state=0, estimator=INNER), p),
        "skada": lambda p: skada("MMDLSConSMapping", p, gamma=p.gamma),
    }),
    Case("fMMD", "moved", "linear kernel, threshold found by itself.", {
        "transferkit": lambda p: ours(tk.FMMD(estimator=INNER), p),
        "ADAPT": lambda p: adapt("fMMD", p, kernel="linear"),
    }),
]  # fmt: skip
