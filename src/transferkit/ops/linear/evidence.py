"""Evidence of linear models under Gaussian priors: exact for numbers, by Laplace's approximation for classes."""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, cholesky, eigh, qr, solve_triangular
from scipy.special import expit, log_softmax, softmax

from ...core.protocols import Array

__all__ = ["class_hessian", "gaussian_evidence", "gaussian_posterior", "laplace_fit", "sufficient_rows"]

_MOST_NEWTON = 100


def sufficient_rows(A: Array, r: Array) -> tuple[Array, Array, int, float]:
    """What a linear model needs of its rows: at most as many rows as columns, and what no weights can explain.

    Returns
    -------
    R : array of shape (min(n, p), p)
    q : array of shape (min(n, p),)
    n_rest : int
        Rows that were folded away.
    rest : float
        Their sum of squares.
    """
    n, p = A.shape
    if n <= p:
        return A, r, 0, 0.0
    Q, R = qr(A, mode="economic")
    q = Q.T @ r
    return R, q, n - p, float(max(r @ r - q @ q, 0.0))


def gaussian_evidence(K: Array, q: Array, noise: float, n_rest: int = 0, rest: float = 0.0) -> float:
    """``log N(q | 0, K + noise I)``, and that of `n_rest` more values of sum of squares `rest` which are all noise."""
    half, half_determinant = _whitened(K, noise, q)
    found = -0.5 * half @ half - half_determinant - 0.5 * (len(q) + n_rest) * np.log(2 * np.pi)
    return float(found - 0.5 * n_rest * np.log(noise) - 0.5 * rest / noise)


def gaussian_posterior(R: Array, q: Array, covariance: Array, noise: float) -> tuple[Array, Array]:
    """Mean (p,) and covariance (p, p) of weights with the prior ``N(0, covariance)`` after ``q = R w + noise``."""
    C = R @ covariance
    half, _ = _whitened(C @ R.T, noise, np.column_stack([q, C]))
    return half[:, 1:].T @ half[:, 0], covariance - half[:, 1:].T @ half[:, 1:]


def _whitened(K: Array, noise: float, right: Array) -> tuple[Array, float]:
    """h with ``h.T h = right.T (K + noise I)^-1 right``, and half the logarithm of the determinant."""
    try:
        L = cholesky(K + noise * np.eye(len(K)), lower=True)
    except LinAlgError:  # the noise is lost in the rounding of a far larger K, which then seems to be indefinite
        values, U = eigh(K)
        values = np.maximum(values, 0) + noise
        half = (U.T @ right).T / np.sqrt(values)
        return half.T, float(0.5 * np.log(values).sum())
    return solve_triangular(L, right, lower=True), float(np.log(np.diag(L)).sum())


def class_hessian(A: Array, logits: Array) -> Array:
    """Hessian of the negative log-likelihood in the weights, of shape (k p, k p), for k outputs and p columns.

    Weights are ordered output after output; one output is the logit of the second of two classes.
    """
    p, k = A.shape[1], logits.shape[1]
    if k == 1:
        s = expit(logits[:, 0])
        return (A.T * (s * (1 - s))) @ A
    s = softmax(logits, axis=1)
    H = np.empty((k, p, k, p))
    for a in range(k):
        for b in range(a + 1):
            weight = s[:, a] * ((a == b) - s[:, b])
            H[a, :, b] = (A.T * weight) @ A
            H[b, :, a] = H[a, :, b].T
    return H.reshape(k * p, k * p)


def laplace_fit(A: Array, codes: Array, mean: Array, covariance: Array) -> tuple[Array, Array, float]:
    """MAP weights of a logistic regression under a Gaussian prior, and its evidence.

    Parameters
    ----------
    A : array of shape (n_rows, p)
    codes : int array of shape (n_rows,)
    mean : array of shape (k, p)
        Of the prior; k = 1 for two classes.
    covariance : array of shape (k p, k p)
        Of the prior, positive definite.

    Returns
    -------
    weights : array of shape (k, p)
    precision : array of shape (k p, k p)
        Of the Gaussian at the maximum.
    evidence : float
        ``log p(y | w) + log p(w) - log q(w)`` at it, with q that Gaussian.
    """
    k, p = mean.shape
    root = cholesky(covariance, lower=True)
    inverse = cho_solve((root, True), np.eye(k * p))
    truth = (codes[:, None] == 1 if k == 1 else codes[:, None] == np.arange(k)).astype(float)

    def loss(w: Array) -> float:
        z, move = A @ w.T, solve_triangular(root, (w - mean).ravel(), lower=True)
        fits = -np.logaddexp(0, np.where(codes == 1, -z[:, 0], z[:, 0])) if k == 1 else (truth * log_softmax(z, axis=1))
        return float(0.5 * move @ move - fits.sum())

    w, value = mean.copy(), loss(mean)
    for _ in range(_MOST_NEWTON):
        z = A @ w.T
        s = expit(z) if k == 1 else softmax(z, axis=1)
        gradient = ((s - truth).T @ A).ravel() + inverse @ (w - mean).ravel()
        step = cho_solve(cho_factor(class_hessian(A, z) + inverse), gradient)
        length, gain = 1.0, float(gradient @ step)
        while length > 1e-8 and loss(w - length * step.reshape(k, p)) > value - 1e-4 * length * gain:
            length /= 2
        w = w - length * step.reshape(k, p)
        value = loss(w)
        if gain < 1e-10:
            break
    precision = class_hessian(A, A @ w.T) + inverse
    half_determinants = np.log(np.diag(root)).sum() + np.log(np.diag(cholesky(precision, lower=True))).sum()
    return w, precision, float(-value - half_determinants)
