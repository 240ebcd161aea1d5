"""Group DRO: train on the sources as their worst mixture, so that none is left behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ...core.constraints import Interval
from ...engine.adaptation.estimator import ADAPTATION_RULES, DomainFit, NetworkAdaptation
from ...engine.adaptation.several_sources import SourceLosses, Sources, source_streams
from ...engine.inputs.rows import Rows
from ...engine.training.objective import Objective
from ...engine.training.settings import Training

CARD = {
    "class": "GroupDRO",
    "protocol": "Transfer",
    "settings": ("unsupervised", "multi_source"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Sagawa, Koh, Hashimoto & Liang. Distributionally Robust Neural Networks for Group Shifts. ICLR 2020.",
    "url": "https://arxiv.org/abs/1911.08731",
}

__all__ = ["GroupDRO"]


class GroupDRO(NetworkAdaptation):
    """Minimise the loss of the worst source domain, by weights of the sources that rise with their losses.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, as for `DANN`: a small network or a pretrained one by name, or a torch Module; "auto" is a small one.
    bottleneck : int in [1, inf) or None, default=256
        Width of the layer between body and head; None is no such layer.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps features to classes.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    step_size : float in [0, inf), default=0.01
        How fast weights follow the losses; the paper's eta_q, DomainBed's value. 0 keeps all sources equal.
    adjustment : float in [0, inf), default=0.0
        What a loss is raised by, over the square root of the source's size: small sources overfit more; the paper's C.
    training : Training, default=None
        Epochs (passes over the longest domain), learning rate, batch size (rows of each domain) and all else; None is
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
        Of the sources.
    history_ : list of dict
        One row an epoch: ``train/task`` (the mean of the sources' losses), ``train/worst`` (the largest),
        ``train/heaviest`` (the largest weight) and the label-free scores that `DANN` lists.
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
    Minimises ``max_g E_g[loss]`` (eq. 4) as algorithm 1 does: with every update ``q_g`` is multiplied by
    ``exp(step_size * (loss_g + adjustment / sqrt(n_g)))`` (section 3.3 for the second part) and normalised, and the
    network descends on ``sum_g q_g loss_g``. As in DomainBed a batch has as many rows of every group, here the source
    domains, where the paper draws one group an update. The paper asks for strong regularisation beside it: see
    ``training``'s weight decay. The target has no part in the training: its rows serve only for the label-free scores
    in ``history_``, and any other target gives the same network. Without groups there is one source, and this is the
    training of `DeepSourceOnly`. The cost of a step is one forward and backward pass of the sources' rows.

    References
    ----------
    Sagawa, Koh, Hashimoto & Liang. Distributionally Robust Neural Networks for Group Shifts: On the Importance of
    Regularization for Worst-Case Generalization. ICLR 2020.
    Gulrajani & Lopez-Paz. In Search of Lost Domain Generalization. ICLR 2021 (DomainBed).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import GroupDRO, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt, groups = rng.normal(size=(90, 4)), rng.normal(size=(60, 4)), np.arange(90) % 3
    >>> y, X[:, 2] = X[:, 0] > 0, X[:, 2] + groups - 1
    >>> model = GroupDRO("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt), groups=groups).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {**ADAPTATION_RULES, "step_size": Interval(float, 0), "adjustment": Interval(float, 0)}
    _kinds: ClassVar = ("classification", "multilabel", "regression")

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        step_size: float = 0.01,
        adjustment: float = 0.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.step_size = step_size
        self.adjustment = adjustment
        self.training = training
        self.task = task
        self.random_state = random_state

    def _streams(self, fit: DomainFit) -> Mapping[str, Rows]:
        return source_streams(fit)

    def _objective(self, fit: DomainFit) -> Objective:
        sizes = np.array([len(rows) for rows in source_streams(fit).values()])
        raised = torch.as_tensor(self.adjustment / np.sqrt(sizes), dtype=torch.float32)
        return SourceLosses(fit.network, fit.labels, _WorstMixture(raised, self.step_size))


class _WorstMixture(nn.Module):
    """The losses, weighted by an exponentiated ascent."""

    weight: Tensor
    raised: Tensor

    def __init__(self, raised: Tensor, step_size: float) -> None:
        super().__init__()
        self.step_size = step_size
        self.register_buffer("raised", raised)
        self.register_buffer("weight", torch.full_like(raised, 1 / len(raised)))
        self._seen: float | None = None

    def forward(self, sources: Sources, progress: float) -> Mapping[str, Tensor]:
        if progress != self._seen:  # an update that is cut into pieces asks with every piece
            self._seen = progress
            logits = self.weight.log() + self.step_size * (sources.losses.detach() + self.raised)
            # A weight that became 0 could never rise again.
            weight = logits.softmax(dim=0).clamp(min=torch.finfo(torch.float32).tiny)
            self.weight.copy_(weight / weight.sum())
        loss = (self.weight * sources.losses).sum()
        return {"loss": loss, "worst": sources.losses.max(), "heaviest": self.weight.max()}
