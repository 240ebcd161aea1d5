"""SSF: a learned scale and shift after every layer of the frozen network, folded into it at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ...engine.fine_tuning.estimator import NETWORK_RULES, Fit, NetworkTransfer
from ...engine.fine_tuning.supervised import Supervised
from ...engine.training.settings import Training
from ...ops.nn.structure import PATTERNS

CARD = {
    "class": "ScaleShift",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Lian, Zhou, Feng & Wang. Scaling & Shifting Your Features: A New Baseline for Efficient Model Tuning. NeurIPS 2022.",
    "url": "https://arxiv.org/abs/2210.08823",
}

__all__ = ["ScaleShift"]


class ScaleShift(NetworkTransfer):
    """Scale and shift what every layer puts out, one factor and one summand a feature, and fold both in when done.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model; see `FineTuning`.
    layers : str or sequence of str, default=None
        Patterns of the layers' names; None is every dense layer, convolution and normalisation.
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
        Body and head, trained, scales and shifts folded in.
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
    ``y = gamma * x + beta`` (eq. 4), folded by eq. 5. Gamma and beta start as 1 and 0, not drawn from N(1, 0.02) and N(0, 0.02)
    as in the paper, so that training begins at the source model.

    References
    ----------
    Lian, Zhou, Feng & Wang. Scaling & Shifting Your Features: A New Baseline for Efficient Model Tuning. NeurIPS 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from transferkit import ScaleShift, Training
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU())
    >>> model = ScaleShift(net, training=Training(n_epochs=1)).fit(X, X[:, 0] > 0)
    >>> [(part["part"], part["parameters"], part["trains"]) for part in model.facts_["plan"]]
    [('0', 112, 32), ('2', 304, 32), ('head', 34, 34)]
    """

    _constraints: ClassVar = {
        **NETWORK_RULES,
        "layers": PATTERNS,
    }

    def __init__(
        self,
        source: Any,
        layers: str | Sequence[str] | None = None,
        head: str = "linear",
        dropout: float = 0.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.layers = layers
        self.head = head
        self.dropout = dropout
        self.training = training
        self.task = task
        self.random_state = random_state

    def _edits(self) -> Sequence[Mapping[str, Any]]:
        return [{"edit": "scale_shift", "layers": self.layers}]

    def _objective(self, fit: Fit) -> Supervised:
        return Supervised(fit.network, fit.labels)
