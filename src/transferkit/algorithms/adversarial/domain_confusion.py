"""Domain confusion: features on which a critic can only guess; known target labels bring soft labels of the source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ...core.constraints import Boolean, Interval
from ...engine.adaptation.alignment import Joint, joint_pass
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.answers.labels import Labels
from ...engine.networks.network import Network
from ...engine.training.objective import Batch, Objective, Step, Stream
from ...engine.training.settings import Training
from ...ops.nn.discriminator import Discriminator, domain_accuracy, domain_loss
from ...ops.nn.held import held

CARD = {
    "class": "DomainConfusion",
    "protocol": "Transfer",
    "settings": (
        "unsupervised",
        "few_label",
    ),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Tzeng, Hoffman, Darrell & Saenko. Simultaneous Deep Transfer Across Domains and Tasks. ICCV 2015.",
    "url": "https://arxiv.org/abs/1510.02192",
}

__all__ = ["DomainConfusion"]


class DomainConfusion(NetworkAdaptation):
    """Train features that leave a critic of domains undecided, and carry over how classes resemble each other.

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
    trade_off : float in [0, inf), default=0.01
        Weight of the confusion; the paper's lambda.
    soft_weight : float in [0, inf), default=0.1
        Weight of the soft labels on target rows with a known label; the paper's nu.
    temperature : float in (0, inf), default=2.0
        What logits are divided by for soft labels.
    hidden : int in [1, inf), default=256
        Width of the critic's two layers; the paper's is linear.
    batch_norm : bool, default=True
        Whether the critic normalises its layers over the batch of both domains.
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
        One row an epoch: ``train/task``, ``train/transfer`` (the confusion; log 2 is the least), ``train/critic`` (the
        critic's accuracy), ``train/soft`` and the label-free scores that `DANN` lists.
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
    The critic descends on its own loss L_D with the features held; the network on ``L_C + trade_off * L_conf +
    soft_weight * L_soft`` with the critic held: ``L_conf`` is the cross-entropy between a uniform label and the
    critic's probabilities (section 3.1), and both happen in one update. With known target labels, ``L_C`` is the sum
    of the mean losses of source and known rows, and ``L_soft`` the cross-entropy between the soft label of a row's
    class and its softened probabilities (section 3.2). The paper takes a class's soft label, the mean softened output
    of source rows of that class, from a network trained on the source before; here it is a running mean of this
    network's own, so that there is one training. Known rows go through the network by themselves. A batch costs one
    forward and backward pass, and one of the known rows.

    References
    ----------
    Tzeng, Hoffman, Darrell & Saenko. Simultaneous Deep Transfer Across Domains and Tasks. ICCV 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import DomainConfusion, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = DomainConfusion("small:mlp?hidden=16", bottleneck=8, trade_off=1.0,
    ...     training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "soft_weight": Interval(float, 0),
        "temperature": Interval(float, 0, closed="neither"),
        "hidden": Interval(int, 1),
        "batch_norm": Boolean(),
    }
    _target_labels: ClassVar = "may"
    _test_params: ClassVar = {"trade_off": 1.0, "hidden": 16}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 0.01,
        soft_weight: float = 0.1,
        temperature: float = 2.0,
        hidden: int = 256,
        batch_norm: bool = True,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.soft_weight = soft_weight
        self.temperature = temperature
        self.hidden = hidden
        self.batch_norm = batch_norm
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: DomainFit) -> Objective:
        critic = Discriminator(fit.network.n_features, self.hidden, self.batch_norm)
        weights = self.trade_off, self.soft_weight
        return _Confusion(fit.network, critic, fit.labels, weights, self.temperature)


class _Confusion(Objective):
    """The critic's loss with features held, and the network's with the critic held."""

    soft: Tensor

    def __init__(
        self, network: Network, critic: Discriminator, labels: Labels, weights: tuple[float, float], temperature: float
    ) -> None:
        super().__init__()
        self.network, self.critic, self.labels = network, critic, labels
        self.weights, self.temperature = weights, temperature
        k = labels.n_outputs
        self.register_buffer("soft", torch.full((k, k), 1 / k))

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.parameters()))]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        joint = joint_pass(self.network, batch)
        assert joint.source.y is not None
        logits = self.critic(joint.z.detach())
        confusion = _confusion(held(self.critic, joint.z), joint.n)
        task, soft = self.labels.loss(joint.outputs_s, joint.source.y), torch.zeros_like(confusion)
        if "known" in batch:
            self._remember(joint, joint.source.y)
            known, soft = self._known(batch["known"])
            task = task + known
        loss = task + self.weights[0] * confusion + self.weights[1] * soft
        parts = {"task": task, "transfer": confusion, "soft": soft, "critic": domain_accuracy(logits, joint.n)}
        return {"loss": loss + domain_loss(logits, joint.n), **parts}

    def _remember(self, joint: Joint, y: Tensor) -> None:
        """Let the soft label of each class in the batch follow its rows' mean softened output."""
        proba = (joint.outputs_s.detach().float() / self.temperature).softmax(dim=1)
        member = functional.one_hot(y, self.labels.n_outputs).to(proba.dtype)
        count = member.sum(dim=0)
        mean = member.T @ proba / count.clamp(min=1)[:, None]
        self.soft.lerp_(mean, 0.1 * (count > 0).to(proba.dtype)[:, None])

    def _known(self, known: Stream) -> tuple[Tensor, Tensor]:
        """The loss of target rows with a known label, and that of their soft labels."""
        assert known.y is not None
        outputs = self.network(known.x)
        log_p = (outputs.float() / self.temperature).log_softmax(dim=1)
        return self.labels.loss(outputs, known.y), -(self.soft[known.y] * log_p).sum(dim=1).mean()

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)


def _confusion(logits: Tensor, n_source: int) -> Tensor:
    """Mean cross-entropy between a uniform domain label and the critic's probabilities, each domain counting half."""
    each = (functional.softplus(logits.float()) + functional.softplus(-logits.float())) / 2
    return (each[:n_source].mean() + each[n_source:].mean()) / 2
