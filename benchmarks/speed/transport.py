"""Methods that move rows or labels along a plan."""

from __future__ import annotations

from sides import INNER, Case, ours, pot, skada
from sklearn.linear_model import Ridge

import transferkit as tk

PIVOTS = 1_000_000

CASES = [
    Case("exact OT", "moved", "the same solver (POT's network simplex) on the same distances.", {
        "transferkit": lambda p: ours(tk.ExactOT(estimator=INNER), p),
        "skada": lambda p: skada("OTMapping", p, max_iter=PIVOTS),
        "POT": lambda p: pot("EMDTransport", p, max_iter=PIVOTS),
    }),
    Case("entropic OT", "moved", "raw squared distances, reg = median / 40, at most 1000 iterations, tolerance 1e-8 (ours L1,"
         " the others' L2). skada runs POT's log-domain solver, POT here its plain one.", {
        "transferkit": lambda p: ours(
            tk.SinkhornOT(p.unit / 40, None, max_iter=1000, tol=1e-8, estimator=INNER), p),
        "skada": lambda p: skada("EntropicOTMapping", p, reg_e=p.unit / 40, max_iter=1000, tol=1e-8),
        "POT": lambda p: pot("SinkhornTransport", p, reg_e=p.unit / 40, method="sinkhorn", max_iter=1000, tol=1e-8,
                             out_of_sample_map="ferradans"),
    }),
    Case("class-regularised OT, Lp-L1", "moved", "reg = median / 40, reg_class = median / 400, 10 problems of at most 200"
         " iterations.", {
        "transferkit": lambda p: ours(tk.ClassRegularisedOT(
            p.unit / 40, p.unit / 400, norm=None, max_iter=10, max_inner_iter=200, tol=1e-8, estimator=INNER), p),
        "skada": lambda p: skada("ClassRegularizerOTMapping", p, reg_e=p.unit / 40, reg_cl=p.unit / 400),
        "POT": lambda p: pot("SinkhornLpl1Transport", p, reg_e=p.unit / 40, reg_cl=p.unit / 400),
    }, ("the entropic plan without classes, and the inner fit", lambda p: ours(
        tk.SinkhornOT(p.unit / 40, None, max_iter=1000, tol=1e-8, estimator=INNER), p))),
    Case("class-regularised OT, L1-L2", "moved", "reg = median / 40, reg_class = median / 400. Ours to a change of 1e-5 of"
         " the mass, POT at most 10 line searches, its default.", {
        "transferkit": lambda p: ours(
            tk.ClassRegularisedOT(p.unit / 40, p.unit / 400, "l1_l2", None, estimator=INNER), p),
        "POT": lambda p: pot("SinkhornL1l2Transport", p, reg_e=p.unit / 40, reg_cl=p.unit / 400),
    }),
    Case("Laplacian OT", "moved", "three neighbours, the same weight. Ours to a bound over the minimum, 20 % and in 200"
         " features 30 %, where its objective is at most 0.2 % over POT's, which stops at a relative change of 1 % in a step.", {
        "transferkit": lambda p: ours(tk.LaplaceOT(
            1.0, same_class=False, tol=0.2 if p.X.shape[1] < 100 else 0.3, estimator=INNER), p),
        "POT": lambda p: pot("EMDLaplaceTransport", p, reg_lap=2 * len(p.X) / 3, reg_src=0.5, similarity_param=3,
                             tol=0.01, inner_tol=0.01, max_inner_iter=PIVOTS),
    }),
    Case("mapping estimation, linear", "moved", "the same weights. Ours to a bound of 4 % over the minimum, where its"
         " objective is about POT's, which stops at a relative change of 1 % in a round.", {
        "transferkit": lambda p: ours(tk.MappingOT(tol=0.04, estimator=INNER), p),
        "POT": lambda p: pot("MappingTransport", p, eta=1e-3 * len(p.X) * p.X.var(axis=0).mean(), bias=True, tol=0.01),
    }),
    Case("mapping estimation, rbf", "moved", "the same weights and width, the same tolerances.", {
        "transferkit": lambda p: ours(tk.MappingOT("rbf", gamma=p.gamma, tol=0.04, estimator=INNER), p),
        "POT": lambda p: pot("MappingTransport", p, eta=1e-3 * len(p.X), bias=True, kernel="gaussian",
                             sigma=(2 * p.gamma) ** -0.5, tol=0.01),
    }),
    Case("unbalanced OT", "moved", "reg = median / 40, marginals at median / 2, at most 2000 iterations, tolerance 1e-5; moved"
         " rows all weigh the same.", {
        "transferkit": lambda p: ours(tk.UnbalancedOT(
            p.unit / 40, reg_marginal=p.unit / 2, weigh=False, norm=None, estimator=INNER), p),
        "POT": lambda p: pot("UnbalancedSinkhornTransport", p, reg_e=p.unit / 40, reg_m=p.unit / 2, max_iter=2000, tol=1e-5),
    }),
    Case("label propagation", "moved", "the exact plan.", {
        "transferkit": lambda p: ours(tk.OTLabelPropagation(estimator=INNER), p),
        "skada": lambda p: skada("OTLabelProp", p, reg=0, n_iter_max=PIVOTS),
    }),
    Case("JDOT, classes", "moved", "distances over their mean and the log-loss weigh the same; at most 10 rounds.", {
        "transferkit": lambda p: ours(tk.JDOT(p.largest, estimator=INNER), p),
        "skada": lambda p: skada("JDOTClassifier", p, n_iter_max=10),
    }),
    Case("JDOT, numbers", "numbers", "distances over their mean and squared errors weigh the same (values have variance 1);"
         " at most 10 rounds; ridge regression.", {
        "transferkit": lambda p: ours(tk.JDOT(p.largest, estimator=Ridge()), p),
        "skada": lambda p: skada("JDOTRegressor", p, Ridge(), n_iter_max=10),
    }),
    Case("JCPOT", "shares", "two sources, reg = median / 40, at most 1000 iterations, tolerance 1e-6 (ours of the shares,"
         " skada's of the plans).", {
        "transferkit": lambda p: ours(
            tk.JCPOT(p.unit / 40, None, max_iter=1000, estimator=INNER), p, groups=p.groups),
        "skada": lambda p: skada("JCPOTLabelProp", p, groups=p.groups, reg=p.unit / 40, max_iter=1000, tol=1e-6),
    }),
]  # fmt: skip
