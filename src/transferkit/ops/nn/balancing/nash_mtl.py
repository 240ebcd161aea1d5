"""Nash-MTL: the tasks bargain for the direction; the answer does not depend on their scales (Navon et al., ICML 2022)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ....core.protocols import Array
from .balancer import GradientBalancer

__all__ = ["NashMTL", "bargain"]


def bargain(gram: Array, max_iter: int = 50, tol: float = 1e-10) -> Array:
    """Weights with ``gram @ w = 1 / w``, all positive.

    Parameters
    ----------
    gram : array of shape (n_tasks, n_tasks)
        Scalar products of the gradients, positive semi-definite.
    max_iter : int
        Most Newton steps.
    tol : float
        Newton decrement at which they end.

    Returns
    -------
    array of shape (n_tasks,)

    Notes
    -----
    The equation (claim 3.1) is where the gradient of the convex ``w^T gram w / 2 - sum log w`` vanishes, so damped Newton
    steps find it, where the authors solve a sequence of convex programs. Where gradients cancel, the weights would grow
    without bound; a millionth of the mean diagonal holds them.
    """
    m = len(gram)
    gram = gram + 1e-6 * max(np.trace(gram) / m, 1e-300) * np.eye(m)
    w = 1 / np.sqrt(np.diag(gram) + np.abs(gram).sum(axis=1))
    for _ in range(max_iter):
        slope = gram @ w - 1 / w
        step = -np.linalg.solve(gram + np.diag(w**-2), slope)
        decrement = np.sqrt(max(-slope @ step, 0.0))
        size = 1.0 if decrement < 0.25 else 1 / (1 + decrement)  # the function is self-concordant
        w = w + size * step
        if decrement < tol:
            break
    return w


class NashMTL(GradientBalancer):
    """``d = sum_i w_i g_i`` with ``<g_i, d> = 1 / w_i``: the product of the tasks' gains is largest in this direction.

    Notes
    -----
    As in the authors' code the scalar products are divided by their Frobenius norm first, so that d is as long as
    gradients are. Their cut at norm 1 is the training's ``clip``; weights are sought with every update. Heads descend on
    their own losses, which that code weighs, too.
    """

    def direction(self, jacobian: Tensor) -> Tensor:
        """The bargained direction."""
        gram = (jacobian @ jacobian.T).double().cpu().numpy()
        norm = np.linalg.norm(gram)
        if norm <= 0:
            return jacobian.sum(dim=0)
        dead = np.diag(gram) <= 1e-12 * norm  # a task that nothing moves has nothing to bargain for
        weights = np.zeros(len(gram))
        weights[~dead] = bargain(gram[np.ix_(~dead, ~dead)] / norm)
        return torch.as_tensor(weights).to(jacobian) @ jacobian
