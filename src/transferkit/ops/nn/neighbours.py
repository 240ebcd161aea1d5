"""A memory of features and answers of all rows, and each row's nearest others in it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Memory"]


class Memory(nn.Module):
    """Features of length 1 and probabilities of every row; part of the state of a training.

    Parameters
    ----------
    n_rows, n_features, n_classes : int

    Attributes
    ----------
    z : tensor of shape (n_rows, n_features)
    p : tensor of shape (n_rows, n_classes)
    is_full : bool tensor
        Whether all rows were put in once.
    """

    z: Tensor
    p: Tensor
    is_full: Tensor

    def __init__(self, n_rows: int, n_features: int, n_classes: int) -> None:
        super().__init__()
        self.register_buffer("z", torch.zeros(n_rows, n_features))
        self.register_buffer("p", torch.zeros(n_rows, n_classes))
        self.register_buffer("is_full", torch.tensor(False))

    @torch.no_grad()
    def put(self, rows: Tensor, z: Tensor, p: Tensor) -> None:
        """Features (any length) and probabilities of some rows, in the place of what was there."""
        self.z[rows] = functional.normalize(z.detach().float(), dim=1)
        self.p[rows] = p.detach().float()

    def fill(self, z: Tensor, p: Tensor) -> None:
        """Those of all rows."""
        self.put(torch.arange(len(self.z), device=self.z.device), z, p)
        self.is_full.fill_(True)

    def nearest(self, rows: Tensor, k: int) -> Tensor:
        """The k rows of largest cosine to each of these, itself left out: shape (*rows.shape, min(k, n_rows - 1))."""
        flat = rows.reshape(-1)
        cosine = self.z[flat] @ self.z.T
        cosine[torch.arange(len(flat), device=flat.device), flat] = -torch.inf
        return cosine.topk(min(k, len(self.z) - 1), dim=1).indices.reshape(*rows.shape, -1)
