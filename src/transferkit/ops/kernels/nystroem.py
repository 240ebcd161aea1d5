"""The rbf kernel of many rows through a few of them: component problems in time and memory linear in the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ...core.errors import ParamError
from ...core.protocols import Array
from ..covariance import matrix_power
from .gaussian import rbf
from .mmd import ComponentProblem

__all__ = ["NystroemProblem", "kernel_problem", "nystroem"]


def nystroem(X: Array, gamma: float, n_landmarks: int, random_state: Any = None) -> tuple[Array, Array]:
    """Landmarks L among the rows, and R with ``k(X, L) R R' k(L, X)`` near the kernel matrix ``k(X, X)``.

    Landmarks are drawn without replacement, each row alike. With all rows as landmarks the kernel is exact; the wider it is,
    the fewer are needed.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Rows.
    gamma : float
        Of ``exp(-gamma ||x - y||^2)``.
    n_landmarks : int
        How many; all rows where there are fewer.
    random_state : int, RandomState or None
        Draws them.

    Returns
    -------
    landmarks : array of shape (n_drawn, n_features)
    root : array of shape (n_drawn, n_drawn)
        ``k(L, L)`` to the power -1/2, without its directions below 1e-10 of the largest.

    References
    ----------
    Williams & Seeger. Using the Nyström Method to Speed Up Kernel Machines. NIPS 2000.
    """
    drawn = check_random_state(random_state).permutation(len(X))[:n_landmarks]
    landmarks = X[np.sort(drawn)]
    return landmarks, matrix_power(rbf(landmarks, landmarks, gamma), -0.5)


class NystroemProblem:
    """`ComponentProblem` for the rbf kernel, with components that are weights of landmarks.

    The kernel matrix in it is the approximation of `nystroem`, of which the problem is then solved exactly: in
    O(n m d + n m^2 + m^3) time and O(n m) memory for n rows and m landmarks.

    Parameters
    ----------
    X, gamma, n_landmarks, random_state
        As of `nystroem`.

    Attributes
    ----------
    landmarks : array of shape (n_drawn, n_features)
    """

    def __init__(self, X: Array, gamma: float, n_landmarks: int, random_state: Any = None) -> None:
        self.landmarks, self._root = nystroem(X, gamma, n_landmarks, random_state)
        self._problem = ComponentProblem(rbf(X, self.landmarks, gamma) @ self._root, "linear", None)

    def solve(self, E: Array, reg: float, k: int) -> Array:
        """The first k components: what kernel values with the landmarks are multiplied with, (n_drawn, n_components)."""
        return self._root @ self._problem.solve(E, reg, k)


def kernel_problem(
    where: str,
    X: Array,
    kernel: str,
    gamma: float | None,
    approx: str | None,
    n_landmarks: int,
    random_state: Any = None,
) -> tuple[ComponentProblem | NystroemProblem, Array | None]:
    """The component problem of a kernel, exact or approximate, and the rows that the rbf kernel compares with.

    Parameters
    ----------
    where : str
        What an error begins with, as "JDA.fit".
    X : array of shape (n_samples, n_features)
        Rows of both domains.
    kernel, gamma
        As of `ComponentProblem`; gamma is None for all kernels but "rbf".
    approx : {None, "nystroem"}
    n_landmarks, random_state
        As of `nystroem`.

    Returns
    -------
    problem : ComponentProblem or NystroemProblem
    rows : array of shape (n_rows, n_features) or None
        All rows or the landmarks; None where the components are weights of features.

    Raises
    ------
    ParamError
        If `approx` is given for another kernel.
    """
    if approx is None:
        return ComponentProblem(X, kernel, gamma), None if gamma is None else X
    if gamma is None:
        raise ParamError(f"{where}: approx must be None unless kernel='rbf'. Got {approx!r}.")
    problem = NystroemProblem(X, gamma, n_landmarks, random_state)
    return problem, problem.landmarks
