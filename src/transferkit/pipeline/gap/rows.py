"""Rows of a domain for the diagnosis: dense, at most so many, standardised."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ...core.protocols import Array, Domain
from ...ops.components import component_space

__all__ = ["dense_rows", "standardised"]


def dense_rows(domain: Domain, rows: Array) -> Array:
    """These rows of the domain as an array of floats."""
    X = domain.X[rows]
    return np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=np.float64)


def standardised(Xs: Array, Xt: Array, *, few: int = 2) -> tuple[Array, Array]:
    """Each domain with columns of mean 0 and variance 1 by its own; constant columns are 0.

    Columns with at most `few` values are codes and stay as they are: standardised by domain, a code would get two values.
    """
    ordered = np.sort(np.concatenate([Xs, Xt]), axis=0)
    numbers = (ordered[1:] != ordered[:-1]).sum(axis=0) + 1 > few
    parts = []
    for X in (Xs, Xt):
        Z = X.copy()
        if numbers.any():
            Z[:, numbers] = component_space(X[:, numbers], n_components=int(numbers.sum()))[0]
        parts.append(Z)
    return parts[0], parts[1]
