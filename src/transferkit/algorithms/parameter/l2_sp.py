"""L2-SP: fine-tuning that is pulled back to the weights it started from, instead of to zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from ...core.constraints import Interval
from ...engine.fine_tuning.estimator import NETWORK_RULES, PLAN_RULES, Fit, NetworkTransfer
from ...engine.fine_tuning.supervised import Supervised
from ...engine.networks.network import Network
from ...engine.training.freezing import FreezePlan
from ...engine.training.objective import Batch
from ...engine.training.settings import Training
from ...ops.nn.penalties import half_squares

CARD = {
    "class": "L2SP",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Li, Grandvalet & Davoine. Explicit Inductive Bias for Transfer Learning with Convolutional Networks. ICML 2018.",
    "url": "https://arxiv.org/abs/1802.01483",
}

__all__ = ["L2SP"]


class L2SP(NetworkTransfer):
    """Fine-tune with a quadratic penalty on the distance to the starting point.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model; see `FineTuning`.
    reg : float in [0, inf), default=0.1
        Strength of the pull of the body's parameters to where they started (alpha); 0 is plain fine-tuning.
    reg_head : float in [0, inf), default=0.01
        Strength of the pull of the head's weights to zero (beta): the head is new and has no starting point.
    plan : str, mapping or FreezePlan, default="full"
        What trains when; see `FineTuning`.
    lr_decay : float in (0, 1], default=1.0
        Learning rate of each part as a multiple of that of the part after it.
    batch_norm : {"frozen", "train", "off"}, default="frozen"
        Whether batch normalisation keeps its statistics, follows the batches, or is left alone altogether.
    head : {"linear", "mlp", "adapter", "cosine", "conv"}, default="linear"
        What maps features to outputs.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    training : Training, default=None
        Epochs, learning rate and all else. Its weight decay is not used: the two penalties take its place.
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
        One row an epoch, with ``train/start`` and ``train/head``, the two penalties.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        The source model's name, and the SHA-256 of its weights.
    facts_ : dict
        What the report shows; ``distance`` is the Euclidean distance of the body's parameters from the starting point.
    n_features_in_ : int
        Width of the rows, where they are vectors.

    Notes
    -----
    Minimises ``loss + reg/2 * ||w - w0||^2 + reg_head/2 * ||v||^2`` (the paper's L2-SP penalty), ``w`` all parameters of the
    body, ``w0`` their values in the source model, ``v`` the head's weights. The optimizer's weight decay would pull ``w`` to
    zero at the same time, so it is set to zero. As everywhere in this package, biases of the head are not penalised.

    References
    ----------
    Li, Grandvalet & Davoine. Explicit Inductive Bias for Transfer Learning with Convolutional Networks. ICML 2018.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from torch import nn
    >>> from transferkit import L2SP
    >>> from transferkit import Training
    >>> _ = torch.manual_seed(0)
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> model = L2SP(nn.Sequential(nn.Linear(4, 16), nn.ReLU()), training=Training(body_lr_scale=1, n_epochs=20, lr=0.02))
    >>> model.fit(X, y).score(X, y) > 0.9
    True
    """

    _constraints: ClassVar = {**NETWORK_RULES, **PLAN_RULES, "reg": Interval(float, 0), "reg_head": Interval(float, 0)}

    def __init__(
        self,
        source: Any,
        reg: float = 0.1,
        reg_head: float = 0.01,
        plan: str | Mapping[str, Any] | FreezePlan = "full",
        lr_decay: float = 1.0,
        batch_norm: str = "frozen",
        head: str = "linear",
        dropout: float = 0.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.reg = reg
        self.reg_head = reg_head
        self.plan = plan
        self.lr_decay = lr_decay
        self.batch_norm = batch_norm
        self.head = head
        self.dropout = dropout
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: Fit) -> Supervised:
        fit.training.weight_decay = 0.0  # the fit's own copy of the settings
        return Supervised(fit.network, fit.labels, [_StartingPoint(fit.network, self.reg, self.reg_head)])

    def _finish(self, fit: Fit, objective: Supervised) -> None:
        fit.notes["distance"] = float((2 * objective.terms[0].from_start().detach()).sqrt())


class _StartingPoint(nn.Module):
    """The two penalties."""

    def __init__(self, network: Network, reg: float, reg_head: float) -> None:
        super().__init__()
        self.reg, self.reg_head = reg, reg_head
        # In tuples they belong to the network only. The starting point comes from the source model, so a checkpoint can
        # do without it.
        self.body = tuple(network.body.parameters())
        self.weights = tuple(p for p in network.head.parameters() if p.ndim > 1)
        for k, p in enumerate(self.body):
            self.register_buffer(f"start_{k}", p.detach().clone(), persistent=False)

    def from_start(self) -> Tensor:
        return half_squares(p - start for p, start in zip(self.body, self.buffers()))

    def forward(self, batch: Batch, features: Tensor, outputs: Tensor, progress: float) -> dict[str, Tensor]:
        return {"start": self.reg * self.from_start(), "head": self.reg_head * half_squares(self.weights)}
