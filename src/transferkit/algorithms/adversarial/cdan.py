"""CDAN: the critic sees features together with what the classifier makes of them, so that classes are aligned too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...core.constraints import Boolean, Either, Interval, Nothing
from ...engine.adaptation.alignment import Joint
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.training.settings import Training
from ...ops.nn.discriminator import Discriminator, domain_accuracy, domain_loss
from ...ops.nn.grad_reverse import grad_reverse, reversal_weight
from ...ops.nn.multilinear import MultilinearMap

CARD = {
    "class": "CDAN",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Long, Cao, Wang & Jordan. Conditional Adversarial Domain Adaptation. NeurIPS 2018.",
    "url": "https://arxiv.org/abs/1705.10667",
}

__all__ = ["CDAN"]


class CDAN(NetworkAdaptation):
    """Fool a critic that is given the product of every feature with every class probability.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, as for `DANN`: a small network or a pretrained one by name, or a torch Module; "auto" is a small one.
    bottleneck : int in [1, inf) or None, default=256
        Width of the layer that is aligned, between body and head; None is no such layer.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps features to classes.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    trade_off : float in [0, inf), default=1.0
        Weight of the term.
    entropy : bool, default=True
        Whether sure rows weigh more in the critic's loss (CDAN+E).
    n_random : int in [1, inf) or None, default=None
        Dimensions of a random multilinear map; None is the full product up to 4096 dimensions and 1024 random ones
        above, as in the paper.
    hidden : int in [1, inf), default=256
        Width of the critic's two layers; 1024 in the paper.
    batch_norm : bool, default=True
        Whether the critic normalises its layers over the batch of both domains, as TLlib's does.
    sharpness : float in (0, inf), default=10.0
        How fast the reversal grows with the share of the training that is done.
    training : Training, default=None
        Epochs (passes over the longer domain), learning rate, batch size (rows of each domain) and all else; None is
        ``Training()``.
    task : {"auto", "classification", "multilabel", "regression"}, default="auto"
        What the labels are; "auto" decides from them.
    random_state : int, RandomState or None, default=0
        Seed of the first weights, the batches and the augmentation.

    Attributes
    ----------
    network_ : Network
        Body, bottleneck and head, trained.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        Of the source.
    history_ : list of dict
        One row an epoch: ``train/task``, ``train/transfer`` and the label-free scores that `DANN` lists.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        The body's name, and the SHA-256 of its first weights.
    facts_ : dict
        What the report shows, with the last scores, the target's class shares, ``collapsed`` and ``diverged``.
    n_features_in_ : int
        Width of the rows, where they are vectors.
    feature_names_in_ : array of shape (n_features_in_,)
        Column names, where the rows are a data frame.

    Notes
    -----
    Minimises ``L_source`` and, through a gradient reversal as in `DANN`, the critic's loss on ``T(f, g)`` (eqs. 1, 2, 5):
    the outer product of features f and probabilities g, or its random form ``(R_f f) * (R_g g) / sqrt(d)`` (eq. 6). With
    `entropy`, rows weigh ``1 + exp(-H(g))`` within their domain (eq. 8). No gradient flows through g or the weights, as in
    TLlib; the authors' first code reversed that of the weights, too.

    References
    ----------
    Long, Cao, Wang & Jordan. Conditional Adversarial Domain Adaptation. NeurIPS 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CDAN, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = CDAN("small:mlp?hidden=16", bottleneck=8, hidden=16, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "entropy": Boolean(),
        "n_random": Either(Nothing(), Interval(int, 1)),
        "hidden": Interval(int, 1),
        "batch_norm": Boolean(),
        "sharpness": Interval(float, 0, closed="neither"),
    }
    _test_params: ClassVar = {"hidden": 16}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 1.0,
        entropy: bool = True,
        n_random: int | None = None,
        hidden: int = 256,
        batch_norm: bool = True,
        sharpness: float = 10.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.entropy = entropy
        self.n_random = n_random
        self.hidden = hidden
        self.batch_norm = batch_norm
        self.sharpness = sharpness
        self.training = training
        self.task = task
        self.random_state = random_state

    def _term(self, fit: DomainFit) -> nn.Module:
        product = MultilinearMap(fit.network.n_features, fit.labels.n_outputs, self.n_random)
        critic = Discriminator(product.n_features, self.hidden, self.batch_norm)
        return _ConditionalCritic(product, critic, self.entropy, self.sharpness)


class _ConditionalCritic(nn.Module):
    """The critic's loss on reversed products of features and probabilities."""

    def __init__(self, product: MultilinearMap, critic: Discriminator, entropy: bool, sharpness: float) -> None:
        super().__init__()
        self.product, self.critic, self.entropy, self.sharpness = product, critic, entropy, sharpness

    def forward(self, joint: Joint, progress: float) -> Mapping[str, Tensor]:
        proba = joint.outputs.detach().float().softmax(dim=1)
        h = grad_reverse(self.product(joint.z, proba), reversal_weight(progress, self.sharpness))
        logits = self.critic(h)
        weight = 1 + torch.exp(torch.special.entr(proba).sum(dim=1).neg()) if self.entropy else None
        return {"loss": domain_loss(logits, joint.n, weight), "critic": domain_accuracy(logits, joint.n)}
