"""Methods that weigh source rows."""

from __future__ import annotations

import numpy as np
from sides import INNER, Case, adapt, ours, skada
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

import transferkit as tk
from transferkit.ops.density_ratio import gamma_grid
from transferkit.ops.kernels.gaussian import rbf


def _kernels_and_fit(p):
    for rows in (p.X, p.Xt):
        rbf(p.X, rows, p.gamma)
    clone(INNER).fit(p.X, p.y, sample_weight=np.ones(len(p.y)))
    return lambda: p.yt


CASES = [
    Case("density ratio of kernel estimates", "covariate", "width 1, no clipping.", {
        "transferkit": lambda p: ours(tk.KDERatio(1.0, standardize=False, clip=None, estimator=INNER), p),
        "skada": lambda p: skada("DensityReweight", p),
    }),
    Case("density ratio of Gaussians", "covariate", "Ledoit-Wolf shrinkage, no clipping.", {
        "transferkit": lambda p: ours(tk.GaussianRatio(clip=None, estimator=INNER), p),
        "skada": lambda p: skada("GaussianReweight", p),
    }),
    Case("domain classifier", "covariate", "logistic regression of the columns as they are, fitted once, no clipping. skada's"
         " weights are the inverse ratio.", {
        "transferkit": lambda p: ours(tk.DomainClassifierWeighting(LogisticRegression(), None, None, estimator=INNER), p),
        "skada": lambda p: skada("DiscriminatorReweight", p),
        "ADAPT": lambda p: adapt("IWC", p, classifier=LogisticRegression()),
    }),
    Case("KLIEP", "covariate", "median width, 100 centres. Ours to a proven 1e-3 of the optimum, the others by their defaults.", {
        "transferkit": lambda p: ours(tk.KLIEP(gamma=p.gamma, random_state=0, estimator=INNER), p),
        "skada": lambda p: skada("KLIEPReweight", p, gamma=p.gamma, n_centers=100, random_state=0),
        "ADAPT": lambda p: adapt("KLIEP", p, gamma=p.gamma, max_centers=100),
    }),
    Case("KLIEP, width chosen", "covariate", "five folds, the same nine widths. Ours to a proven 1e-2 of each optimum.", {
        "transferkit": lambda p: ours(tk.KLIEP(random_state=0, estimator=INNER), p),
        "skada": lambda p: skada("KLIEPReweight", p, gamma=gamma_grid(p.gamma).tolist(), random_state=0),
        "ADAPT": lambda p: adapt("KLIEP", p, gamma=gamma_grid(p.gamma).tolist()),
    }),
    Case("uLSIF", "covariate", "median width, penalty 0.1, 100 centres.", {
        "transferkit": lambda p: ours(tk.ULSIF(gamma=p.gamma, reg=0.1, random_state=0, estimator=INNER), p),
        "ADAPT": lambda p: adapt("ULSIF", p, gamma=p.gamma, lambdas=0.1),
    }),
    Case("RuLSIF", "covariate", "median width, penalty 0.1, 100 centres, alpha 0.1.", {
        "transferkit": lambda p: ours(tk.RuLSIF(gamma=p.gamma, reg=0.1, random_state=0, estimator=INNER), p),
        "ADAPT": lambda p: adapt("RULSIF", p, gamma=p.gamma, lambdas=0.1, alpha=0.1),
    }),
    Case("KMM", "covariate", "median width, weights up to 1000. Ours to a relative gap of 1e-8; skada at most 1000"
         " Frank-Wolfe steps, which end short of the optimum; ADAPT cvxopt, in parts of 1000 rows.", {
        "transferkit": lambda p: ours(tk.KMM(gamma=p.gamma, estimator=INNER), p),
        "skada": lambda p: skada("KMMReweight", p, gamma=p.gamma),
        "ADAPT": lambda p: adapt("KMM", p, gamma=p.gamma),
    }, ("the two kernels and the inner fit", _kernels_and_fit)),
    Case("KMM, solved", "covariate", "the same, with skada's solver that goes to the optimum (scipy).", {
        "transferkit": lambda p: ours(tk.KMM(gamma=p.gamma, estimator=INNER), p),
        "skada": lambda p: skada("KMMReweight", p, gamma=p.gamma, solver="scipy"),
    }),
    Case("nearest-neighbour ratio", "covariate", "one neighbour, no smoothing. skada counts the last"
         " rows of both domains together where it should count the target's, which here are the same.", {
        "transferkit": lambda p: ours(tk.NearestNeighbourRatio(0.0, estimator=INNER), p),
        "skada": lambda p: skada("NearestNeighborReweight", p),
        "ADAPT": lambda p: adapt("NearestNeighborsWeighting", p, n_neighbors=1),
    }),
    Case("target shift by MMD", "shares", "median width.", {
        "transferkit": lambda p: ours(tk.MMDTargetShift(gamma=p.gamma, estimator=INNER), p),
        "skada": lambda p: skada("MMDTarSReweight", p, gamma=p.gamma),
    }),
]  # fmt: skip
