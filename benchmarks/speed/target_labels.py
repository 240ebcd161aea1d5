"""Methods that use known target labels (40 rows), and the progressive support vector machine."""

from __future__ import annotations

import numpy as np
from sides import INNER, Case, adapt, adapt_source, ours, skada
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.svm import SVC

import transferkit as tk

FOREST = RandomForestClassifier(50, random_state=0)


def _ridges(p, n_fits: int, of_target: int = 0):
    """So many regressions, so many of them on the known target rows alone."""
    rows, y = np.vstack([p.X, p.Xt[p.known]]), np.append(p.y, p.yt[p.known])
    for k in range(n_fits):
        used = slice(len(p.X), None) if k < of_target else slice(None)
        Ridge().fit(rows[used], y[used], sample_weight=np.ones(len(y[used])))
    return lambda: p.yt


CASES = [
    Case("balanced weighting", "labels", "half of the loss from the target.", {
        "transferkit": lambda p: ours(tk.BalancedWeighting(estimator=INNER), p, labels=True),
        "ADAPT": lambda p: adapt("BalancedWeighting", p, labels=True, gamma=0.5),
    }),
    Case("feature augmentation", "labels", "three copies of the features.", {
        "transferkit": lambda p: ours(tk.FeatureAugmentation(estimator=INNER), p, labels=True),
        "ADAPT": lambda p: adapt("FA", p, labels=True),
    }),
    Case("PRED", "numbers", "the source's prediction as one more column; ridge regression.", {
        "transferkit": lambda p: ours(tk.PRED(Ridge()), p, labels=True),
        "ADAPT": lambda p: adapt("PRED", p, Ridge(), labels=True),
    }),
    Case("TrAdaBoost", "labels", "10 rounds of logistic regression.", {
        "transferkit": lambda p: ours(tk.TrAdaBoost(10, estimator=INNER), p, labels=True),
        "ADAPT": lambda p: adapt("TrAdaBoost", p, labels=True, n_estimators=10),
    }),
    Case("TrAdaBoost.R2", "numbers", "10 rounds of ridge regression.", {
        "transferkit": lambda p: ours(tk.TrAdaBoostR2(10, estimator=Ridge()), p, labels=True),
        "ADAPT": lambda p: adapt("TrAdaBoostR2", p, Ridge(), labels=True, n_estimators=10),
    }),
    Case("two-stage TrAdaBoost.R2", "numbers", "10 steps of 10 rounds, five folds, ridge regression.", {
        "transferkit": lambda p: ours(
            tk.TwoStageTrAdaBoostR2(10, 10, 5, random_state=0, estimator=Ridge()), p, labels=True),
        "ADAPT": lambda p: adapt(
            "TwoStageTrAdaBoostR2", p, Ridge(), labels=True, n_estimators=10, n_estimators_fs=10, cv=5),
    }, ("the 510 ridge regressions of ours; ADAPT fits 150", lambda p: _ridges(p, 510))),
    Case("regression near the source's weights", "numbers", "about the same penalty (0.1 of the mean squared error).", {
        "transferkit": lambda p: ours(tk.PriorLinear(0.1, estimator=LinearRegression()), p, labels=True),
        "ADAPT": lambda p: adapt_source("RegularTransferLR", p, LinearRegression(), lambda_=0.1 * p.known.sum()),
    }),
    Case("classifier near the source's weights", "labels", "penalty 0.1; ours with the log-loss, ADAPT with squared errors.", {
        "transferkit": lambda p: ours(tk.PriorLogistic(0.1, estimator=INNER), p, labels=True),
        "ADAPT": lambda p: adapt_source("RegularTransferLC", p, lambda_=0.1 * p.known.sum()),
    }),
    Case("linear interpolation", "numbers", "ours chooses the share by cross-validation, ADAPT on half of the labels.", {
        "transferkit": lambda p: ours(tk.LinearInterpolation(estimator=Ridge()), p, labels=True),
        "ADAPT": lambda p: adapt("LinInt", p, Ridge(), labels=True),
    }, ("the 12 ridge regressions of ours; ADAPT fits two", lambda p: _ridges(p, 12, 11))),
    Case("forest, expanded and reduced", "labels", "50 trees of the source.", {
        "transferkit": lambda p: ours(tk.StructureExpansionReduction(estimator=FOREST), p, labels=True),
        "ADAPT": lambda p: adapt_source("TransferForestClassifier", p, FOREST, algo="ser"),
    }),
    Case("forest, thresholds moved", "labels", "50 trees of the source.", {
        "transferkit": lambda p: ours(tk.StructureTransfer(estimator=FOREST), p, labels=True),
        "ADAPT": lambda p: adapt_source("TransferForestClassifier", p, FOREST, algo="strut"),
    }),
    Case("DASVM", "two", "linear kernel; each round takes a twentieth of the target on each side.", {
        "transferkit": lambda p: ours(tk.DASVM(), p),
        "skada": lambda p: skada("DASVMClassifier", p, SVC(kernel="linear"), k=max(1, len(p.Xt) // 20)),
    }),
]  # fmt: skip
