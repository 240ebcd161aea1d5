"""DDC: the mean features of both domains agree in one layer of the network (MMD with a linear kernel)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from ...engine.adaptation.alignment import Joint
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.training.settings import Training

CARD = {
    "class": "DDC",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Tzeng, Hoffman, Zhang, Saenko & Darrell. Deep Domain Confusion: Maximizing for Domain Invariance. 2014.",
    "url": "https://arxiv.org/abs/1412.3474",
}

__all__ = ["DDC"]


class DDC(NetworkAdaptation):
    """Minimise the squared distance between the mean features of source and target in an adaptation layer.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, as for `DANN`: a small network or a pretrained one by name, or a torch Module; "auto" is a small one.
    bottleneck : int in [1, inf) or None, default=256
        Width of the layer that is aligned, between body and head; None is no such layer.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps features to classes.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    trade_off : float in [0, inf), default=0.25
        Weight of the term.
    training : Training, default=None
        Epochs (passes over the longer domain), learning rate, batch size (rows of each domain) and all else; None is
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
        One row an epoch: ``train/task``, ``train/transfer`` and the label-free scores that `DANN` lists.
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
    Minimises ``L_C + trade_off * MMD^2(z_s, z_t)`` (eq. 2), with ``MMD = |mean(z_s) - mean(z_t)|`` of a batch of each
    domain (eq. 1), z the outputs of the adaptation layer, which is the bottleneck. Width 256 and weight 0.25 are the
    paper's, on AlexNet. The paper chooses width and place of that layer by the smallest MMD of a trained network;
    here they are parameters. Our bottleneck has batch normalisation and ReLU. `DAN` is the same with other kernels
    and more layers. A step costs one forward and backward of the joint batch; the term itself is nearly free.

    References
    ----------
    Tzeng, Hoffman, Zhang, Saenko & Darrell. Deep Domain Confusion: Maximizing for Domain Invariance. 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import DDC, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = DDC("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
    }

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 0.25,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.training = training
        self.task = task
        self.random_state = random_state

    def _term(self, fit: DomainFit) -> Any:
        return _means


def _means(joint: Joint, progress: float) -> Mapping[str, Tensor]:
    gap = joint.z_s.float().mean(dim=0) - joint.z_t.float().mean(dim=0)
    return {"loss": gap.square().sum()}
