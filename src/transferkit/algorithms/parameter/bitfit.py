"""BitFit: only the biases of the network are trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ...core.constraints import Boolean
from ...engine.fine_tuning.estimator import NETWORK_RULES, Fit, NetworkTransfer
from ...engine.fine_tuning.supervised import Supervised
from ...engine.training.settings import Training
from ...ops.nn.structure import PATTERNS

CARD = {
    "class": "BitFit",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Ben Zaken, Ravfogel & Goldberg. BitFit: Simple Parameter-Efficient Fine-Tuning for Transformers. ACL 2022.",
    "url": "https://arxiv.org/abs/2106.10199",
}

__all__ = ["BitFit"]


class BitFit(NetworkTransfer):
    """Train the biases and the head, and nothing else.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model; see `FineTuning`.
    norms : bool, default=True
        Whether the shifts of normalisation layers count as biases.
    layers : str or sequence of str, default=None
        Patterns of the layers' names; None is all that have a bias.
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
        Body and head, trained.
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
    Section 3 of the paper; ``layers=["*query", "*intermediate.dense"]`` is the half of BERT's biases that it finds to be enough.

    References
    ----------
    Ben Zaken, Ravfogel & Goldberg. BitFit: Simple Parameter-Efficient Fine-Tuning for Transformer-Based Masked
    Language-Models. ACL 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from transferkit import BitFit, Training
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU())
    >>> model = BitFit(net, training=Training(n_epochs=1)).fit(X, X[:, 0] > 0)
    >>> [(part["part"], part["parameters"], part["trains"]) for part in model.facts_["plan"]]
    [('0', 80, 16), ('2', 272, 16), ('head', 34, 34)]
    """

    _constraints: ClassVar = {
        **NETWORK_RULES,
        "norms": Boolean(),
        "layers": PATTERNS,
    }

    def __init__(
        self,
        source: Any,
        norms: bool = True,
        layers: str | Sequence[str] | None = None,
        head: str = "linear",
        dropout: float = 0.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.norms = norms
        self.layers = layers
        self.head = head
        self.dropout = dropout
        self.training = training
        self.task = task
        self.random_state = random_state

    def _edits(self) -> Sequence[Mapping[str, Any]]:
        return [{"edit": "bitfit", "norms": self.norms, "layers": self.layers}]

    def _objective(self, fit: Fit) -> Supervised:
        return Supervised(fit.network, fit.labels)
