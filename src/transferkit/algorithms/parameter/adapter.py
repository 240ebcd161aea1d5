"""Adapters: small trained layers between those of the frozen network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ...core.constraints import Either, Interval, Nothing, Options
from ...engine.fine_tuning.estimator import NETWORK_RULES, Fit, NetworkTransfer
from ...engine.fine_tuning.supervised import Supervised
from ...engine.training.settings import Training
from ...ops.nn.structure import PATTERNS

CARD = {
    "class": "Adapter",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Houlsby et al. Parameter-Efficient Transfer Learning for NLP. ICML 2019.",
    "url": "https://arxiv.org/abs/1902.00751",
}

__all__ = ["Adapter"]


class Adapter(NetworkTransfer):
    """Insert bottlenecks into a transformer, or 1x1 convolutions into a convolutional network, and train only these.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model; see `FineTuning`.
    kind : {None, "houlsby", "pfeiffer", "parallel", "series"}, default=None
        Bottlenecks after attention and feed-forward parts, or after the latter only; 1x1 convolutions beside or after others.
        None takes "houlsby" where there is attention, else "parallel".
    size : int in [1, inf), default=64
        Width of a bottleneck.
    layers : str or sequence of str, default=None
        Patterns of the layers' names; None is where the paper puts them.
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
    ``h + W_up act(W_down h + b) + c`` (figure 2), nothing added at the start; ``2 d m + d + m`` parameters with size m. For
    convolutional networks ``W * x + A x`` with a 1x1 convolution A (Rebuffi et al. 2018, eq. 2). Normalisations, which Houlsby et
    al. train too, stay as they are. Residual convolutions fold into the weights, bottlenecks stay.

    References
    ----------
    Houlsby et al. Parameter-Efficient Transfer Learning for NLP. ICML 2019.
    Pfeiffer et al. AdapterFusion. EACL 2021.
    Rebuffi, Bilen & Vedaldi. Efficient Parametrization of Multi-Domain Deep Neural Networks. CVPR 2018.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from torch import nn
    >>> from transferkit import Adapter, Training
    >>> _ = torch.manual_seed(0)
    >>> X = np.random.default_rng(0).integers(0, 256, size=(24, 8, 8, 3), dtype=np.uint8)
    >>> X[:12, :, :, 0] //= 4
    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> model = Adapter(net, training=Training(n_epochs=20, lr=0.05))
    >>> model.fit(X, np.arange(24) // 12).score(X, np.arange(24) // 12) > 0.9
    True
    """

    _constraints: ClassVar = {
        **NETWORK_RULES,
        "kind": Either(Nothing(), Options("houlsby", "pfeiffer", "parallel", "series")),
        "size": Interval(int, 1),
        "layers": PATTERNS,
    }

    _test_params: ClassVar = {"source": "images"}  # a network with a place for adapters

    def __init__(
        self,
        source: Any,
        kind: str | None = None,
        size: int = 64,
        layers: str | Sequence[str] | None = None,
        head: str = "linear",
        dropout: float = 0.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.kind = kind
        self.size = size
        self.layers = layers
        self.head = head
        self.dropout = dropout
        self.training = training
        self.task = task
        self.random_state = random_state

    def _edits(self) -> Sequence[Mapping[str, Any]]:
        return [{"edit": "adapter", "kind": self.kind, "size": self.size, "layers": self.layers}]

    def _objective(self, fit: Fit) -> Supervised:
        return Supervised(fit.network, fit.labels)
