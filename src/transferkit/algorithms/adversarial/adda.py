"""ADDA: learn the source first, then train an encoder of the target's own that a critic takes for the source's."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ...core.constraints import Interval
from ...engine.adaptation.estimator import ADAPTATION_RULES, DomainFit, NetworkAdaptation
from ...engine.adaptation.source_then_target import SourceThenTarget
from ...engine.answers.labels import Labels
from ...engine.networks.network import Network
from ...engine.training.objective import Objective
from ...engine.training.settings import Training
from ...ops.nn.discriminator import Discriminator, domain_accuracy, domain_loss
from ...ops.nn.held import held

CARD = {
    "class": "ADDA",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Tzeng, Hoffman, Saenko & Darrell. Adversarial Discriminative Domain Adaptation. CVPR 2017.",
    "url": "https://arxiv.org/abs/1702.05464",
}

__all__ = ["ADDA"]


class ADDA(NetworkAdaptation):
    """Train on the source, hold its encoder and head, and train a copy of the encoder to look like it on the target.

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
    warm_up : float in (0, 1), default=0.5
        Share of the updates that learn the source; the rest adapts. The paper trains each to its end.
    hidden : int in [1, inf), default=500
        Width of the critic's two layers.
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
        One row an epoch: ``train/task`` in the first phase, ``train/critic`` (its accuracy; 1/2 is full confusion) and
        ``train/mapping`` in the second, and the label-free scores that `DANN` lists.
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
    While less than `warm_up` of the updates are done, body, bottleneck and head descend on the source's loss of source
    batches alone. Then encoder M_s is copied and held, in evaluation mode, with the head, and the network's own
    becomes M_t: the critic descends on ``-E log D(M_s(x_s)) - E log(1 - D(M_t(x_t)))`` and M_t on the inverted labels,
    ``-E log D(M_t(x_t))`` (eq. 9), both in one update, as in the authors' code. M_t and the head predict. In
    that code the critic sees the outputs instead of the features, and M_t's own head moves too; here the head of the
    source stands, as in the paper. TLlib has features of M_t reversed against the critic, no inverted labels. Phases
    follow from the share of the updates that is done; optimizer and learning rate schedule go on through both, where
    the paper begins anew. Nothing ties M_t to the classes but where it starts: with a long second phase or a large
    rate it may swap them. A batch costs half a joint pass in the first phase; in the second half of one and a forward
    pass of the source.

    References
    ----------
    Tzeng, Hoffman, Saenko & Darrell. Adversarial Discriminative Domain Adaptation. CVPR 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import ADDA, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = ADDA("small:mlp?hidden=16", bottleneck=8, hidden=16, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "warm_up": Interval(float, 0, 1, closed="neither"),
        "hidden": Interval(int, 1),
    }
    _test_params: ClassVar = {"hidden": 16}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        warm_up: float = 0.5,
        hidden: int = 500,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.warm_up = warm_up
        self.hidden = hidden
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: DomainFit) -> Objective:
        return _Inverted(
            fit.network, fit.labels, self.warm_up, Discriminator(fit.network.n_features, self.hidden, False)
        )


class _Inverted(SourceThenTarget):
    """The critic's loss, and that of an encoder which is told apart from the source's no longer."""

    def __init__(self, network: Network, labels: Labels, warm_up: float, critic: Discriminator) -> None:
        super().__init__(network, labels, warm_up)
        self.critic = critic

    def adapt(self, z_s: Tensor, z_t: Tensor, progress: float) -> dict[str, Tensor]:
        logits = self.critic(torch.cat([z_s, z_t.detach()]))
        judged = domain_loss(logits, len(z_s))
        mapping = functional.softplus(-held(self.critic, z_t).float()).mean()
        return {"loss": judged + mapping, "mapping": mapping, "critic": domain_accuracy(logits, len(z_s))}
