"""Class shares that are known: probabilities brought to them, and what labels with other shares give away."""

from __future__ import annotations

import numpy as np

from ...core.protocols import Array
from ...core.vote import apply_factors

__all__ = ["apply_factors", "share_factors", "share_gap", "share_noise"]


def share_factors(proba: Array, shares: Array, *, max_iter: int = 200, tol: float = 1e-4) -> Array:
    """Factors of the classes that make probabilities, once multiplied and scaled back to sum 1, average to given shares.

    Parameters
    ----------
    proba : array of shape (..., n_samples, n_classes)
        Probabilities; several models at once in the leading axes.
    shares : array of shape (n_classes,)
        The shares; a class of share 0 gets (next to) none.
    max_iter : int
        Most iterations.
    tol : float
        Total variation between mean and shares at which it stops.

    Returns
    -------
    array of shape (..., n_classes)
        Positive, geometric mean 1.

    Notes
    -----
    ``sum_i p_ic w_c / sum_k p_ik w_k = n s_c`` is the scaling of the matrix p to row sums 1 and column sums n s (Sinkhorn 1967),
    the projection of p onto labellings with these shares in relative entropy. It is Saerens' correction (2002) where the
    shares are given and the model's own are not trusted.

    References
    ----------
    Sinkhorn. Diagonal Equivalence to Matrices with Prescribed Row and Column Sums. American Mathematical Monthly 74, 1967.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit.ops.label_shift.known_shares import apply_factors, share_factors
    >>> proba = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    >>> apply_factors(proba, share_factors(proba, np.array([0.5, 0.5]))).mean(axis=0).round(3)
    array([0.5, 0.5])
    """
    P = np.clip(np.asarray(proba, dtype=np.float64), 1e-6, None)
    wanted = np.clip(np.asarray(shares, dtype=np.float64), 1e-6, None)
    wanted = wanted / wanted.sum()
    factors = np.ones(P.shape[:-2] + P.shape[-1:])
    for _ in range(max_iter):
        # With the rows scaled to sum 1, one step scales the columns; both together are one round of Sinkhorn's.
        rows = np.einsum("...nk,...k->...n", P, factors)
        mean = factors * np.einsum("...nk,...n->...k", P, 1 / rows) / P.shape[-2]
        factors = factors * (wanted / mean)
        factors = factors / np.exp(np.log(factors).mean(axis=-1, keepdims=True))
        if np.abs(mean - wanted).sum(axis=-1).max() / 2 < tol:
            break
    return factors


def share_gap(labels: Array, shares: Array) -> float:
    """Total variation between the shares of labels (codes) and given shares.

    Where the given shares are the true ones, at least this part of the labels is wrong: every right label counts towards
    its own class, and only wrong ones can carry a surplus.
    """
    own = np.bincount(labels, minlength=len(shares)) / len(labels)
    return float(np.abs(own - shares).sum() / 2)


def share_noise(shares: Array, n: int) -> float:
    """What `share_gap` comes to on average for n labels drawn with exactly these shares (normal approximation)."""
    return float(np.sqrt(2 * shares * (1 - shares) / (np.pi * n)).sum() / 2)
