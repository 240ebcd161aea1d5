"""DAAN: a critic of all rows and one of each class, weighed anew every epoch by how well they still tell the domains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...core.constraints import Boolean, Interval
from ...engine.adaptation.alignment import Joint
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.training.settings import Training
from ...ops.nn.discriminator import Discriminator, domain_accuracy, domain_loss
from ...ops.nn.grad_reverse import grad_reverse, reversal_weight

CARD = {
    "class": "DAAN",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Yu, Wang, Chen & Huang. Transfer Learning with Dynamic Adversarial Adaptation Network. ICDM 2019.",
    "url": "https://arxiv.org/abs/1909.08184",
}

__all__ = ["DAAN"]


class DAAN(NetworkAdaptation):
    """Fool a critic of the whole domains and one of each class, with a factor between them that follows their success.

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
    hidden : int in [1, inf), default=256
        Width of the two layers of every critic.
    batch_norm : bool, default=True
        Whether the critics normalise their layers over the batch of both domains.
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
        One row an epoch: ``train/task``, ``train/transfer``, its parts ``train/global`` and ``train/local``,
        ``train/factor`` (the share of the local critics), and the label-free scores that `DANN` lists.
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
    Minimises ``L_source + trade_off * ((1 - w) L_g + w L_l)`` through a gradient reversal as in `DANN`: L_g is the loss
    of a critic of the features, L_l the mean over the classes of the loss of that class's critic, which sees the
    features times the class's probability. The dynamic factor is ``w = d_l / (d_g + d_l)``, with the A-distances ``d =
    2 (1 - 2 error)`` of the critics over the last epoch (their mean for the classes, none below 0); it is 1/2 in the
    first epoch, and where no critic tells anything. Three choices are those of the authors' code: which share goes to
    which part, the 1/2 at the start, and that gradients flow through the probabilities. Differences: errors are
    counted, where that code puts the loss in their place; and L_l is a mean, where it is a sum that grows with the
    classes.

    A step costs the passes of ``1 + n_classes`` critics more than plain training on both domains.

    References
    ----------
    Yu, Wang, Chen & Huang. Transfer Learning with Dynamic Adversarial Adaptation Network. ICDM 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import DAAN, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = DAAN("small:mlp?hidden=16", bottleneck=8, hidden=16, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
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
        self.hidden = hidden
        self.batch_norm = batch_norm
        self.sharpness = sharpness
        self.training = training
        self.task = task
        self.random_state = random_state

    def _term(self, fit: DomainFit) -> nn.Module:
        critics = [
            Discriminator(fit.network.n_features, self.hidden, self.batch_norm) for _ in range(1 + fit.labels.n_outputs)
        ]
        return _Critics(critics, self.sharpness, fit.training.n_epochs)


class _Critics(nn.Module):
    """The loss of a critic of all rows, and of one of each class; what they got right is kept for the next epoch."""

    sums: Tensor  # of the A-distances of this epoch: of all rows, and the classes' mean
    factor: Tensor
    epoch: Tensor

    def __init__(self, critics: list[Discriminator], sharpness: float, n_epochs: int) -> None:
        super().__init__()
        self.of_all, self.of_class = critics[0], nn.ModuleList(critics[1:])
        self.sharpness, self.n_epochs = sharpness, n_epochs
        self.register_buffer("sums", torch.zeros(2))
        self.register_buffer("factor", torch.tensor(0.5))
        self.register_buffer("epoch", torch.tensor(0))

    def forward(self, joint: Joint, progress: float) -> Mapping[str, Tensor]:
        epoch = int(progress * self.n_epochs + 1e-6)  # the product may fall short of a whole number
        if epoch != self.epoch:
            self.factor.copy_(_dynamic_factor(self.sums))
            self.sums.zero_()
            self.epoch.fill_(epoch)
        z, proba = grad_reverse(joint.z, reversal_weight(progress, self.sharpness)), joint.outputs.softmax(dim=1)
        logits = [self.of_all(z), *(critic(z * proba[:, c : c + 1]) for c, critic in enumerate(self.of_class))]
        losses = torch.stack([domain_loss(v, joint.n) for v in logits])
        right = torch.stack([domain_accuracy(v, joint.n) for v in logits])
        distances = 2 * (1 - 2 * (1 - right))
        self.sums += torch.stack([distances[0], distances[1:].mean()])
        of_all, of_class = losses[0], losses[1:].mean()
        w = self.factor.clone()
        return {
            "loss": (1 - w) * of_all + w * of_class, "global": of_all, "local": of_class, "factor": w, "critic": right[0],
        }  # fmt: skip


def _dynamic_factor(distances: Tensor) -> Tensor:
    """The local critics' share of the A-distances, global and local; 1/2 where neither is above 0."""
    d = distances.clamp(min=0)
    return d[1] / d.sum() if d.sum() > 0 else torch.full_like(d[0], 0.5)
