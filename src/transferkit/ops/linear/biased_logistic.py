"""Logistic regression on top of given logits, with a quadratic penalty on what is added, and its held-out loss."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax

from ...core.protocols import Array
from .biased_ridge import PriorRows

__all__ = ["fit_biased", "label_losses", "log_loss_left_out"]

_MOST_ROUNDS = 1000


def label_losses(logits: Array, codes: Array) -> Array:
    """``-log p`` of each row's class, of shape (n_rows,); one column of logits is that of the second of two classes."""
    if logits.shape[1] == 1:
        return np.logaddexp(0, np.where(codes == 1, -logits[:, 0], logits[:, 0]))
    return -np.take_along_axis(log_softmax(logits, axis=1), codes[:, None], axis=1)[:, 0]


def fit_biased(
    A: Array, logits: Array, codes: Array, reg: float, *, free: bool, tol: float, start: Array | None = None
) -> tuple[Array, Array]:
    """What to add to given logits.

    Minimises ``-(1/n) sum_i log p(y_i | logits_i + theta a_i + c) + (reg / 2) ||theta||^2``.

    Parameters
    ----------
    A : array of shape (n_rows, rank)
        The rows.
    logits : array of shape (n_rows, n_outputs)
        The given logits; one output for two classes.
    codes : int array of shape (n_rows,)
    reg : float
        Above 0; infinity adds nothing (but for a free c).
    free : bool
        Whether c is found too; it is 0 else.
    tol : float
        The search ends where no entry of the gradient is larger.
    start : array of shape (n_outputs, rank + free), optional
        Where the search begins.

    Returns
    -------
    theta : array of shape (n_outputs, rank)
    c : array of shape (n_outputs,)
    """
    (n, rank), k = A.shape, logits.shape[1]
    columns = np.column_stack([A, np.ones(n)]) if free else A
    bound = np.ones(columns.shape[1])
    if free:
        bound[-1] = 0.0
    if np.isinf(reg):
        columns, bound = columns[:, rank:], bound[rank:]
    truth = codes[:, None] == 1 if k == 1 else codes[:, None] == np.arange(k)

    def cost(flat: Array) -> tuple[float, Array]:
        theta = flat.reshape(k, -1)
        z = logits + columns @ theta.T
        p = expit(z) if k == 1 else softmax(z, axis=1)
        penalty = theta * bound * (0.0 if np.isinf(reg) else reg)
        gradient = ((p - truth).T @ columns) / n + penalty
        return float(label_losses(z, codes).mean() + 0.5 * (penalty * theta).sum()), gradient.ravel()

    if columns.shape[1]:
        first = np.zeros((k, columns.shape[1])) if start is None or np.isinf(reg) else start
        options = {"maxiter": _MOST_ROUNDS, "gtol": tol, "ftol": 0.0, "maxcor": 20}
        found = minimize(cost, first.ravel(), jac=True, method="L-BFGS-B", options=options).x.reshape(k, -1)
    else:
        found = np.zeros((k, 0))
    c = found[:, -1] if free else np.zeros(k)
    return (np.zeros((k, rank)) if np.isinf(reg) else found[:, :rank]), c


def log_loss_left_out(rows: PriorRows, logits: Array, codes: Array, regs: Array, folds: Array, tol: float) -> Array:
    """Mean log-loss of held-out labels for each strength, from the strongest on, each search begun where the last ended.

    Parameters
    ----------
    rows, logits, codes
        Of the known rows, as for `fit_biased`.
    regs : array of shape (n_regs,)
        Rising.
    folds : int array of shape (n_rows,)
        The fold of each row; a single row is predicted by what was given.
    tol : float
        Of `fit_biased`.

    Returns
    -------
    losses : array of shape (n_regs,)
    """
    A, n = rows.rows, len(codes)
    losses = np.zeros(len(regs))
    for fold in np.unique(folds):
        out = folds == fold
        start: Array | None = None
        for j in range(len(regs) - 1, -1, -1):
            z = logits[out]
            if not out.all():
                theta, c = fit_biased(
                    A[~out], logits[~out], codes[~out], regs[j], free=not rows.intercept, tol=tol, start=start
                )
                start = theta if rows.intercept else np.column_stack([theta, c])
                z = z + A[out] @ theta.T + c
            losses[j] += label_losses(z, codes[out]).sum() / n
    return losses
