"""BSS: fine-tuning that shrinks the smallest singular values of the batch's features, where negative transfer sits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...core.constraints import Interval
from ...engine.fine_tuning.estimator import NETWORK_RULES, PLAN_RULES, Fit, NetworkTransfer
from ...engine.fine_tuning.supervised import Supervised
from ...engine.training.freezing import FreezePlan
from ...engine.training.objective import Batch
from ...engine.training.settings import Training

CARD = {
    "class": "BSS",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Chen, Wang, Fu, Long & Wang. Catastrophic Forgetting Meets Negative Transfer: Batch Spectral Shrinkage for Safe "
    "Transfer Learning. NeurIPS 2019.",
    "url": "https://proceedings.neurips.cc/paper/2019/hash/c6bff625bdb0393992c9d4db0c6bbe45-Abstract.html",
}

__all__ = ["BSS"]


class BSS(NetworkTransfer):
    """Fine-tune with a penalty on the smallest singular values of each batch of features (batch spectral shrinkage).

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model; see `FineTuning`.
    reg : float in [0, inf), default=1e-3
        Strength of the penalty (eta); 0 is plain fine-tuning.
    k : int in [1, inf), default=1
        How many of the smallest singular values are penalised; all where there are fewer.
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
    history_ : list of dict
        One row an epoch, with ``train/spectrum``, the penalty.
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
    Minimises ``loss + reg * sum_{i=1..k} sigma_{-i}^2``, ``sigma_{-i}`` the i-th smallest singular value of the features
    (batch, n_features) of a batch. Their squares are the eigenvalues of the smaller Gram matrix, taken in double precision;
    the gradient ``2 F V V'`` needs their eigenvectors alone, so it stays bounded where singular values coincide (that of a
    full singular value decomposition does not). Where a batch goes through in pieces, the penalty is the mean of the
    pieces'.

    References
    ----------
    Chen, Wang, Fu, Long & Wang. Catastrophic Forgetting Meets Negative Transfer: Batch Spectral Shrinkage for Safe
    Transfer Learning. NeurIPS 2019.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from torch import nn
    >>> from transferkit import BSS
    >>> from transferkit import Training
    >>> _ = torch.manual_seed(0)
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> model = BSS(nn.Sequential(nn.Linear(4, 16), nn.ReLU()), training=Training(body_lr_scale=1, n_epochs=20, lr=0.02))
    >>> model.fit(X, y).score(X, y) > 0.9
    True
    """

    _constraints: ClassVar = {**NETWORK_RULES, **PLAN_RULES, "reg": Interval(float, 0), "k": Interval(int, 1)}

    def __init__(
        self,
        source: Any,
        reg: float = 1e-3,
        k: int = 1,
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
        self.k = k
        self.plan = plan
        self.lr_decay = lr_decay
        self.batch_norm = batch_norm
        self.head = head
        self.dropout = dropout
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: Fit) -> Supervised:
        def spectrum(batch: Batch, features: Tensor, outputs: Tensor, progress: float) -> dict[str, Tensor]:
            return {"spectrum": self.reg * _smallest_squares(features.flatten(1), self.k)}

        return Supervised(fit.network, fit.labels, [spectrum])


def _smallest_squares(F: Tensor, k: int) -> Tensor:
    """Sum of the k smallest squared singular values of F, of shape (batch, n_features)."""
    with torch.autocast(F.device.type, enabled=False):
        F = (F.cpu() if F.device.type == "mps" else F).double()  # Apple's GPUs have no double precision
        gram = F @ F.T if F.shape[0] <= F.shape[1] else F.T @ F
        return torch.linalg.eigvalsh(gram)[:k].clamp_min(0).sum().float()
