"""The contrastive domain discrepancy, and the clusters that it takes for the target's classes (Kang et al., CVPR 2019)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["contrastive_discrepancy", "spherical_clusters"]

_MAX_ITER = 100


def contrastive_discrepancy(kernel: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared MMD between the domains within classes, and between different classes.

    Parameters
    ----------
    kernel : tensor of shape (2 * n_rows, 2 * n_rows)
        Of the source's rows, then of the target's.
    codes : int64 tensor of shape (n_rows,)
        Class of a row, 0, 1, ...; the same for both domains.

    Returns
    -------
    within, between : tensor of shape ()
        Their difference is the discrepancy; `between` is 0 where there is one class only.
    """
    member = functional.one_hot(codes).to(kernel.dtype)
    mean = member / member.sum(dim=0)
    n, k = member.shape
    own_s = (mean.T @ kernel[:n, :n] @ mean).diagonal()
    own_t = (mean.T @ kernel[n:, n:] @ mean).diagonal()
    d = own_s[:, None] + own_t[None] - 2 * mean.T @ kernel[:n, n:] @ mean
    within = d.diagonal().mean()
    return within, (d.sum() - d.trace()) / (k * (k - 1)) if k > 1 else torch.zeros_like(within)


def spherical_clusters(u_s: Tensor, y: Tensor, u_t: Tensor, n_classes: int) -> tuple[Tensor, Tensor]:
    """Spherical k-means of one domain, begun at the class means of the other.

    Parameters
    ----------
    u_s, u_t : tensor of shape (n_rows, n_features)
        Unit rows.
    y : int64 tensor of shape (n_rows,)
        Classes of `u_s`.
    n_classes : int
        A class without a row in `u_s` gets no cluster.

    Returns
    -------
    labels : int64 tensor of shape (n_target,)
    distance : tensor of shape (n_target,)
        From the centre of a row's own cluster, ``(1 - cosine) / 2``.
    """
    centres = functional.normalize(functional.one_hot(y, n_classes).to(u_s.dtype).T @ u_s)
    absent = torch.bincount(y, minlength=n_classes) == 0
    labels = torch.full((len(u_t),), -1)
    for _ in range(_MAX_ITER):
        cosine = (u_t @ centres.T).masked_fill(absent, -2.0)
        found = cosine.argmax(dim=1)
        if torch.equal(found, labels):
            break
        labels = found
        sums = functional.one_hot(labels, n_classes).to(u_t.dtype).T @ u_t
        centres = torch.where(sums.norm(dim=1, keepdim=True) > 0, functional.normalize(sums), centres)
    return labels, (1 - cosine.gather(1, labels[:, None])[:, 0]) / 2
