"""DSAN: every class of the source agrees with the same class of the target, by the probabilities there (LMMD)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ...core.constraints import Fulfils, Interval
from ...engine.adaptation.alignment import Joint
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.training.settings import Training
from ...ops.nn.grad_reverse import reversal_weight
from ...ops.nn.mmd import gaussian_kernels

CARD = {
    "class": "DSAN",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Zhu et al. Deep Subdomain Adaptation Network for Image Classification. IEEE TNNLS 32, 2021.",
    "url": "https://arxiv.org/abs/2106.09388",
}

__all__ = ["DSAN"]


class DSAN(NetworkAdaptation):
    """Minimise the local maximum mean discrepancy: the MMD between the domains within a class, averaged over classes.

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
    trade_off : float in [0, inf), default=2.5
        Weight of the term at the end of the training.
    scales : sequence of float in (0, inf), default=(0.125, 0.25, 0.5, 1.0, 2.0)
        Bandwidths of the Gaussian kernels as multiples of the mean squared distance within the batch.
    sharpness : float in (0, inf), default=10.0
        How fast the weight grows with the share of the training that is done: the schedule of `DANN`'s reversal.
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
        One row an epoch: ``train/task``, ``train/transfer``, ``train/classes`` (the share of the classes that a
        batch has in both domains) and the label-free scores that `DANN` lists.
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
    Minimises ``L_source + trade_off * lambda_p * d(p, q)`` (section III), with the squared distance of the weighted
    mean embeddings of each class (LMMD): a source row weighs in its class as one of that class's rows in the batch, a
    target row by its probability, each scaled to sum to 1 over the batch; ``lambda_p = 2 / (1 + exp(-sharpness * p)) -
    1``. With a single class it is the MMD of `DAN` (with a row paired with itself). As in the authors' code the
    weights are constants in the gradient, and a class counts where the batch has a source row of it and a target row
    that is given it; the mean is over these, where the paper has all classes, most of which a batch may lack. The
    authors' weight is 0.5 with a sum of five kernels, whose mean we take: 2.5 here. They pass each domain through the
    network by itself, and their bottleneck is a linear layer alone. A step costs one forward and backward of the joint
    batch, and kernels of all pairs of its rows.

    References
    ----------
    Zhu, Zhuang, Wang, Ke, Chen, Bian, Xiong & He. Deep Subdomain Adaptation Network for Image Classification. IEEE
    Transactions on Neural Networks and Learning Systems 32, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import DSAN, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = DSAN("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "scales": Fulfils(
            "be numbers above 0, at least one",
            lambda v: (
                isinstance(v, (list, tuple)) and len(v) > 0 and all(isinstance(s, (int, float)) and s > 0 for s in v)
            ),
        ),
        "sharpness": Interval(float, 0, closed="neither"),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 2.5,
        scales: Sequence[float] = (0.125, 0.25, 0.5, 1.0, 2.0),
        sharpness: float = 10.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.scales = scales
        self.sharpness = sharpness
        self.training = training
        self.task = task
        self.random_state = random_state

    def _term(self, fit: DomainFit) -> Any:
        def discrepancy(joint: Joint, progress: float) -> Mapping[str, Tensor]:
            assert joint.source.y is not None
            proba = joint.outputs_t.detach().float().softmax(dim=1)
            classes = functional.one_hot(joint.source.y, proba.shape[1]).float()
            with torch.autocast(joint.z.device.type, enabled=False):  # differences of sums want single precision
                loss, share = _lmmd(gaussian_kernels(joint.z, self.scales), classes, proba)
            return {"loss": reversal_weight(progress, self.sharpness) * loss, "classes": share}

        return discrepancy


def _lmmd(kernel: Tensor, classes: Tensor, proba: Tensor) -> tuple[Tensor, Tensor]:
    """LMMD over the classes that both domains have here, and how many of all these are.

    `kernel` is that of all rows, the source's first; `classes` (n_source, n_classes) holds 0 and 1.
    """
    named = torch.zeros_like(proba).scatter_(1, proba.argmax(dim=1, keepdim=True), 1.0)
    both = (classes.sum(dim=0) > 0) & (named.sum(dim=0) > 0)
    # The signs make one weighted sum of it: |sum_i w_i phi_i|^2 = w^T K w
    weight = torch.cat([classes / classes.sum(dim=0).clamp(min=1), -proba / proba.sum(dim=0).clamp(min=1e-12)])
    distance = ((kernel @ weight) * weight).sum(dim=0)
    return (distance * both).sum() / both.sum().clamp(min=1), both.float().mean()
