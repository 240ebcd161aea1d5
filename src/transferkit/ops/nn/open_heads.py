"""Heads for classes that know of rows of no class: an output more than there are classes, the last, for the unknown.

The largest output decides, as with any head: the last one is the largest where the method's own rule calls a row unknown.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .discriminator import Discriminator
from .heads import Head

__all__ = ["OneVsAllHead", "SharedHead", "shared"]


class OneVsAllHead(nn.Module):
    """A head for the classes, and beside it a choice of two for each class: of this class, or not (OVANet).

    Parameters
    ----------
    n_features, n_outputs : int
        Width of the input, and number of known classes.
    kind : {"linear", "mlp", "adapter", "cosine"}
    dropout : float in [0, 1)
        Both of the head for the classes, as in `Head`.

    Attributes
    ----------
    spec : dict
        The parameters, so that ``OneVsAllHead(**spec)`` is the same skeleton.
    closed : Head
        For the known classes alone.
    weight : Parameter of shape (2, n_outputs, n_features)
        Of the choices: not of the class, and of it. A row of it counts by its direction only.
    """

    def __init__(self, n_features: int, n_outputs: int, kind: str = "linear", dropout: float = 0.0) -> None:
        super().__init__()
        self.spec: dict[str, Any] = {
            "n_features": n_features, "n_outputs": n_outputs, "kind": kind, "dropout": dropout,
        }  # fmt: skip
        self.closed = Head(n_features, n_outputs, kind, dropout)
        self.weight = nn.Parameter(torch.randn(2, n_outputs, n_features))

    def margins(self, z: Tensor) -> Tensor:
        """Log odds that a row is of a class and not of none or another, of shape (batch, n_outputs)."""
        direction = functional.normalize(self.weight, dim=2)
        return functional.linear(z, direction[1] - direction[0]).float()

    def forward(self, z: Tensor) -> Tensor:
        """Logits of shape (batch, n_outputs + 1). The best class is to the unknown as its own choice has it."""
        logits = self.closed(z).float()
        best, k = logits.max(dim=1, keepdim=True)
        return torch.cat([logits, best - self.margins(z).gather(1, k)], dim=1)


class SharedHead(nn.Module):
    """A head for the classes, and a critic of domains; a row that is unsure and unlike the source is unknown (UAN).

    Parameters
    ----------
    n_features, n_outputs : int
        Width of the input, and number of known classes.
    kind : {"linear", "mlp", "adapter", "cosine"}
    dropout : float in [0, 1)
        Both of the head for the classes, as in `Head`.
    hidden : int
        Width of the critic.
    threshold : float
        Rows that are `shared` less than this are unknown.

    Attributes
    ----------
    spec : dict
        The parameters, so that ``SharedHead(**spec)`` is the same skeleton.
    closed : Head
        For the known classes alone.
    critic : Discriminator
    """

    def __init__(
        self,
        n_features: int,
        n_outputs: int,
        kind: str = "linear",
        dropout: float = 0.0,
        hidden: int = 1024,
        threshold: float = -0.5,
    ) -> None:
        super().__init__()
        self.spec: dict[str, Any] = {
            "n_features": n_features, "n_outputs": n_outputs, "kind": kind, "dropout": dropout, "hidden": hidden,
            "threshold": threshold,
        }  # fmt: skip
        self.closed = Head(n_features, n_outputs, kind, dropout)
        self.critic = Discriminator(n_features, hidden, batch_norm=False)

    def forward(self, z: Tensor) -> Tensor:
        """Logits of shape (batch, n_outputs + 1). The last is above the best class by what is missing to the threshold."""
        logits = self.closed(z).float()
        missing = self.spec["threshold"] - shared(logits, self.critic(z))
        return torch.cat([logits, (logits.amax(dim=1) + missing)[:, None]], dim=1)


def shared(logits: Tensor, critic: Tensor, temperature: float = 1.0) -> Tensor:
    """How likely rows are of a class that both domains have: the critic's probability of the source less the entropy.

    Parameters
    ----------
    logits : tensor of shape (batch, n_classes)
    critic : tensor of shape (batch,)
        The critic's logit of the source.
    temperature : float
        What `logits` are divided by before.

    Returns
    -------
    tensor of shape (batch,)
        In [-1, 1]: the entropy is divided by the largest one.
    """
    p = (logits.float() / temperature).softmax(dim=1)
    return torch.sigmoid(critic.float()) - torch.special.entr(p).sum(dim=1) / math.log(p.shape[1])
