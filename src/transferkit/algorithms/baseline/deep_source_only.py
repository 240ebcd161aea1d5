"""Deep source-only: the network trained on the source's labels, the target left aside; what deep adaptation has to beat."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core.constraints import Interval
from ...engine.adaptation.estimator import ADAPTATION_RULES, DomainFit, NetworkAdaptation
from ...engine.adaptation.source_loss import SourceLoss
from ...engine.training.objective import Objective
from ...engine.training.settings import Training

CARD = {
    "class": "DeepSourceOnly",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Ben-David et al. A Theory of Learning from Different Domains. Machine Learning 79, 2010.",
    "url": "https://doi.org/10.1007/s10994-009-5152-4",
}

__all__ = ["DeepSourceOnly"]


class DeepSourceOnly(NetworkAdaptation):
    """Minimise the loss on the source's rows alone, and predict the target with that network.

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
    label_smoothing : float in [0, 1), default=0.0
        Share of a row's weight, for classes, that goes to all classes alike; SHOT begins with a source model that had 0.1.
    training : Training, default=None
        Epochs (passes over the longer domain), learning rate, batch size and all else; None is
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
        Of the source.
    history_ : list of dict
        One row an epoch: ``train/loss`` and the label-free scores that `DANN` lists.
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
    Minimises ``L_source``. Rows of the target are looked at for the scores in ``history_`` only; batch normalisation takes
    the statistics of the source, and predicts with them. All else (first weights, the source's rows of every update, the
    number of updates) is as in the methods that adapt, so that what differs is the adaptation.

    References
    ----------
    Ben-David, Blitzer, Crammer, Kulesza, Pereira & Vaughan. A Theory of Learning from Different Domains. Machine
    Learning 79, 2010 (section 4: the error on the target is bounded by that on the source and their distance).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import DeepSourceOnly, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = DeepSourceOnly("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {**ADAPTATION_RULES, "label_smoothing": Interval(float, 0, 1, closed="left")}
    _kinds: ClassVar = ("classification", "multilabel", "regression")

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        label_smoothing: float = 0.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.label_smoothing = label_smoothing
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: DomainFit) -> Objective:
        return SourceLoss(fit.network, fit.labels, self.label_smoothing)
