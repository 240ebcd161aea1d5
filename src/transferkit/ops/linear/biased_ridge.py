"""Rows as a model with a prior centre sees them, and ridge regression on them with its leave-one-out error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import svd

from ...core.protocols import Array

__all__ = ["REGS", "PriorRows", "about_mean", "last_best", "ridge_path"]

REGS = np.append(10.0 ** np.arange(-4, 4.5, 0.5), np.inf)  # infinity is the prior's centre itself


def about_mean(X: Array) -> tuple[Array, Array]:
    """Rows moved to mean 0, and that mean; a column of one value is 0 and not what rounding leaves, which may be scaled up."""
    X = np.asarray(X, dtype=np.float64)
    mean = X.mean(axis=0)
    return np.where(np.ptp(X, axis=0) == 0, 0.0, X - mean), mean


@dataclass(frozen=True, eq=False)
class PriorRows:
    """Rows of known label, moved to mean 0 and divided by one number, in the coordinates that they span.

    A model is ``f(x) = f_source(x) + v . a(x)``, with ``a(x)`` the moved row (and a column of ones, where the intercept
    has a prior too). What is penalised is ``||v||^2``, and the best v is a combination of the rows: no more coordinates than
    there are rows.

    Attributes
    ----------
    U, S, V : arrays of shape (n_rows, rank), (rank,), (n_columns, rank)
        Thin singular value decomposition of the rows ``a(x)``.
    mean : array of shape (n_features,)
        Of the rows.
    scale : float
        Root of their mean square about the mean; 1 where they are all the same.
    intercept : bool
        Whether the last column is that of ones.
    """

    U: Array
    S: Array
    V: Array
    mean: Array
    scale: float
    intercept: bool

    @classmethod
    def of(cls, X: Array, intercept: bool) -> PriorRows:
        """From rows of shape (n_rows, n_features); `intercept` says whether a prior binds it."""
        A, mean = about_mean(X)
        scale = float(np.sqrt(np.mean(A**2))) or 1.0
        A /= scale
        if intercept:
            A = np.column_stack([A, np.ones(len(A))])
        U, S, Vt = svd(A, full_matrices=False)
        floor = S.max(initial=0.0) * max(A.shape) * np.finfo(np.float64).eps
        kept = floor < S
        return cls(U[:, kept], S[kept], Vt[kept].T, mean, scale, intercept)

    @property
    def rows(self) -> Array:
        """The rows in these coordinates, of shape (n_rows, rank)."""
        return self.U * self.S

    def moves(self, theta: Array, shift: float | Array = 0.0) -> tuple[Array, Array]:
        """What coordinates add to weights and intercepts: arrays of shape (..., n_features) and (...).

        Parameters
        ----------
        theta : array of shape (..., rank)
        shift : float or array of shape (...)
            What is added to the value at the mean row, where the intercept is free.
        """
        v = theta @ self.V.T
        at_mean = shift
        if self.intercept:
            v, at_mean = v[..., :-1], v[..., -1] + shift
        weights = v / self.scale
        return weights, at_mean - weights @ self.mean


def ridge_path(rows: PriorRows, residual: Array, regs: Array) -> tuple[Array, float, Array]:
    """Ridge regression of what the prior's centre leaves over, for each strength.

    Minimises ``||r - a v - c||^2 / n + reg ||v||^2``, with c = 0 where the intercept is among v. ``reg = 0`` gives the
    least-squares solution of the smallest v.

    Returns
    -------
    theta : array of shape (n_regs, rank)
        Coordinates of v.
    shift : float
        The free c.
    errors : array of shape (n_regs,)
        Mean squared error of the leave-one-out predictions, in closed form (mean and scale of the rows held); infinite
        where a row is fitted whatever its value.
    """
    n = len(residual)
    shift = 0.0 if rows.intercept else float(residual.mean())
    r = residual - shift
    power = rows.S**2
    with np.errstate(invalid="ignore"):
        kept = power / (power + n * np.asarray(regs, dtype=np.float64)[:, None])
    projected = rows.U.T @ r
    left = r - (kept * projected) @ rows.U.T
    free = 1 - (kept @ (rows.U**2).T + (0.0 if rows.intercept else 1 / n))
    errors = np.full(len(kept), np.inf)
    some = (free > 1e-9).all(axis=1)
    errors[some] = ((left[some] / free[some]) ** 2).mean(axis=1)
    return kept * projected / rows.S, shift, errors


def last_best(errors: Array) -> int:
    """Index of the smallest error; of equal ones, up to rounding, the last, which is the strongest penalty."""
    return int(np.flatnonzero(errors <= errors.min() * (1 + 1e-9) + 1e-300)[-1])
