"""DAN: the means of both domains agree under several kernels (MK-MMD), in the task-specific layers of the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from ...core.constraints import Fulfils, Options
from ...engine.adaptation.alignment import Joint
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.training.settings import Training
from ...ops.nn.mmd import mk_mmd

CARD = {
    "class": "DAN",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Long, Cao, Wang & Jordan. Learning Transferable Features with Deep Adaptation Networks. ICML 2015.",
    "url": "https://arxiv.org/abs/1502.02791",
}

__all__ = ["DAN"]


class DAN(NetworkAdaptation):
    """Minimise the multi-kernel maximum mean discrepancy between the domains, in the features and in the outputs.

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
        Weight of the term.
    layers : {"both", "features", "outputs"}, default="both"
        Where: the features before the head, the logits, or the sum over both, as in the paper (its fc7 and fc8).
    scales : sequence of float in (0, inf), default=(0.125, 0.25, 0.5, 1.0, 2.0)
        Bandwidths of the Gaussian kernels as multiples of the mean squared distance within the batch.
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
    Minimises ``L_source + trade_off * sum_l d_k^2(D_s^l, D_t^l)`` (eq. 4). Differences from the paper: the kernels have
    equal weights, where it learns them by a quadratic program; and the discrepancy of a batch is the unbiased estimate over
    all pairs, which may fall below 0, where it takes disjoint pairs. Both are as in the authors' later code (TLlib), but
    that this sums its kernels, so that its weight 1 is 5 here, and compares the bottleneck alone, which there drops half of
    its features and has no batch normalisation.

    References
    ----------
    Long, Cao, Wang & Jordan. Learning Transferable Features with Deep Adaptation Networks. ICML 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import DAN, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = DAN("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "layers": Options("both", "features", "outputs"),
        "scales": Fulfils(
            "be numbers above 0, at least one",
            lambda v: (
                isinstance(v, (list, tuple)) and len(v) > 0 and all(isinstance(s, (int, float)) and s > 0 for s in v)
            ),
        ),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 1.0,
        layers: str = "both",
        scales: Sequence[float] = (0.125, 0.25, 0.5, 1.0, 2.0),
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.layers = layers
        self.scales = scales
        self.training = training
        self.task = task
        self.random_state = random_state

    def _term(self, fit: DomainFit) -> Any:
        def discrepancy(joint: Joint, progress: float) -> Mapping[str, Tensor]:
            parts = {}
            if self.layers != "outputs":
                parts["features"] = mk_mmd(joint.z_s, joint.z_t, self.scales, unbiased=True)
            if self.layers != "features":
                parts["outputs"] = mk_mmd(joint.outputs_s, joint.outputs_t, self.scales, unbiased=True)
            return {"loss": sum(parts.values()), **parts}

        return discrepancy
