"""RSD: the subspaces that both domains' features span come together, while the features' scale stays, for regression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...core.errors import ParamError
from ...engine.adaptation.alignment import Joint
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.training.settings import Training
from ...ops.nn.svd import stable_svd

CARD = {
    "class": "RSD",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("regression",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Chen, Wang, Wang & Long. Representation Subspace Distance for Domain Adaptation Regression. ICML 2021.",
    "url": "https://proceedings.mlr.press/v139/chen21u.html",
}

__all__ = ["RSD"]

_EQUAL = 1e-6  # squared sines below this are 0: the slope of a sine there is no longer one


class RSD(NetworkAdaptation):
    """Close the angles between the subspaces that the features of both domains span.

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
    trade_off : float in [0, inf), default=0.001
        Weight of the term; TLlib's.
    mismatch_weight : float in [0, inf), default=0.1
        Weight, within the term, of the mismatch of the bases; TLlib's.
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
        One row an epoch: ``train/task``, ``train/transfer``, its parts ``train/distance`` and ``train/mismatch``, and
        the label-free scores ``domain/auc`` and ``source/score``.
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
    Minimises ``L_source + trade_off * (RSD + mismatch_weight * BMP)``. With orthonormal bases U_s, U_t of the features
    of both halves of a batch (their singular vectors) and ``U_s^T U_t = P_s diag(cos theta) P_t^T``, RSD is ``sum_i sin
    theta_i``, theta the principal angles, and BMP is ``| |P_s| - |P_t| |_F``: that angles are between bases of the same
    importance. Neither depends on the features' scale, on which a regression hangs. A batch has to have fewer rows than
    there are features, or both domains span the same space. The layer before the head is the body's own, as in the
    paper: a bottleneck normalises the scale. Difference: directions in which a batch's features vanish are left out of
    the bases, and the gradient of equal singular values is set to 0, where that of the authors' code is not finite.

    A step costs three decompositions of matrices as small as the batch more than plain training on both domains.

    References
    ----------
    Chen, Wang, Wang & Long. Representation Subspace Distance for Domain Adaptation Regression. ICML 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import RSD, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(96, 4)), rng.normal(size=(96, 4)) + 0.5
    >>> model = RSD("small:mlp?hidden=64", training=Training(n_epochs=20, lr=0.01))
    >>> model.fit(X, X[:, 0] - X[:, 1], target=Domain(Xt)).score(Xt, Xt[:, 0] - Xt[:, 1]) > 0.8
    True
    """

    _constraints: ClassVar = {**ADAPTATION_RULES, "trade_off": TRADE_OFF, "mismatch_weight": TRADE_OFF}
    _kinds: ClassVar = ("regression",)
    _test_params: ClassVar = {"bottleneck": 48, "task": "regression"}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = None,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 0.001,
        mismatch_weight: float = 0.1,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.mismatch_weight = mismatch_weight
        self.training = training
        self.task = task
        self.random_state = random_state

    def _term(self, fit: DomainFit) -> Any:
        width, rows = fit.network.n_features, min(fit.training.batch_size, max(len(fit.rows), len(fit.target)))
        if rows >= width:
            raise ParamError(
                f"RSD.fit: training.batch_size must be below the number of features ({width}), or both domains span the"
                f" same space. Got batches of {rows} rows."
            )

        def subspaces(joint: Joint, progress: float) -> Mapping[str, Tensor]:
            if not torch.isfinite(joint.z).all():  # which has no decomposition, and which the loop then reports
                return {"loss": joint.z.float().sum()}
            with torch.autocast(joint.z.device.type, enabled=False):  # decompositions want single precision
                distance, mismatch = _subspace_distance(joint.z_s.float(), joint.z_t.float())
            return {"loss": distance + self.mismatch_weight * mismatch, "distance": distance, "mismatch": mismatch}

        return subspaces


def _subspace_distance(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of the sines of the principal angles between two row spaces, and the mismatch of their bases."""
    bases = [stable_svd(z)[2] for z in (a, b)]
    rank = min(v.shape[1] for v in bases)
    p_a, cosine, p_b = stable_svd(bases[0][:, :rank].T @ bases[1][:, :rank])
    squares = 1 - cosine.square()
    apart = squares > _EQUAL
    sines = torch.where(apart, squares.clamp(min=_EQUAL).sqrt(), torch.zeros_like(squares))
    # Directions of one space that are orthogonal to all of the other have no place in `cosine`: their sine is 1.
    return sines.sum() + (rank - len(cosine)), (p_a.abs() - p_b.abs()).norm()
