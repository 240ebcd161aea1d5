"""PCGrad: a gradient loses what points against another task's (Yu et al., NeurIPS 2020)."""

from __future__ import annotations

import torch
from torch import Tensor

from .balancer import GradientBalancer

__all__ = ["PCGrad"]


class PCGrad(GradientBalancer):
    """Each gradient is projected onto the normal planes of those it conflicts with; the results are added (algorithm 1).

    Notes
    -----
    The others come in a random order. Without a conflict this is the sum of the gradients.
    """

    def direction(self, jacobian: Tensor) -> Tensor:
        """The sum of the projected gradients."""
        rng, m = self.drawn(self.progress), len(jacobian)
        gram = (jacobian @ jacobian.T).double().cpu()
        share = torch.eye(m, dtype=torch.float64)  # a projected gradient as a mixture of the given ones
        for i in range(m):
            for j in rng.permutation(m):
                conflict = share[i] @ gram[j]
                if j != i and conflict < 0:
                    share[i, j] -= conflict / gram[j, j]
        return share.sum(dim=0).to(jacobian) @ jacobian
