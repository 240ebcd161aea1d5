"""Maximum mean discrepancy as a few vectors, and the components that make it small at large variance."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal

import numpy as np
from scipy.linalg import qr
from scipy.sparse.linalg import LinearOperator

from ...core.protocols import Array
from ..solvers.linalg import iterates, symmetric_product, top_eigh
from .gaussian import rbf

__all__ = ["ComponentProblem", "Kernel", "centred_square", "leading_ratio", "mmd_vectors"]

Kernel = Literal["primal", "linear", "rbf"]
_DENSE = 3000  # above this size the scatter matrix is applied, not formed


def mmd_vectors(
    n_source: int,
    n_target: int,
    codes_s: Array | None = None,
    codes_t: Array | None = None,
    *,
    mu: float = 0.5,
    weighted: bool = False,
) -> Array:
    """Vectors E with ``E E' = M / ||M||_F``, M the matrix of the squared mean discrepancies between two domains.

    Parameters
    ----------
    n_source, n_target : int
        Rows of the two domains; source rows come first.
    codes_s, codes_t : int arrays of shape (n_source,) and (n_target,), optional
        Class of each row; a target row of unknown class has -1. With them a class's own discrepancy is added for every
        class that both domains have, and the discrepancy of the whole domains is weighed with the number of source
        classes, as in the code of Long et al. (2013).
    mu : float in [0, 1]
        Share of the classes' discrepancies against that of the whole domains; 1/2 weighs both alike.
    weighted : bool
        Weigh each class's rows with the square root of its share of their domain.

    Returns
    -------
    E : array of shape (n_source + n_target, 1 + n_shared_classes)
    """
    E = [_difference(np.ones(n_source, dtype=bool), np.ones(n_target, dtype=bool))]
    if codes_s is not None and codes_t is not None:
        classes = np.unique(codes_s)
        shared = np.intersect1d(classes, codes_t)
        if len(shared):
            E[0] = E[0] * np.sqrt(2 * (1 - mu) * len(classes))
            E += [np.sqrt(2 * mu) * _difference(codes_s == c, codes_t == c, weighted) for c in shared]
    vectors = np.column_stack(E)
    size = np.linalg.norm(vectors.T @ vectors)
    return vectors / np.sqrt(size if size > 0 else 1.0)


def _difference(source: Array, target: Array, weighted: bool = False) -> Array:
    parts = [side * (np.sqrt(side.mean()) if weighted else 1.0) / side.sum() for side in (source, target)]
    return np.concatenate([parts[0], -parts[1]])


def leading_ratio(
    scatter: Array | Callable[[Array], Array], U: Array, reg: float, k: int, tol: float = 1e-12
) -> tuple[Array, Array]:
    """The first k directions of ``max_A tr(A' S A)`` over ``A' (U U' + reg I) A = I``, for U of few columns.

    Parameters
    ----------
    scatter : array of shape (n, n), or callable
        S, symmetric, or what multiplies with it.
    U : array of shape (n, n_vectors)
        Its columns are penalised.
    reg : float
        Weight of the squared length.
    k : int
        How many; fewer come back where the rank is lower, but at least one.
    tol : float
        Eigenvalues of at most this part of the largest count as none.

    Returns
    -------
    values : array of shape (n_found,)
        The generalized eigenvalues, falling.
    A : array of shape (n, n_found)
        Their directions, with ``A' (U U' + reg I) A = I``.
    """
    size = len(U)
    # (U U' + reg I)^(-1/2) is reg^(-1/2) (I - Q diag(shrink) Q'), so the pencil becomes one symmetric matrix.
    Q, f, _ = np.linalg.svd(U, full_matrices=False)
    shrunk = Q * (1 - np.sqrt(reg / (reg + f**2)))

    def whiten(V: Array) -> Array:
        return V - shrunk @ (Q.T @ V)

    ratio: Any
    if callable(scatter):
        ratio = LinearOperator(
            (size, size),
            matvec=lambda v: whiten(scatter(whiten(v))),
            matmat=lambda V: whiten(scatter(whiten(V))),
            dtype=np.float64,
        )
    else:
        ratio = whiten(whiten(scatter).T)
    values, vectors = top_eigh(ratio, min(k, size))
    rank = max(int((values > values[0] * tol).sum()), 1)
    return values[:rank] / reg, whiten(vectors[:, :rank]) / np.sqrt(reg)


def centred_square(K: Array) -> Callable[[Array], Array]:
    """What multiplies with ``K H K``, H centring, for a symmetric matrix of doubles: two products, it is not formed."""
    # K less a number has the same K H K; where its entries are nearly one number, as of a wide kernel, their digits survive.
    product = symmetric_product(K - K.mean())

    def square(V: Array) -> Array:
        variance = product(V)
        return product(variance - variance.mean(axis=0))

    return square


class ComponentProblem:
    """``max_A tr(A' K H K A)`` over ``A' (K M K + reg I) A = I``, for a kernel and rows that stay while M changes.

    H centres. The n x n matrices H and M are never formed, a linear kernel is solved exactly in the row space of X, and few
    components of an rbf kernel come from products with K alone, without K H K.

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
        self._is_rbf = kernel == "rbf"

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
        scatter: Array | Callable[[Array], Array]
        if self._is_rbf and iterates(size, k):
            scatter = self._square
        else:
            scatter = self._scatter if size <= _DENSE else self._apply_scatter
        tol = max(self.features.shape) * np.finfo(np.float64).eps
        _, A = leading_ratio(scatter, self.features.T @ E, reg, k, tol)
        A /= np.linalg.norm(A, axis=0)
        return A if self.back is None else self.back @ A

    @cached_property
    def _square(self) -> Callable[[Array], Array]:
        return centred_square(self.features)

    @cached_property
    def _scatter(self) -> Array:
        centred = self.features - self.features.mean(axis=0)
        return centred.T @ centred

    def _apply_scatter(self, V: Array) -> Array:
        variance = self.features @ V
        return self.features.T @ (variance - variance.mean(axis=0))


def _linear_map(X: Array) -> Array:
    """L with ``X L = V S^2`` for the thin decomposition ``X' = U S V'``: the columns of ``X X'`` in its own row space."""
    n, d = X.shape
    if d > n:
        return X.T @ np.linalg.eigh(X @ X.T)[1]
    values, vectors = np.linalg.eigh(X.T @ X)
    return vectors * np.sqrt(np.maximum(values, 0))
