"""Retrieval across two sets of rows in one space: how near they are, and how good a ranking is."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from ...core.errors import DomainError, ParamError
from ...core.protocols import Array
from ..solvers.linalg import unit_rows

__all__ = ["MEASURES", "mean_average_precision", "similarities"]

MEASURES = ("cosine", "correlation", "euclidean", "manhattan", "kl")
_FLOOR = 1e-12  # of a probability, whose logarithm is then finite


def similarities(A: Any, B: Any, measure: str = "cosine") -> Array:
    """How near each query is to each row of the gallery; higher is nearer.

    Parameters
    ----------
    A : array-like of shape (n_queries, n_components)
        Queries.
    B : array-like of shape (n_gallery, n_components)
        What is looked through.
    measure : {"cosine", "correlation", "euclidean", "manhattan", "kl"}, default="cosine"
        "cosine" is the normalised correlation of the retrieval literature; "correlation" is Pearson's, of the coordinates
        of two rows; the others are distances with their sign turned. "kl" is the divergence of the gallery's row from the
        query, ``sum_c a_c log(a_c / b_c)``, for rows that are probabilities.

    Returns
    -------
    array of shape (n_queries, n_gallery)

    Raises
    ------
    DomainError
        If the rows differ in width, are not finite, or are no probabilities where these are needed.
    ParamError
        If there is no such measure.

    Examples
    --------
    >>> from transferkit.ops.metrics.retrieval import similarities
    >>> similarities([[1, 0]], [[2, 0], [0, 3]]).tolist()
    [[1.0, 0.0]]
    """
    if measure not in MEASURES:
        raise ParamError(f"similarities: measure must be one of {', '.join(MEASURES)}. Got {measure!r}.")
    A, B = (np.asarray(rows, dtype=np.float64) for rows in (A, B))
    if A.ndim != 2 or B.ndim != 2 or A.shape[1] != B.shape[1]:
        raise DomainError(f"similarities: A and B must be rows of one width. Got shapes {A.shape}, {B.shape}.")
    if not (np.isfinite(A).all() and np.isfinite(B).all()):
        raise DomainError("similarities: A and B must be finite. Got NaN or infinity.")
    if measure == "kl":
        if min(A.min(initial=0), B.min(initial=0)) < 0 or not np.allclose([*A.sum(axis=1), *B.sum(axis=1)], 1):
            raise DomainError("similarities: A and B must be probabilities for measure='kl'. Got rows of another sum.")
        A, B = np.maximum(A, _FLOOR), np.maximum(B, _FLOOR)
        return np.asarray(A @ np.log(B).T - (A * np.log(A)).sum(axis=1)[:, None])
    if measure == "correlation":
        A, B = (rows - rows.mean(axis=1, keepdims=True) for rows in (A, B))
    if measure in ("cosine", "correlation"):
        return np.asarray(unit_rows(A) @ unit_rows(B).T)
    return -cdist(A, B, "euclidean" if measure == "euclidean" else "cityblock")


def mean_average_precision(scores: Any, queries: Any, gallery: Any) -> float:
    """Mean over the queries of the average precision of the whole ranking; what has the query's class is relevant.

    Parameters
    ----------
    scores : array-like of shape (n_queries, n_gallery)
        Higher is nearer. Rows of the gallery with equal scores stay in their order.
    queries : array-like of shape (n_queries,)
        Classes of the queries.
    gallery : array-like of shape (n_gallery,)
        Classes of the gallery.

    Returns
    -------
    float
        In [0, 1]; nan where no query has anything relevant. Queries without are left out.

    Raises
    ------
    DomainError
        If scores and labels do not fit, or a score is NaN.

    Notes
    -----
    With the gallery in falling order and R relevant rows in all, the average precision of a query is the mean over these of
    the share of relevant rows among all down to that place.

    Examples
    --------
    >>> from transferkit.ops.metrics.retrieval import mean_average_precision
    >>> mean_average_precision([[0.9, 0.5, 0.1]], ["a"], ["a", "b", "a"])  # (1 / 1 + 2 / 3) / 2
    0.833...
    """
    scores, queries, gallery = np.asarray(scores, dtype=np.float64), np.asarray(queries), np.asarray(gallery)
    if scores.shape != (len(queries), len(gallery)):
        raise DomainError(
            f"mean_average_precision: scores must have one row a query and one column a row of the gallery"
            f" {(len(queries), len(gallery))}. Got shape {scores.shape}."
        )
    if np.isnan(scores).any():
        raise DomainError("mean_average_precision: scores must be numbers. Got NaN.")
    order = np.argsort(-scores, axis=1, kind="stable")
    relevant = gallery[order] == queries[:, None]
    total = relevant.sum(axis=1)
    precision = relevant.cumsum(axis=1) / np.arange(1, len(gallery) + 1)
    found = (precision * relevant).sum(axis=1)[total > 0] / total[total > 0]
    return float(found.mean()) if len(found) else float("nan")
