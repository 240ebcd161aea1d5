"""Full-context embeddings: every row of a task is embedded in the light of its whole support (Vinyals et al., NeurIPS 2016)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["FullContext"]


class FullContext(nn.Module):
    """Embeds the support by a bidirectional LSTM over it, and a query by an LSTM that reads the support by attention.

    Parameters
    ----------
    n_features : int
    n_steps : int
        How often a query reads the support.

    Notes
    -----
    With the features ``g'`` and ``f'`` (paper, appendix A): ``g_i = forward_i + backward_i + g'_i``; and in every step
    ``h^, c = LSTM(f', [h, r], c)``, ``h = h^ + f'`` and ``r = sum_i softmax_i(h . g_i) g_i``, from zeros; f is the last h.
    The LSTM on the pair ``[h, r]`` is a cell that takes ``[f', r]`` and remembers h: both multiply all three by free matrices.
    """

    def __init__(self, n_features: int, n_steps: int) -> None:
        super().__init__()
        self.n_steps = n_steps
        self.along = nn.LSTM(n_features, n_features, bidirectional=True, batch_first=True)
        self.read = nn.LSTMCell(2 * n_features, n_features)

    def support(self, z: Tensor) -> Tensor:
        """Embedded support from features of shape (n_tasks, n_support, n_features)."""
        ahead, back = self.along(z)[0].chunk(2, dim=-1)
        return ahead + back + z

    def queries(self, z: Tensor, support: Tensor) -> Tensor:
        """Embedded queries of shape (n_tasks, n_query, n_features), each by itself in the light of the embedded support."""
        flat = z.flatten(0, 1)
        h = c = r = torch.zeros_like(flat)
        for _ in range(self.n_steps):
            h, c = self.read(torch.cat([flat, r], dim=1), (h, c))
            h = h + flat
            weights = (h.view_as(z) @ support.transpose(1, 2)).softmax(dim=-1)
            r = (weights @ support).flatten(0, 1)
        return h.view_as(z)
