"""Bi-Tuning: fine-tuning with two contrastive losses, one through the classifier and one through a projection."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.constraints import Interval
from ...core.errors import DomainError
from ...engine.answers.labels import Labels
from ...engine.fine_tuning.estimator import NETWORK_RULES, PLAN_RULES, Fit, NetworkTransfer
from ...engine.inputs.views import Views
from ...engine.networks.network import Network
from ...engine.training.freezing import FreezePlan
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training

CARD = {
    "class": "BiTuning",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Zhong, Wang, Kou, Wang & Long. Bi-tuning of Pre-trained Representations. 2020.",
    "url": "https://arxiv.org/abs/2011.06182",
}

__all__ = ["BiTuning"]


class BiTuning(NetworkTransfer):
    """Fine-tune so that rows of a class meet, both at the classifier's weight vectors and in a projected space.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model; see `FineTuning`.
    trade_off : float in [0, inf), default=1.0
        Weight of the two contrastive losses; 0 is plain fine-tuning.
    n_projection : int in [1, inf), default=128
        Width of the projected space.
    queue : int in [1, inf), default=40
        Keys that are remembered for each class.
    momentum : float in [0, 1], default=0.999
        Share of the key encoder that an update keeps.
    temperature : float in (0, inf), default=0.07
        Divides cosines before the softmax; smaller looks at the nearest keys only.
    plan : str, mapping or FreezePlan, default="full"
        What trains when; see `FineTuning`.
    lr_decay : float in (0, 1], default=1.0
        Learning rate of each part as a multiple of that of the part after it.
    batch_norm : {"frozen", "train", "off"}, default="frozen"
        Whether batch normalisation keeps its statistics, follows the batches, or is left alone altogether.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    training : Training, default=None
        Epochs, learning rate, batch size and all else; None is ``Training()``.
    task : {"auto", "classification", "multilabel", "regression"}, default="auto"
        "auto" decides from the labels.
    random_state : int, RandomState or None, default=0
        Seed of the head, the batches and the augmentation.

    Attributes
    ----------
    network_ : Network
        Body and head, trained.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        For a classification.
    history_ : list of dict
        One row an epoch, with ``train/task``, ``train/classifier`` and ``train/projector``, the three losses.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        The source model's name, and the SHA-256 of its weights.
    facts_ : dict
        What the report shows.
    n_features_in_ : int
        Width of the rows, where they are vectors.

    Notes
    -----
    Minimises ``L_CE + trade_off * (L_CCE + L_CCL)`` (the paper's overall objective, where `trade_off` is 1). For a row with
    class y, P the keys of its class and N those of the others::

        L_CCE = - 1/|P| sum_{h+ in P} log( exp(w_y . h+ / T) / sum_{h in P + N} exp(w_y . h / T) )
        L_CCL = - 1/|P| sum_{z+ in P} log( exp(z . z+ / T) / sum_{z' in P + N} exp(z . z' / T) )

    the contrastive cross-entropy and the categorical contrastive loss. ``w_y`` is the classifier's weight vector with its
    bias, h the features with a 1, z a linear projection of them, all at length 1. Keys come from a momentum encoder, which
    sees another augmented view of the batch, and a queue for each class. As in the authors' code the row's own features
    stand for its own key in L_CCE, so that the loss reaches the body, and its own key in L_CCL is that of its second view.
    Queues start empty rather than with random vectors, and places that are empty do not count. ``w_y`` is trained by L_CCE
    too. The key encoder runs in evaluation mode and takes over the statistics of batch normalisation. Where a preprocessing
    does not augment, the two views differ by dropout and momentum alone.

    References
    ----------
    Zhong, Wang, Kou, Wang & Long. Bi-tuning of Pre-trained Representations. arXiv 2011.06182, 2020 (section 3).
    He, Fan, Wu, Xie & Girshick. Momentum Contrast for Unsupervised Visual Representation Learning. CVPR 2020.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from torch import nn
    >>> from transferkit import BiTuning
    >>> from transferkit import Training
    >>> _ = torch.manual_seed(0)
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> model = BiTuning(nn.Sequential(nn.Linear(4, 16), nn.ReLU()), training=Training(body_lr_scale=1, n_epochs=20, lr=0.02))
    >>> model.fit(X, y).score(X, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        **{name: rule for name, rule in NETWORK_RULES.items() if name != "head"},
        **PLAN_RULES,
        "trade_off": Interval(float, 0),
        "n_projection": Interval(int, 1),
        "queue": Interval(int, 1),
        "momentum": Interval(float, 0, 1),
        "temperature": Interval(float, 0, closed="neither"),
    }
    head = "linear"  # its weight vectors are compared with features

    def __init__(
        self,
        source: Any,
        trade_off: float = 1.0,
        n_projection: int = 128,
        queue: int = 40,
        momentum: float = 0.999,
        temperature: float = 0.07,
        plan: str | Mapping[str, Any] | FreezePlan = "full",
        lr_decay: float = 1.0,
        batch_norm: str = "frozen",
        dropout: float = 0.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.trade_off = trade_off
        self.n_projection = n_projection
        self.queue = queue
        self.momentum = momentum
        self.temperature = temperature
        self.plan = plan
        self.lr_decay = lr_decay
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: Fit) -> Objective:
        if fit.labels.kind != "classification":
            raise DomainError(f"BiTuning.fit: y must hold one class a row. Got a {fit.labels.kind} task.")
        fit.rows.preprocess = views = Views(fit.rows.preprocess, 2)
        projector = nn.Linear(fit.backbone.n_features, self.n_projection)
        return _BiTuning(
            fit.network, fit.labels, projector, views, self.queue, self.trade_off, self.momentum, self.temperature
        )


class _BiTuning(Objective):
    """Query encoder (the network and a projector), key encoder, and a queue of keys for each class."""

    def __init__(
        self, network: Network, labels: Labels, projector: nn.Linear, views: Views, size: int, trade_off: float,
        momentum: float, temperature: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.network, self.projector, self.labels, self.views = network, projector, labels, views
        self.trade_off, self.momentum, self.temperature = trade_off, momentum, temperature
        self.keys = copy.deepcopy(nn.ModuleList([network.body, projector])).requires_grad_(False)
        C, F, Z = labels.n_outputs, projector.in_features, projector.out_features
        self.register_buffer("queue_h", torch.zeros(C, size, F + 1))
        self.register_buffer("queue_z", torch.zeros(C, size, Z))
        self.register_buffer("count", torch.zeros(C, dtype=torch.int64))  # keys that a class ever had

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, [*self.network.parameters(), *self.projector.parameters()])]

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)

    def frozen(self) -> Sequence[nn.Module]:
        return (self.keys,)

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        x, second = self.views.split(batch["target"].x)
        y = batch["target"].y
        assert y is not None
        features = self.network.features(x)
        parts = {"task": self.labels.loss(self.network.head(features), y)}
        with torch.no_grad():
            self._follow()
            key = self.keys[0](second)
            key_h, key_z = _unit(key), functional.normalize(self.keys[1](key).float(), dim=1)
        out = self.network.head.out
        w = functional.normalize(torch.cat([out.weight, out.bias[:, None]], dim=1).float(), dim=1)[y]
        h, z = _unit(features), functional.normalize(self.projector(features).float(), dim=1)
        parts["classifier"] = self._contrast((w * h).sum(dim=1), w, self.queue_h, y)
        parts["projector"] = self._contrast((z * key_z).sum(dim=1), z, self.queue_z, y)
        self._remember(key_h, key_z, y)
        return {"loss": parts["task"] + self.trade_off * (parts["classifier"] + parts["projector"]), **parts}

    def _contrast(self, own: Tensor, query: Tensor, queue: Tensor, y: Tensor) -> Tensor:
        """Mean of ``-1/|P| sum_P log softmax`` over each row's own key (B,) and the queue (C, K, D), for queries (B, D)."""
        filled = torch.arange(queue.shape[1], device=y.device) < self.count[:, None]
        keys, classes = queue[filled], filled.nonzero()[:, 0]
        with torch.autocast(y.device.type, enabled=False):
            cosines = torch.cat([own[:, None], query @ keys.T], dim=1) / self.temperature
        positive = functional.pad(classes == y[:, None], (1, 0), value=True)
        return -((cosines.log_softmax(dim=1) * positive).sum(dim=1) / positive.sum(dim=1)).mean()

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the key encoder towards the query encoder; statistics are taken over."""
        query = nn.ModuleList([self.network.body, self.projector])
        for k, q in zip(self.keys.parameters(), query.parameters()):
            k.lerp_(q, 1 - self.momentum)
        for k, q in zip(self.keys.buffers(), query.buffers()):
            k.copy_(q)

    @torch.no_grad()
    def _remember(self, h: Tensor, z: Tensor, y: Tensor) -> None:
        """Put keys into the queues of their classes, in place of the oldest."""
        for row, c in enumerate(y.tolist()):
            place = int(self.count[c]) % self.queue_h.shape[1]
            self.queue_h[c, place], self.queue_z[c, place] = h[row], z[row]
            self.count[c] += 1


def _unit(z: Tensor) -> Tensor:
    """Rows with a 1 at the end, scaled to length 1."""
    return functional.normalize(functional.pad(z.float(), (0, 1), value=1.0), dim=1)
