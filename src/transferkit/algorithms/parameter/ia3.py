"""(IA)^3: one learned factor a feature on keys, values and hidden activations of the frozen network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ...engine.fine_tuning.estimator import NETWORK_RULES, Fit, NetworkTransfer
from ...engine.fine_tuning.supervised import Supervised
from ...engine.training.settings import Training
from ...ops.nn.structure import PATTERNS

CARD = {
    "class": "IA3",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Liu et al. Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning. NeurIPS 2022.",
    "url": "https://arxiv.org/abs/2205.05638",
}

__all__ = ["IA3"]


class IA3(NetworkTransfer):
    """Rescale keys, values and hidden activations by learned factors, which start as 1 and fold into the weights.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model; see `FineTuning`.
    outputs : str or sequence of str, default=None
        Patterns of layers whose outputs are scaled. Where this and `inputs` are None: keys, values and hidden activations;
        in a network without attention the inputs of all layers but the first.
    inputs : str or sequence of str, default=None
        Patterns of layers whose inputs are scaled.
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
        Body and head, trained, the factors folded in.
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
    ``softmax(Q (l_k * K)^T) (l_v * V)`` and ``W_2 (l_ff * act(W_1 x))`` (section 3.3): ``d_k + d_v + d_ff`` parameters a block. The
    paper's unlikelihood and length-normalised losses are for ranking texts and are not part of it.

    References
    ----------
    Liu et al. Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning. NeurIPS 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from transferkit import IA3, Training
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU())
    >>> model = IA3(net, training=Training(n_epochs=1)).fit(X, X[:, 0] > 0)
    >>> [(part["part"], part["parameters"], part["trains"]) for part in model.facts_["plan"]]
    [('0', 80, 0), ('2', 288, 16), ('head', 34, 34)]
    """

    _constraints: ClassVar = {
        **NETWORK_RULES,
        "outputs": PATTERNS,
        "inputs": PATTERNS,
    }

    def __init__(
        self,
        source: Any,
        outputs: str | Sequence[str] | None = None,
        inputs: str | Sequence[str] | None = None,
        head: str = "linear",
        dropout: float = 0.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.outputs = outputs
        self.inputs = inputs
        self.head = head
        self.dropout = dropout
        self.training = training
        self.task = task
        self.random_state = random_state

    def _edits(self) -> Sequence[Mapping[str, Any]]:
        return [{"edit": "ia3", "outputs": self.outputs, "inputs": self.inputs}]

    def _objective(self, fit: Fit) -> Supervised:
        return Supervised(fit.network, fit.labels)
