"""A support vector machine with a mixture of labellings: multiple kernel learning where each labelling makes a kernel."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh
from sklearn.svm import OneClassSVM

from ..core.protocols import Array

__all__ = ["LabelMixture", "highest", "most_violating", "on_the_simplex", "symmetric_root"]

_MOST_TURNS, _TURN_TOL = 100, 1e-3


class LabelMixture:
    """``min_d max_a - sum_m d_m (a*y_m)'K(a*y_m) / 2 - a'Sa / 2``, found by turns; a sums to 1, d is of norm 1, none negative.

    Parameters
    ----------
    kernel : array of shape (n, n)
        K.
    labellings : array of shape (n, n_labellings)
        Of signs, the y.
    slack : array of shape (n,)
        Positive, the diagonal of S.
    norm : float
        Of d, at least 1.

    Attributes
    ----------
    weights : array of shape (n,)
        a.
    mixture : array of shape (n_labellings,)
        d.
    objective : float
        The value, to 0.1 percent.
    margin : float
        What ``(sum_m d_m K * y_m y_m' + S) a`` is wherever a row has a weight.
    """

    def __init__(self, kernel: Array, labellings: Array, slack: Array, norm: float) -> None:
        self.labellings = labellings
        self.weights = np.empty(0)
        m = labellings.shape[1]
        self.mixture = np.full(m, m ** (-1 / norm))
        self.objective = np.inf
        for turn in range(_MOST_TURNS):
            if turn:
                signed = labellings * self.weights[:, None]
                lengths = np.maximum(np.einsum("im,im->m", signed, kernel @ signed), 0)
                raised = (self.mixture**2 * lengths) ** (1 / (norm + 1))
                if not raised.any():  # nothing to gain from any labelling
                    break
                self.mixture = raised / (raised**norm).sum() ** (1 / norm)
            mixed = kernel * ((labellings * self.mixture) @ labellings.T)
            mixed[np.diag_indices(len(mixed))] += slack
            self.weights = on_the_simplex(mixed)
            self.margin = float(self.weights @ mixed @ self.weights)
            before, self.objective = self.objective, -0.5 * self.margin
            if m == 1 or before - self.objective <= _TURN_TOL * abs(self.objective):
                break


def on_the_simplex(Q: Array) -> Array:
    """argmin ``a'Qa`` over non-negative a that sum to 1: a one-class machine whose nu leaves one row's weight."""
    if len(Q) == 1:
        return np.ones(1)
    machine = OneClassSVM(kernel="precomputed", nu=1 / len(Q), tol=1e-5)
    machine.random_state = 0  # which its constructor does not take; it would draw from numpy's global generator
    machine.fit(Q)
    weights = np.zeros(len(Q))
    weights[machine.support_] = machine.dual_coef_[0]
    return weights


def symmetric_root(kernel: Array) -> Array:
    """The positive semidefinite R with ``R R`` the kernel."""
    values, vectors = eigh(kernel, driver="evd")
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T)


def highest(scores: Array, n_positive: int) -> Array:
    """1 for the highest scores, as many as asked, and -1 for the others, in each column."""
    signs = np.full(scores.shape, -1.0)
    np.put_along_axis(signs, np.argsort(-scores, axis=0, kind="stable")[:n_positive], 1.0, axis=0)
    return signs


def most_violating(root: Array, weights: Array, given: Array, n_positive: int) -> Array:
    """A labelling for which ``|root (a*y)|`` is large: the best of those that fit a column or its negative.

    Parameters
    ----------
    root : array of shape (n, n)
        Of the kernel.
    weights : array of shape (n,)
        The a.
    given : array of shape (n_given,)
        Labels of the first rows.
    n_positive : int
        How many of the others are positive.
    """
    n = len(given)
    columns = weights[:, None] * np.concatenate([root, -root], axis=1)
    free = highest(columns[n:], n_positive)
    sums = np.abs(given @ columns[:n] + (free * columns[n:]).sum(axis=0))
    return np.concatenate([given, free[:, sums.argmax()]])
