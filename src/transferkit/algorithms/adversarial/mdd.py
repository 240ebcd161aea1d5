"""MDD: a second classifier agrees with the first on the source, not on the target, by a margin; features undo that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.constraints import Interval
from ...engine.adaptation.alignment import Joint
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.training.settings import Training
from ...ops.nn.grad_reverse import grad_reverse, reversal_weight
from ...ops.nn.heads import Head

CARD = {
    "class": "MDD",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Zhang, Liu, Long & Jordan. Bridging Theory and Algorithm for Domain Adaptation. ICML 2019.",
    "url": "https://arxiv.org/abs/1904.05801",
}

__all__ = ["MDD"]


class MDD(NetworkAdaptation):
    """Minimise the margin disparity discrepancy, which an auxiliary classifier measures and the features shrink.

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
    trade_off : float in [0, inf), default=1.0
        Weight of the discrepancy.
    margin : float in (0, inf), default=4.0
        Factor gamma of the source's part; the margin of the theory is its logarithm. The paper tries 2 to 4.
    reversal : float in [0, inf), default=0.1
        What the weight of the reversed gradient grows to; 0.1 in the authors' code and in TLlib.
    sharpness : float in (0, inf), default=10.0
        How fast the reversal grows with the share of the training that is done.
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
        One row an epoch: ``train/task``, ``train/transfer``, its parts ``train/agree`` (source) and ``train/apart``
        (target) and the label-free scores that `DANN` lists.
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
    With f the head, f' a second one of the same kind and psi the features, minimises ``L_source(f) + trade_off *
    L_f'`` where ``L_f' = gamma * E_source[-log s(f')] + E_target[-log(1 - s(f'))]`` and s(f') is the probability that
    f' gives to the class that f names (section 4.1); a gradient reversal before f' makes psi climb on it. No gradient
    flows through what f names. At the optimum over f', ``s = gamma p / (gamma p + q)`` (section 4.2) for densities p
    and q of source and target features: where they are equal it is ``gamma / (1 + gamma)``, a margin of ``log gamma``.
    The reversal grows as in `DANN`; the authors' code lets it grow with the number of updates, and its two classifiers have
    a hidden layer (``head="mlp"``) of 1024, as wide as the features, of which half are dropped. A batch costs one
    forward and backward pass, and one more of the head.

    References
    ----------
    Zhang, Liu, Long & Jordan. Bridging Theory and Algorithm for Domain Adaptation. ICML 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import MDD, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = MDD("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "margin": Interval(float, 0, closed="neither"),
        "reversal": Interval(float, 0),
        "sharpness": Interval(float, 0, closed="neither"),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 1.0,
        margin: float = 4.0,
        reversal: float = 0.1,
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
        self.margin = margin
        self.reversal = reversal
        self.sharpness = sharpness
        self.training = training
        self.task = task
        self.random_state = random_state

    def _term(self, fit: DomainFit) -> nn.Module:
        assert isinstance(fit.network.head, Head)
        return _Disparity(Head(**fit.network.head.spec), self.margin, self.reversal, self.sharpness)


class _Disparity(nn.Module):
    """The auxiliary classifier's loss on reversed features."""

    def __init__(self, second: Head, margin: float, reversal: float, sharpness: float) -> None:
        super().__init__()
        self.second, self.margin, self.reversal, self.sharpness = second, margin, reversal, sharpness

    def forward(self, joint: Joint, progress: float) -> Mapping[str, Tensor]:
        named = joint.outputs.detach().argmax(dim=1)
        weight = self.reversal * reversal_weight(progress, self.sharpness)
        logits = self.second(grad_reverse(joint.z, weight)).float()
        agree = functional.cross_entropy(logits[: joint.n], named[: joint.n])
        apart = -_log_of_others(logits[joint.n :], named[joint.n :]).mean()
        return {"loss": self.margin * agree + apart, "agree": agree, "apart": apart}


def _log_of_others(logits: Tensor, named: Tensor) -> Tensor:
    """``log(1 - p)`` of a class in each row, without taking the difference."""
    is_named = functional.one_hot(named, logits.shape[1]).bool()
    return torch.logsumexp(logits.masked_fill(is_named, -torch.inf), dim=1) - torch.logsumexp(logits, dim=1)
