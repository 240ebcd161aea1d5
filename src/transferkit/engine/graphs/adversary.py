"""A critic that tells two graphs apart behind a reversed gradient, and the entropy of the target's predictions."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...ops.nn.entropy import mean_entropy
from ...ops.nn.grad_reverse import grad_reverse
from .objective import GraphJoint

__all__ = ["GraphAdversary"]


class GraphAdversary(nn.Module):
    """What UDAGCN and ASN add to the source's loss: ``weight * domain + progress * entropy * H``.

    Parameters
    ----------
    width : int
        Of the features.
    hidden : int
        Width of the critic's hidden layer.
    dropout : float in [0, 1)
        Share of that layer's outputs that is set to zero.
    reversal : float
        Largest weight of the reversed gradient; until then it is the share of the training that is done.
    entropy : float
        Weight of the entropy at the end of the training; it grows to that from 0.
    several : bool
        Whether nodes have several labels: the entropy is then that of each of them.
    weight : float
        Of the critic's loss, for the critic too: its cross-entropies of both domains, one mean each.
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        dropout: float,
        reversal: float,
        entropy: float,
        several: bool,
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.critic = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 1))
        self.reversal, self.entropy, self.several, self.weight = reversal, entropy, several, weight

    def forward(self, joint: GraphJoint, progress: float) -> Mapping[str, Tensor]:
        """``loss``, and its parts ``domain`` and ``entropy`` without their weights."""
        reversed_ = grad_reverse(joint.z, min(progress, self.reversal))
        logits = self.critic(reversed_)[:, 0].float()
        rule = functional.binary_cross_entropy_with_logits
        ones = torch.ones_like(logits)
        domain = rule(logits[: joint.n], ones[: joint.n]) + rule(logits[joint.n :], 0 * ones[joint.n :])
        outputs = joint.target.outputs
        if self.several:  # each label by itself: yes or no
            outputs = torch.stack([outputs.flatten(), torch.zeros_like(outputs).flatten()], dim=1)
        entropy = mean_entropy(outputs)
        return {"loss": self.weight * domain + progress * self.entropy * entropy, "domain": domain, "entropy": entropy}
