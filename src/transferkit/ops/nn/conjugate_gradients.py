"""Conjugate gradients: a linear system solved by products with its matrix alone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["conjugate_gradients"]

Vector = dict[str, Tensor]


def conjugate_gradients(system: Callable[[Vector], Vector], b: Vector, n_steps: int) -> Vector:
    """``v`` with ``system(v) = b``, from zero, for a symmetric positive definite system.

    Parameters
    ----------
    system : callable
        The product of the matrix with a vector.
    b : dict of str to tensor
        A vector in parts, such as the gradient of each weight.
    n_steps : int
        As many as `b` has entries solve it but for rounding. A step from the solution stays there.

    Returns
    -------
    dict of str to tensor

    Notes
    -----
    The number of steps is fixed and no value is looked at, so that `torch.func.vmap` can solve many systems at once.

    References
    ----------
    Hestenes & Stiefel. Methods of Conjugate Gradients for Solving Linear Systems. 1952.

    Examples
    --------
    >>> import torch
    >>> from transferkit.ops.nn.conjugate_gradients import conjugate_gradients
    >>> A = torch.tensor([[4.0, 1.0], [1.0, 3.0]])
    >>> conjugate_gradients(lambda v: {"a": A @ v["a"]}, {"a": torch.tensor([1.0, 2.0])}, 2)["a"]
    tensor([0.0909, 0.6364])
    """
    v = {k: torch.zeros_like(w) for k, w in b.items()}
    rest, direction = dict(b), dict(b)
    size = _dot(rest, rest)
    for _ in range(n_steps):
        image = system(direction)
        curve = _dot(direction, image)
        step = torch.where(size > 0, size / torch.where(curve == 0, 1.0, curve), 0.0)
        v = {k: w + step * direction[k] for k, w in v.items()}
        rest = {k: w - step * image[k] for k, w in rest.items()}
        new = _dot(rest, rest)
        ratio = torch.where(size > 0, new / torch.where(size == 0, 1.0, size), 0.0)
        direction = {k: w + ratio * direction[k] for k, w in rest.items()}
        size = new
    return v


def _dot(a: Vector, b: Vector) -> Tensor:
    return torch.stack([(a[k] * b[k]).sum() for k in a]).sum()
