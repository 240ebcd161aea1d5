"""CAGrad: near the mean gradient, the direction in which the worst task gains most (Liu et al., NeurIPS 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from ....core.constraints import Interval
from .balancer import GradientBalancer

__all__ = ["CAGrad"]


class CAGrad(GradientBalancer):
    """``max_d min_i <g_i, d>`` over ``|d - g_0| <= c |g_0|``, g_0 the mean gradient (eq. 2).

    Parameters
    ----------
    c : float in [0, 1), default=0.5
        Radius; 0 is the mean gradient, and it converges to a minimum of the mean loss for c < 1 (theorem 3.2).

    Notes
    -----
    Solved through the dual, ``min_w <g_w, g_0> + c |g_0| |g_w|`` on the simplex (eq. 3), by sequential quadratic programming
    on the scalar products, as in the authors' code; then ``d = g_0 + c |g_0| g_w / |g_w|``. That code divides d by
    ``1 + c^2`` besides, which is left to the learning rate.
    """

    rules: ClassVar = {"c": Interval(float, 0, 1, closed="left")}

    def __init__(self, kinds: Sequence[str], seed: int = 0, *, c: float = 0.5) -> None:
        super().__init__(kinds, seed)
        self.c = c

    def direction(self, jacobian: Tensor) -> Tensor:
        """The mean gradient, turned towards the worst task."""
        m = len(jacobian)
        gram = (jacobian @ jacobian.T).double().cpu().numpy()
        scale = np.trace(gram) / m
        if scale <= 0:
            return jacobian.mean(dim=0)
        gram = gram / scale  # the solver's tolerance is absolute
        mean = gram.mean(axis=1)
        radius = self.c * np.sqrt(max(mean.mean(), 0.0))

        def dual(w: np.ndarray) -> tuple[float, np.ndarray]:
            slope = gram @ w
            length = np.sqrt(max(w @ slope, 1e-16))
            return w @ mean + radius * length, mean + radius * slope / length

        simplex = {"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(m)}
        found = minimize(
            dual, np.full(m, 1 / m), jac=True, bounds=[(0, 1)] * m, constraints=simplex, method="SLSQP", tol=1e-10
        ).x
        weights = 1 / m + radius * found / np.sqrt(max(found @ gram @ found, 1e-16))
        return torch.as_tensor(weights).to(jacobian) @ jacobian
