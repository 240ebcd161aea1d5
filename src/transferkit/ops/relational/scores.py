"""How good probabilities of atoms are: areas under the two curves, and the conditional log likelihood."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import roc_auc_score

from ...core.protocols import Array

__all__ = ["area_under_precision_recall", "conditional_log_likelihood", "relational_scores"]


def conditional_log_likelihood(y: Array, probability: Array) -> float:
    """Mean log probability of what is the case: of true where `y`, of false elsewhere."""
    y, p = np.asarray(y, dtype=bool), np.asarray(probability, dtype=float)
    right = np.clip(np.where(y, p, 1 - p), np.finfo(float).tiny, 1)
    return float(np.log(right).mean())


def area_under_precision_recall(y: Array, score: Array) -> float:
    """Area under the precision-recall curve, interpolated between thresholds as Davis & Goadrich (2006) do.

    Between two neighbouring thresholds false positives grow in proportion to true ones, so that precision is no straight
    line of recall; the integral is taken in closed form. It differs from scikit-learn's average precision where many
    examples have one score, as those in one leaf do.

    Raises
    ------
    ValueError
        If no `y` is true, or a score is NaN.
    """
    y, score = np.asarray(y, dtype=bool), np.asarray(score, dtype=float)
    if not y.any():
        raise ValueError("area_under_precision_recall: y must hold a true one. Got none.")
    if np.isnan(score).any():
        raise ValueError(f"area_under_precision_recall: score must be numbers. Got {np.isnan(score).sum()} NaN.")
    distinct, group = np.unique(-score, return_inverse=True)
    new_true = np.bincount(group, weights=y, minlength=len(distinct))
    new_false = np.bincount(group, weights=~y, minlength=len(distinct))
    area, true, false = 0.0, 0.0, 0.0
    for t, f in zip(new_true, new_false):
        if t:
            slope = f / t
            offset = false - slope * true  # precision at x true positives: x / ((1 + slope) x + offset)
            grown = 1 + slope
            part = t / grown
            if offset:
                end = grown * (true + t) + offset
                part -= offset / grown**2 * (np.log(end) - np.log(true + false))
            area += part
        true, false = true + t, false + f
    return float(area / true)


def relational_scores(y: Array, probability: Array) -> dict[str, float]:
    """The three numbers of the tables of relational learners: ``auc_roc``, ``auc_pr`` and ``cll``."""
    return {
        "auc_roc": float(roc_auc_score(y, probability)),
        "auc_pr": area_under_precision_recall(y, probability),
        "cll": conditional_log_likelihood(y, probability),
    }
