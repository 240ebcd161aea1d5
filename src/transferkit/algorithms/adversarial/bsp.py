"""BSP: DANN whose features keep their smaller directions, by a penalty on the largest singular values of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...core.constraints import Boolean, Interval
from ...engine.adaptation.alignment import Alignment, Joint
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.training.objective import Objective
from ...engine.training.settings import Training
from ...ops.nn.discriminator import Discriminator, domain_accuracy, domain_loss
from ...ops.nn.grad_reverse import grad_reverse, reversal_weight

CARD = {
    "class": "BSP",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Chen, Wang, Long & Wang. Transferability vs. Discriminability: Batch Spectral Penalization for"
    " Adversarial Domain Adaptation. ICML 2019.",
    "url": "https://proceedings.mlr.press/v97/chen19i.html",
}

__all__ = ["BSP"]


class BSP(NetworkAdaptation):
    """Train features against a critic of domains, and penalise the largest singular values of each domain's batch.

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
        Weight of the critic's loss.
    penalty : float in [0, inf), default=1e-4
        Weight of the squared singular values; the paper's beta. 0 is DANN.
    n_values : int in [1, inf), default=1
        How many of the largest are penalised; the paper's k.
    hidden : int in [1, inf), default=256
        Width of the critic's two layers.
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
        One row an epoch: ``train/task``, ``train/transfer`` (both terms, weighted), ``train/critic`` (its accuracy),
        ``train/spectral`` (the penalised squares) and the label-free scores that `DANN` lists.
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
    Minimises ``L_source + trade_off * L_d(R(z)) + penalty * sum_i (s_{s,i}^2 + s_{t,i}^2)`` (the critic's loss as in
    `DANN`), with the `n_values` largest singular values s of the matrix of a batch's features, each domain by itself.
    The directions of these transfer most easily, and adversarial training lets them take over from those that tell
    classes apart. The squares grow with the number of rows: the weight is the authors', for 36 rows of each domain.
    With as many values as the features have it is their squared Frobenius norm. In the paper BSP is also added to
    CDAN and ADDA. A step costs one forward and backward of the joint batch and of the critic, and two singular value
    decompositions.

    References
    ----------
    Chen, Wang, Long & Wang. Transferability vs. Discriminability: Batch Spectral Penalization for Adversarial Domain
    Adaptation. ICML 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import BSP, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = BSP("small:mlp?hidden=16", bottleneck=8, hidden=16, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "penalty": Interval(float, 0),
        "n_values": Interval(int, 1),
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
        penalty: float = 1e-4,
        n_values: int = 1,
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
        self.penalty = penalty
        self.n_values = n_values
        self.hidden = hidden
        self.batch_norm = batch_norm
        self.sharpness = sharpness
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: DomainFit) -> Objective:
        critic = Discriminator(fit.network.n_features, self.hidden, self.batch_norm)
        term = _SpectralCritic(critic, self.trade_off, self.penalty, self.n_values, self.sharpness)
        return Alignment(fit.network, fit.labels, term)


class _SpectralCritic(nn.Module):
    """The critic's loss on reversed features, and the penalty on features as they are."""

    def __init__(
        self, critic: Discriminator, trade_off: float, penalty: float, n_values: int, sharpness: float
    ) -> None:
        super().__init__()
        self.critic, self.trade_off, self.penalty = critic, trade_off, penalty
        self.n_values, self.sharpness = n_values, sharpness

    def forward(self, joint: Joint, progress: float) -> Mapping[str, Tensor]:
        logits = self.critic(grad_reverse(joint.z, reversal_weight(progress, self.sharpness)))
        spectral = _largest(joint.z_s, self.n_values) + _largest(joint.z_t, self.n_values)
        loss = self.trade_off * domain_loss(logits, joint.n) + self.penalty * spectral
        return {"loss": loss, "critic": domain_accuracy(logits, joint.n), "spectral": spectral}


def _largest(z: Tensor, k: int) -> Tensor:
    """Sum of the squares of the k largest singular values."""
    return torch.linalg.svdvals(z.float())[:k].square().sum()
