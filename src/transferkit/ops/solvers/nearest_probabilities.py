"""The nearest point of the probability simplex."""

from __future__ import annotations

import numpy as np

from ...core.protocols import Array

__all__ = ["nearest_probabilities"]


def nearest_probabilities(scores: Array) -> Array:
    """The rows that are not negative and sum to 1 and are nearest to the rows of `scores`; their order stays.

    Parameters
    ----------
    scores : array of shape (n_samples, n_classes)
        Any numbers, such as a regression on indicators of the classes gives.

    Returns
    -------
    proba : array of shape (n_samples, n_classes)
        ``max(scores - t, 0)``, with the t of each row that makes the sum 1.

    References
    ----------
    Duchi, Shalev-Shwartz, Singer & Chandra. Efficient Projections onto the l1-Ball for Learning in High Dimensions. ICML
    2008, figure 1.
    """
    scores = scores - scores.max(axis=1, keepdims=True)  # in numbers far from 0 the 1 below would be lost
    falling = -np.sort(-scores, axis=1)
    excess = np.cumsum(falling, axis=1) - 1
    count = np.arange(1, scores.shape[1] + 1)
    last = (falling * count > excess).sum(axis=1) - 1
    threshold = np.take_along_axis(excess, last[:, None], axis=1) / (last[:, None] + 1)
    proba = np.maximum(scores - threshold, 0)
    return proba / proba.sum(axis=1, keepdims=True)
