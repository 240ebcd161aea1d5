"""How sure a classifier is of each row, and the threshold that turns that into an accuracy."""

from __future__ import annotations

import numpy as np
from scipy.special import xlogy

from ...core.protocols import Array

__all__ = ["difference_of_confidences", "max_confidence", "negative_entropy", "share_above_threshold"]


def negative_entropy(proba: Array) -> Array:
    """``sum_k p_k log p_k`` of each row: from -log K (knows nothing) to 0 (certain), in nats."""
    total: Array = xlogy(proba, proba).sum(axis=1)
    return total


def max_confidence(proba: Array) -> Array:
    """The largest probability of each row."""
    top: Array = proba.max(axis=1)
    return top


def share_above_threshold(source: Array, n_right: int, target: Array) -> float:
    """ATC: share of target scores above the cut that `n_right` source scores exceed (Garg et al. 2022, section 4).

    The cut lies midway between two neighbouring source scores; with all right it is the lowest, with none right
    infinite. Where these two are equal, no cut leaves exactly `n_right`: scores equal to them then count for the share
    of their kind that is needed on the source, so that there the result is ``n_right / n_source`` whatever the ties.
    """
    # Scores of the same probabilities in another order differ by rounding only.
    source, target = np.round(source, 12), np.round(target, 12)
    n_wrong = len(source) - n_right
    if n_right == 0:
        return 0.0
    ranked = np.sort(source)
    low, high = ranked[max(n_wrong - 1, 0)], ranked[n_wrong]
    if low < high or n_wrong == 0:
        return float((target >= (low + high) / 2).mean())
    counted = (n_right - (source > high).sum()) / (source == high).sum()
    return float((target > high).mean() + counted * (target == high).mean())


def difference_of_confidences(proba_source: Array, codes: Array, proba_target: Array) -> float:
    """DoC: source accuracy plus the change of the mean top probability (Guillory et al. 2021, section 3)."""
    accuracy = (proba_source.argmax(axis=1) == codes).mean()
    return float(accuracy + proba_target.max(axis=1).mean() - proba_source.max(axis=1).mean())
