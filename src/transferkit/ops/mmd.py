"""Maximum mean discrepancy as a few vectors, and the components that make it small at large variance."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.linalg import qr
from scipy.sparse.linalg import LinearOperator

from ..core.protocols import Array
from .kernels import rbf
from .linalg import top_eigh

__all__ = ["ComponentProblem", "Kernel", "mmd_vectors"]

Kernel = Literal["primal", "linear", "rbf"]
_DENSE = 3000  # above this size the scatter matrix is applied, not formed


def mmd_vectors(n_source: int, n_target: int, codes_s: Array | None = None, codes_t: Array | None = None) -> Array:
    """Vectors E with ``E E' = M / ||M||_F``, M the matrix of the squared mean discrepancies between two domains.

    Parameters
    ----------
    n_source, n_target : int
        Rows of the two domains; source rows come first.
    codes_s, codes_t : int arrays of shape (n_source,) and (n_target,), optional
        Class of each row; a target row of unknown class has -1. With them a class's own discrepancy is added for every
        class that both domains have, and the discrepancy of the whole domains is weighed with the number of source
        classes, as in the code of Long et al. (2013).

    Returns
    -------
    E : array of shape (n_source + n_target, 1 + n_shared_classes)
    """
    E = [_difference(np.ones(n_source, dtype=bool), np.ones(n_target, dtype=bool))]
    if codes_s is not None and codes_t is not None:
        classes = np.unique(codes_s)
        E[0] = E[0] * np.sqrt(len(classes))
        E += [_difference(codes_s == c, codes_t == c) for c in np.intersect1d(classes, codes_t)]
    vectors = np.column_stack(E)
    return vectors / np.sqrt(np.linalg.norm(vectors.T @ vectors))


def _difference(source: Array, target: Array) -> Array:
    return np.concatenate([source / source.sum(), -(target / target.sum())])


class ComponentProblem:
    """``max_A tr(A' K H K A)`` over ``A' (K M K + reg I) A = I``, for a kernel and rows that stay while M changes.

    H centres. The n x n matrices H and M are never formed, and a linear kernel is solved exactly in the row space of X.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Rows of both domains.
    kernel : {"primal", "linear", "rbf"}
        ``"primal"`` puts X' in the place of K.
    gamma : float or None
        Of the rbf kernel.
    """

    def __init__(self, X: Array, kernel: Kernel, gamma: float | None) -> None:
        n, d = X.shape
        self.back: Array | None = None  # from coefficients in the reduced space to the features of X
        if kernel == "rbf":
            assert gamma is not None
            self.features = rbf(X, X, gamma)
        elif kernel == "linear":
            self.back = _linear_map(X)
            self.features = X @ self.back
        elif d > n:
            self.back, lower = qr(X.T, mode="economic")
            self.features = lower.T
        else:
            self.features = X
        self._centred = self.features - self.features.mean(axis=0)
        size = self.features.shape[1]
        self._scatter = self._centred.T @ self._centred if size <= _DENSE else None

    def solve(self, E: Array, reg: float, k: int) -> Array:
        """The first k components, each of unit length as coefficients.

        The length matters when rows are normalised afterwards; unit length is what the reference code of TCA and JDA has.

        Parameters
        ----------
        E : array of shape (n_samples, n_vectors)
            ``M = E E'``.
        reg : float
            Weight of the squared length of A.
        k : int
            How many; fewer come back where the rank is lower.

        Returns
        -------
        A : array of shape (n_samples, n_components) for the rbf kernel, else (n_features, n_components)
        """
        size = self.features.shape[1]
        # (F F' + reg I)^(-1/2) is reg^(-1/2) (I - Q diag(shrink) Q'), so the pencil becomes one symmetric matrix.
        Q, f, _ = np.linalg.svd(self.features.T @ E, full_matrices=False)
        shrink = 1 - np.sqrt(reg / (reg + f**2))

        def whiten(V: Array) -> Array:
            return V - (Q * shrink) @ (Q.T @ V)

        if self._scatter is not None:
            ratio = whiten(whiten(self._scatter).T)
        else:
            ratio = LinearOperator(
                (size, size),
                matvec=lambda v: whiten(self._centred.T @ (self._centred @ whiten(v))),
                matmat=lambda V: whiten(self._centred.T @ (self._centred @ whiten(V))),
                dtype=np.float64,
            )
        values, vectors = top_eigh(ratio, min(k, size))
        rank = max(int((values > values[0] * max(self.features.shape) * np.finfo(np.float64).eps).sum()), 1)
        A = whiten(vectors[:, :rank])
        A /= np.linalg.norm(A, axis=0)
        return A if self.back is None else self.back @ A


def _linear_map(X: Array) -> Array:
    """L with ``X L = V S^2`` for the thin decomposition ``X' = U S V'``: the columns of ``X X'`` in its own row space."""
    n, d = X.shape
    if d > n:
        return X.T @ np.linalg.eigh(X @ X.T)[1]
    values, vectors = np.linalg.eigh(X.T @ X)
    return vectors * np.sqrt(np.maximum(values, 0))
