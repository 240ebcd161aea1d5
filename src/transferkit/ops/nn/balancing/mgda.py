"""MGDA: the shortest convex mixture of the gradients, along which no task gets worse (Sener & Koltun, NeurIPS 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ....core.constraints import Boolean
from ....core.protocols import Array
from .balancer import GradientBalancer

__all__ = ["MGDA", "min_norm_weights"]


def min_norm_weights(gram: Array, max_iter: int = 250, tol: float = 1e-12) -> Array:
    """Weights on the simplex that minimise ``w^T gram w``.

    Parameters
    ----------
    gram : array of shape (n_tasks, n_tasks)
        Scalar products of the gradients.
    max_iter : int
        Most steps for three tasks or more.
    tol : float
        Relative gap at which these end.

    Returns
    -------
    array of shape (n_tasks,)

    Notes
    -----
    In closed form for two (eq. 4); else by Frank-Wolfe with exact line search (algorithm 2), with steps away from a vertex
    (Guelat & Marcotte 1986), without which it creeps along the faces of the simplex.
    """
    m = len(gram)
    if m == 2:
        span = gram[0, 0] - 2 * gram[0, 1] + gram[1, 1]
        first = 0.5 if span <= 0 else float(np.clip((gram[1, 1] - gram[0, 1]) / span, 0, 1))
        return np.array([first, 1 - first])
    w = np.full(m, 1 / m)
    for _ in range(max_iter):
        slope = gram @ w
        value = w @ slope
        low, used = int(slope.argmin()), np.flatnonzero(w > 0)
        high = int(used[slope[used].argmax()])
        if value - slope[low] <= tol * max(np.trace(gram), 1e-300):
            break
        if value - slope[low] >= slope[high] - value or w[high] == 1:
            step, most = -w, 1.0
            step[low] += 1
        else:
            step, most = w.copy(), w[high] / (1 - w[high])
            step[high] -= 1
        curve = step @ gram @ step
        size = most if curve <= 0 else min(most, -(step @ slope) / curve)
        w = np.clip(w + size * step, 0, None)
        w /= w.sum()
    return w


class MGDA(GradientBalancer):
    """The min-norm point of the gradients' convex hull: zero exactly where no direction helps all tasks.

    Parameters
    ----------
    normalise : bool, default=False
        Whether each gradient is scaled to length 1 before the weights are sought: else the smallest leads.

    Notes
    -----
    On the shared representation it is the paper's MGDA-UB (section 3.3). Heads descend on their own losses, which the
    authors' code weighs, too. A task without a gradient, as one without a labelled row in the batch, is left out: it
    would switch the others off.
    """

    on_representation: ClassVar[bool] = True
    rules: ClassVar = {"normalise": Boolean()}

    def __init__(self, kinds: Sequence[str], seed: int = 0, *, normalise: bool = False) -> None:
        super().__init__(kinds, seed)
        self.normalise = normalise

    def direction(self, jacobian: Tensor) -> Tensor:
        """The shortest mixture."""
        rows = jacobian / jacobian.norm(dim=1, keepdim=True).clamp_min(1e-12) if self.normalise else jacobian
        gram = (rows @ rows.T).double().cpu().numpy()
        here = np.diag(gram) > 0
        weights = np.zeros(len(gram))
        if here.any():
            weights[here] = min_norm_weights(gram[np.ix_(here, here)])
        return torch.as_tensor(weights).to(jacobian) @ jacobian
