"""The preprocessings that published tables share."""

from __future__ import annotations

import numpy as np

from ...core.protocols import Array

__all__ = ["unit_norm_rows", "unit_sum_zscore"]


def unit_sum_zscore(X: Array) -> Array:
    """Rows divided by their sum, then columns standardised with the population's deviation (ddof 0).

    MATLAB's ``fts ./ sum(fts, 2)`` and ``zscore(fts, 1)``: a constant column becomes 0.
    """
    rows = X / _not_zero(X.sum(axis=1, keepdims=True))
    constant = np.ptp(rows, axis=0) == 0  # the deviation of equal numbers is not always exactly 0
    spread = np.where(constant, 1.0, rows.std(axis=0))
    return np.where(constant, 0.0, (rows - rows.mean(axis=0)) / spread)


def unit_norm_rows(X: Array) -> Array:
    """Rows divided by their Euclidean norm; a row of zeros stays."""
    return X / _not_zero(np.linalg.norm(X, axis=1, keepdims=True))


def _not_zero(values: Array) -> Array:
    return np.where(values == 0, 1.0, values)
