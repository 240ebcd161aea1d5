"""DARE-GRAM: the inverse Gram matrices of both domains' features, which least squares is made of, agree in angle and scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ...core.constraints import Interval
from ...engine.adaptation.alignment import Joint
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.training.settings import Training
from ...ops.nn.svd import stable_svd

CARD = {
    "class": "DAREGRAM",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("regression",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Nejjar, Wang & Fink. DARE-GRAM: Unsupervised Domain Adaptation Regression by Aligning Inverse Gram Matrices."
    " CVPR 2023.",
    "url": "https://arxiv.org/abs/2303.13325",
}

__all__ = ["DAREGRAM"]


class DAREGRAM(NetworkAdaptation):
    """Align the pseudo-inverse Gram matrices of both domains' features in angle, and their main eigenvalues in size.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, as for `DANN`: a small network or a pretrained one by name, or a torch Module; "auto" is a small one.
    bottleneck : int in [1, inf) or None, default=None
        Width of the layer that is aligned,
        between body and head; None is no such layer.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps features to numbers.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    angle_weight : float in [0, inf), default=0.05
        Weight of the angles between the columns of the pseudo-inverses.
    scale_weight : float in [0, inf), default=0.001
        Weight of the distance between the main eigenvalues.
    threshold : float in (0, 1], default=0.9
        Share of the sum of the eigenvalues that decides how many are inverted; the paper chooses within 0.9 to 0.999.
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
    history_ : list of dict
        One row an epoch: ``train/task``, ``train/transfer``, its parts ``train/angle`` and ``train/scale`` before their
        weights, and the label-free scores ``domain/auc`` and ``source/score``.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        The body's name, and the SHA-256 of its first weights.
    facts_ : dict
        What the report shows, with the last scores, ``collapsed`` and ``diverged``.
    n_features_in_ : int
        Width of the rows, where they are vectors.
    feature_names_in_ : array of shape (n_features_in_,)
        Column names, where the rows are a data frame.

    Notes
    -----
    With Z the features of half a batch and a column of ones, least squares solves ``(Z^T Z)^+ Z^T y``: that matrix, not
    the features, is what a linear head is made of. Minimises ``L_source + angle_weight * L_angle + scale_weight *
    L_scale``, where L_angle is the mean over the columns of ``1 - cos`` between the pseudo-inverses of both domains, of
    the k largest eigenvalues only, and L_scale the distance of these eigenvalues over k. k is the larger of both
    domains' last eigenvalue up to which the sum stays within `threshold` (within two eigenvalues at least). Defaults
    and counting are those of the authors' code; its pseudo-inverse is taken here from the decomposition of the batch,
    which is far smaller than the Gram matrix and gives the gradient of the truncated inverse itself. The layer before
    the head is the body's own, as in the paper: a bottleneck normalises the scale. Both domains go through the network in
    one batch, in the authors' code one after the other.

    A step costs two decompositions of matrices as small as the batch, and two products as large as the Gram matrix,
    more than plain training on both domains.

    References
    ----------
    Nejjar, Wang & Fink. DARE-GRAM: Unsupervised Domain Adaptation Regression by Aligning Inverse Gram Matrices. CVPR 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import DAREGRAM, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(96, 4)), rng.normal(size=(96, 4)) + 0.5
    >>> model = DAREGRAM("small:mlp?hidden=32", training=Training(n_epochs=20, lr=0.01))
    >>> model.fit(X, X[:, 0] - X[:, 1], target=Domain(Xt)).score(Xt, Xt[:, 0] - Xt[:, 1]) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "angle_weight": TRADE_OFF,
        "scale_weight": TRADE_OFF,
        "threshold": Interval(float, 0, 1, closed="right"),
    }
    _kinds: ClassVar = ("regression",)
    _test_params: ClassVar = {"task": "regression"}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = None,
        head: str = "linear",
        dropout: float = 0.0,
        angle_weight: float = 0.05,
        scale_weight: float = 0.001,
        threshold: float = 0.9,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.angle_weight = angle_weight
        self.scale_weight = scale_weight
        self.threshold = threshold
        self.training = training
        self.task = task
        self.random_state = random_state

    def _term(self, fit: DomainFit) -> Any:
        def inverses(joint: Joint, progress: float) -> Mapping[str, Tensor]:
            if not torch.isfinite(joint.z).all():  # which has no decomposition, and which the loop then reports
                return {"loss": joint.z.float().sum()}
            with torch.autocast(joint.z.device.type, enabled=False):  # decompositions want single precision
                angle, scale = _inverse_gram_distance(joint.z_s.float(), joint.z_t.float(), self.threshold)
            return {"loss": self.angle_weight * angle + self.scale_weight * scale, "angle": angle, "scale": scale}

        return inverses


def _inverse_gram_distance(a: Tensor, b: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Mean of 1 - cos between the columns of both pseudo-inverse Gram matrices, and the distance of their eigenvalues."""
    values, vectors = [], []
    for z in (a, b):
        _, s, v = stable_svd(functional.pad(z, (1, 0), value=1.0))
        values.append(s.square())
        vectors.append(v)
    k = min(max(_n_main(values[0], threshold), _n_main(values[1], threshold)), len(values[0]), len(values[1]))
    one, two = ((v[:, :k] / e[:k]) @ v[:, :k].T for v, e in zip(vectors, values))
    angle = (1 - functional.cosine_similarity(one, two, dim=0, eps=1e-6)).mean()
    return angle, (values[0][:k] - values[1][:k]).norm() / k


def _n_main(values: Tensor, threshold: float) -> int:
    """Eigenvalues before the last one up to which the sum stays within the threshold; 1 at least."""
    share = values.detach().cumsum(dim=0) / values.detach().sum()
    limit = max(threshold, float(share[min(1, len(share) - 1)]))
    return max(1, int((share <= limit).sum()) - 1)
