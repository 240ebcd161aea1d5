"""LwF: learning without forgetting; the source classifier must go on saying what it said of the new rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.constraints import Interval
from ...engine.fine_tuning.estimator import NETWORK_RULES, PLAN_RULES, Fit, NetworkTransfer
from ...engine.fine_tuning.supervised import Supervised
from ...engine.source_free.source_task import source_head_of, source_logits
from ...engine.training.freezing import FreezePlan
from ...engine.training.objective import Batch
from ...engine.training.settings import Training

CARD = {
    "class": "LwF",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Li & Hoiem. Learning without Forgetting. ECCV 2016.",
    "url": "https://arxiv.org/abs/1606.09282",
}

__all__ = ["LwF"]


class LwF(NetworkTransfer):
    """Fine-tune while the source model's own classifier keeps its recorded answers on the target's rows.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model, with its own classifier; see `FineTuning`.
    lam : float in [0, 1], default=0.5
        Weight of what is known: the loss is ``lam * L_pre + (1 - lam) * L_task``. 0 is plain fine-tuning; 1 only remembers.
    temperature : float in (0, inf), default=2.0
        Softens recorded and present probabilities of the source classes; higher gives improbable classes more weight.
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
    source_head_ : Module
        The source classifier as it was trained along: features of ``network_`` to logits of the source classes.
    history_ : list of dict
        One row an epoch, with ``train/task`` and ``train/known``, the weighted ``L_pre``.
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
    ``L_pre`` is the paper's knowledge distillation loss (eq. 2): the cross-entropy between the source classes' probabilities
    that the untouched model gave to a row and those of the model in training, both raised to the power ``1 / temperature`` and
    normalised (eq. 3). Answers are recorded once, on rows that are not augmented. The source classifier is trained along. The
    paper weights ``lambda_o * L_old + L_new``; ours is the same up to a common factor, with
    ``lambda_o = lam / (1 - lam)``. It trains the new head alone first: ``plan="lp_ft:EPOCHS"`` does so.

    References
    ----------
    Li & Hoiem. Learning without Forgetting. ECCV 2016; IEEE TPAMI 40 (2018).
    Hinton, Vinyals & Dean. Distilling the Knowledge in a Neural Network. 2015.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from torch import nn
    >>> from transferkit import LwF
    >>> from transferkit.engine.backbones import load_backbone
    >>> from transferkit import Training
    >>> _ = torch.manual_seed(0)
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 5))
    >>> source = load_backbone(net, sample=X[0], head="2")
    >>> LwF(source, training=Training(body_lr_scale=1, n_epochs=20, lr=0.02)).fit(X, y).score(X, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        **NETWORK_RULES,
        **PLAN_RULES,
        "lam": Interval(float, 0, 1),
        "temperature": Interval(float, 0, closed="neither"),
    }
    _test_params: ClassVar = {"source": "classifier"}

    def __init__(
        self,
        source: Any,
        lam: float = 0.5,
        temperature: float = 2.0,
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
        self.lam = lam
        self.temperature = temperature
        self.plan = plan
        self.lr_decay = lr_decay
        self.batch_norm = batch_norm
        self.head = head
        self.dropout = dropout
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: Fit) -> Supervised:
        head = source_head_of("LwF.fit", fit.backbone)
        t = fit.training
        recorded = source_logits(fit.backbone.body, head, fit.rows, fit.place, t.batch_size, t.workers)
        known = _Known(head, torch.from_numpy(recorded), self.lam, self.temperature)
        return Supervised(fit.network, fit.labels, [known], weight=1 - self.lam)

    def _finish(self, fit: Fit, objective: Supervised) -> None:
        self.source_head_ = objective.terms[0].head.eval()


class _Known(nn.Module):
    """The distillation loss on the source classes, and the classifier in training."""

    def __init__(self, head: nn.Module, recorded: Tensor, lam: float, temperature: float) -> None:
        super().__init__()
        self.head, self.lam, self.temperature = head, lam, temperature
        # What was recorded follows from the source model and the rows, so a checkpoint can do without it.
        self.register_buffer("answers", functional.softmax(recorded / temperature, dim=1), persistent=False)

    def forward(self, batch: Batch, features: Tensor, outputs: Tensor, progress: float) -> dict[str, Tensor]:
        logits = self.head(features).float() / self.temperature
        return {"known": self.lam * functional.cross_entropy(logits, self.answers[batch["target"].rows])}
