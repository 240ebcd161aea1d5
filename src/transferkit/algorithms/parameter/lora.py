"""LoRA: a trained change of low rank beside the frozen weights, folded into them at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ...core.constraints import Boolean, Either, Interval, Nothing
from ...engine.fine_tuning.estimator import NETWORK_RULES, Fit, NetworkTransfer
from ...engine.fine_tuning.supervised import Supervised
from ...engine.training.settings import Training
from ...ops.nn.structure import PATTERNS

CARD = {
    "class": "LoRA",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Hu et al. LoRA: Low-Rank Adaptation of Large Language Models. ICLR 2022.",
    "url": "https://arxiv.org/abs/2106.09685",
}

__all__ = ["LoRA"]


class LoRA(NetworkTransfer):
    """Train ``scale * B A`` beside frozen weights, with A and B of low rank, and add it to them when done.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model; see `FineTuning`.
    rank : int in [1, inf), default=8
        Rank of the change.
    alpha : float in (0, inf), default=None
        ``scale = alpha / rank``; None is `rank`.
    lora_dropout : float in [0, 1), default=0.0
        Share of the input of A that is dropped in training.
    rank_stabilized : bool, default=False
        ``scale = alpha / sqrt(rank)`` (rsLoRA).
    layers : str or sequence of str, default=None
        Patterns of the layers' names; None is the query and value projections, in a network without attention all dense
        layers and convolutions.
    head : {"linear", "mlp", "adapter", "cosine", "conv"}, default="linear"
        What maps features to outputs; it is new and trains whole.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    training : Training, default=None
        Epochs, learning rate, batch size and all else; None is ``Training()``. Few new parameters bear a larger learning
        rate than full fine-tuning.
    task : {"auto", "classification", "multilabel", "regression"}, default="auto"
        "auto" decides from the labels.
    random_state : int, RandomState or None, default=0
        Seed of what is new, the batches and the augmentation.

    Attributes
    ----------
    network_ : Network
        Body and head, trained, the change folded in.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        For a classification.
    history_ : list of dict
        One row an epoch.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        The source model's name, and the SHA-256 of its weights.
    facts_ : dict
        What the report shows; "plan" counts what trains in every part.
    n_features_in_ : int
        Width of the rows, where they are vectors.

    Notes
    -----
    ``h = W x + scale * B A x`` (eq. 3), with W frozen, A random and B zero at the start, so that training begins at the source
    model; ``rank * (d_in + d_out)`` parameters a dense layer. Works on any module: fused projections of timm's transformers,
    grouped and strided convolutions. On transformers' models outputs equal those of peft at equal weights.

    References
    ----------
    Hu et al. LoRA: Low-Rank Adaptation of Large Language Models. ICLR 2022.
    Kalajdzievski. A Rank Stabilization Scaling Factor for Fine-Tuning with LoRA. 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from transferkit import LoRA, Training
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU())
    >>> model = LoRA(net, training=Training(n_epochs=1)).fit(X, X[:, 0] > 0)
    >>> [(part["part"], part["parameters"], part["trains"]) for part in model.facts_["plan"]]
    [('0', 240, 160), ('2', 528, 256), ('head', 34, 34)]
    """

    _constraints: ClassVar = {
        **NETWORK_RULES,
        "rank": Interval(int, 1),
        "alpha": Either(Nothing(), Interval(float, 0, closed="neither")),
        "lora_dropout": Interval(float, 0, 1, closed="left"),
        "rank_stabilized": Boolean(),
        "layers": PATTERNS,
    }

    def __init__(
        self,
        source: Any,
        rank: int = 8,
        alpha: float | None = None,
        lora_dropout: float = 0.0,
        rank_stabilized: bool = False,
        layers: str | Sequence[str] | None = None,
        head: str = "linear",
        dropout: float = 0.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.rank = rank
        self.alpha = alpha
        self.lora_dropout = lora_dropout
        self.rank_stabilized = rank_stabilized
        self.layers = layers
        self.head = head
        self.dropout = dropout
        self.training = training
        self.task = task
        self.random_state = random_state

    def _edits(self) -> Sequence[Mapping[str, Any]]:
        return [
            {
                "edit": "lora",
                "rank": self.rank,
                "alpha": self.alpha,
                "dropout": self.lora_dropout,
                "rank_stabilized": self.rank_stabilized,
                "layers": self.layers,
            }
        ]

    def _objective(self, fit: Fit) -> Supervised:
        return Supervised(fit.network, fit.labels)
