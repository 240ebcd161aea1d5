"""Prompt tuning: learned tokens before those of a frozen transformer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ...core.constraints import Boolean, Interval
from ...engine.fine_tuning.estimator import NETWORK_RULES, Fit, NetworkTransfer
from ...engine.fine_tuning.supervised import Supervised
from ...engine.training.settings import Training

CARD = {
    "class": "PromptTuning",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("images", "text"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Jia et al. Visual Prompt Tuning. ECCV 2022.",
    "url": "https://arxiv.org/abs/2203.12119",
}

__all__ = ["PromptTuning"]


class PromptTuning(NetworkTransfer):
    """Give a frozen vision transformer or text model a few learned tokens, and train only these and the head.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model; see `FineTuning`.
    n_tokens : int in [1, inf), default=10
        How many tokens.
    deep : bool, default=False
        Whether every block gets tokens of its own.
    token_dropout : float in [0, 1), default=0.0
        Dropout of the tokens in training.
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
    Images: tokens after the class token, taken out before pooling (Jia et al., eq. 4-8). Text: tokens before the text's
    embeddings, cut off the output (Lester et al., section 2). A network without tokens is refused.

    References
    ----------
    Jia et al. Visual Prompt Tuning. ECCV 2022.
    Lester, Al-Rfou & Constant. The Power of Scale for Parameter-Efficient Prompt Tuning. EMNLP 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import PromptTuning, Training
    >>> X = np.random.default_rng(0).integers(0, 256, size=(8, 32, 32, 3), dtype=np.uint8)
    >>> model = PromptTuning("timm:test_vit?pretrained=false&image_size=32", n_tokens=2, training=Training(n_epochs=1))
    >>> model.fit(X, np.arange(8) % 2).predict(X).shape
    (8,)
    """

    _constraints: ClassVar = {
        **NETWORK_RULES,
        "n_tokens": Interval(int, 1),
        "deep": Boolean(),
        "token_dropout": Interval(float, 0, 1, closed="left"),
    }

    _test_params: ClassVar = {"source": "text"}  # a network with tokens

    def __init__(
        self,
        source: Any,
        n_tokens: int = 10,
        deep: bool = False,
        token_dropout: float = 0.0,
        head: str = "linear",
        dropout: float = 0.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.n_tokens = n_tokens
        self.deep = deep
        self.token_dropout = token_dropout
        self.head = head
        self.dropout = dropout
        self.training = training
        self.task = task
        self.random_state = random_state

    def _edits(self) -> Sequence[Mapping[str, Any]]:
        return [
            {
                "edit": "prompts",
                "n_tokens": self.n_tokens,
                "deep": self.deep,
                "dropout": self.token_dropout,
            }
        ]

    def _objective(self, fit: Fit) -> Supervised:
        return Supervised(fit.network, fit.labels)
