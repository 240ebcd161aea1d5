"""Contrastive training: pairs of rows of one class or of two, and losses that draw the ones together."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...core.protocols import Array

__all__ = ["alike", "cosine_loss", "draw_pairs", "supcon_loss"]


def cosine_loss(first: Tensor, second: Tensor, same: Tensor) -> Tensor:
    """Mean squared difference between cosines and 1 (same class) or 0."""
    return functional.mse_loss(functional.cosine_similarity(first.float(), second.float(), dim=1), same)


def supcon_loss(z: Tensor, same: Tensor, temperature: float) -> Tensor:
    """Mean over rows i, and over rows j of the same class, of ``-log exp(s_ij / t) / sum over k != i of exp(s_ik / t)``."""
    z = functional.normalize(z.float(), dim=1)
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (z @ z.T / temperature).masked_fill(itself, -torch.inf)
    log_p = (logits - logits.logsumexp(dim=1, keepdim=True)).masked_fill(itself, 0.0)
    same = (same & ~itself).float()
    partners = same.sum(dim=1)
    counted = partners > 0
    if not counted.any():
        return z.sum() * 0.0
    return -((same * log_p).sum(dim=1)[counted] / partners[counted]).mean()


def alike(y: Tensor) -> Tensor:
    """Which rows have a class or a label in common, bool of shape (n_rows, n_rows)."""
    return y[:, None] == y[None, :] if y.ndim == 1 else y @ y.T > 0


def draw_pairs(y: Tensor, sampling: str, iterations: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Pairs of rows for contrastive training.

    Parameters
    ----------
    y : tensor of shape (n_rows,) or (n_rows, n_labels)
        Class indices, or 0 and 1 a label.
    sampling : {"rows", "classes", "oversampling", "undersampling", "unique"}
        "rows", "classes": `iterations` pairs of one class and as many of two, for every row or every class. "unique": all
        pairs, a row with itself included; the others repeat, or leave out, until both kinds are as many.
    iterations : int
    rng : Generator

    Returns
    -------
    pairs : int array of shape (n_pairs, 2)
        Row numbers; those of one class first.
    same : bool array of shape (n_pairs,)
        Which pairs are of one class.
    """
    same = alike(y).numpy()
    if sampling == "rows":
        anchors = np.repeat(np.arange(len(y)), iterations)
        near, far = _partners(anchors, same, rng), _partners(anchors, ~same, rng)
    elif sampling == "classes":
        table = y.numpy() > 0 if y.ndim == 2 else y.numpy()[:, None] == np.unique(y.numpy())
        members = [np.flatnonzero(column) for column in table.T if column.any()]
        near, far = (
            _partners(np.concatenate([rng.choice(rows, iterations) for rows in members]), allowed, rng)
            for allowed in (same, ~same)
        )
    else:
        first, second = np.triu_indices(len(y))
        every, kind = np.column_stack([first, second]), same[first, second]
        near, far = rng.permutation(every[kind]), rng.permutation(every[~kind & (first != second)])
        if sampling != "unique" and len(near) and len(far):
            n = (max if sampling == "oversampling" else min)(len(near), len(far))
            near, far = np.resize(near, (n, 2)), np.resize(far, (n, 2))  # the shorter one begins anew
    pairs = np.concatenate([near, far])
    return pairs, np.arange(len(pairs)) < len(near)


def _partners(anchors: Array, allowed: Array, rng: np.random.Generator) -> Array:
    """Each row number with a random other one that is allowed beside it; none where there is none."""
    found = []
    for row, count in zip(*np.unique(anchors, return_counts=True)):
        others = np.flatnonzero(allowed[row])
        others = others[others != row] if len(others) > 1 else others
        if len(others):
            found.append(np.column_stack([np.full(count, row), rng.choice(others, count)]))
    return np.concatenate(found) if found else np.empty((0, 2), dtype=np.int64)
