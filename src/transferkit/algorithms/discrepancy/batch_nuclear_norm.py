"""BNM: predictions on the target are sure and of many classes, by the nuclear norm of a batch's probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...engine.adaptation.alignment import Joint
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.training.settings import Training

CARD = {
    "class": "BatchNuclearNorm",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Cui, Wang, Zhuo, Li, Huang & Tian. Towards Discriminability and Diversity: Batch Nuclear-norm"
    " Maximization under Label Insufficient Situations. CVPR 2020.",
    "url": "https://arxiv.org/abs/2003.12237",
}

__all__ = ["BatchNuclearNorm"]


class BatchNuclearNorm(NetworkAdaptation):
    """Maximise the nuclear norm of the matrix of class probabilities of a batch of the target.

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
    trade_off : float in [0, inf), default=1.0
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
    Minimises ``L_source - trade_off * |P|_* / B``, with the B x C matrix P of the probabilities of a target batch and
    the sum of its singular values ``|P|_*``. It is large where the Frobenius norm is (rows are sure) and where the
    rank is (many classes are named): ``|P|_F <= |P|_* <= sqrt(min(B, C)) |P|_F``. The largest, ``sqrt(B C)``, has
    equal shares of sure rows, so batches should not be smaller than the number of classes, and a target with unequal
    shares is drawn towards equal ones. That is the paper's loss; the authors' code divides by the number of singular
    values, so that its weight 1 is ``B / min(B, C)`` here, and passes each domain through the network by itself. `BNM`
    is the same number as a score of candidates. A step costs one forward and backward of the joint batch, and a
    singular value decomposition of P.

    References
    ----------
    Cui, Wang, Zhuo, Li, Huang & Tian. Towards Discriminability and Diversity: Batch Nuclear-norm Maximization under
    Label Insufficient Situations. CVPR 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import BatchNuclearNorm, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = BatchNuclearNorm("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
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
        trade_off: float = 1.0,
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
        return _nuclear


def _nuclear(joint: Joint, progress: float) -> Mapping[str, Tensor]:
    proba = joint.outputs_t.float().softmax(dim=1)
    return {"loss": -torch.linalg.svdvals(proba).sum() / len(proba)}
