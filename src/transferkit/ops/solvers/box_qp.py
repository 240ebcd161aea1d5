"""Quadratic programmes in a box, several at once, given as a product with the matrix."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

from ...core.protocols import Array

__all__ = ["solve_box_qp"]

_MOST_ROUNDS = 5000


def solve_box_qp(product: Callable[[Array], Array], linear: Array, high: float, tol: float) -> Array:
    """Minimise ``sum_k a_k.Q_k a_k / 2 - p_k.a_k`` with every entry between 0 and `high`.

    Parameters
    ----------
    product : callable
        Takes a of shape (n_programmes, n) to ``Q_k a_k``, of the same shape; Q is positive semidefinite.
    linear : array of shape (n_programmes, n)
        The vectors p.
    high : float
        Upper end of the box.
    tol : float
        No entry of the projected gradient is larger at the end, for a box of length 1.

    Returns
    -------
    a : array of shape (n_programmes, n)
        Where Q is singular, one of the solutions; ``Q a`` is the same for all of them.
    """

    def cost(flat: Array) -> tuple[float, Array]:
        a = high * flat.reshape(linear.shape)
        Qa = product(a)
        return float((a * (0.5 * Qa - linear)).sum()), (high * (Qa - linear)).ravel()

    options = {"maxiter": _MOST_ROUNDS, "maxfun": 2 * _MOST_ROUNDS, "gtol": tol * high, "ftol": 0.0, "maxcor": 30}
    # Entries in the unit box: the steps of the search are then of the size of the box whatever that is.
    found = minimize(
        cost, np.zeros(linear.size), jac=True, method="L-BFGS-B", bounds=[(0.0, 1.0)] * linear.size, options=options
    )
    return high * found.x.reshape(linear.shape)
