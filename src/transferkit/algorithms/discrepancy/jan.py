"""JAN: the joint distribution of features and class probabilities agrees between the domains (JMMD)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...core.constraints import Fulfils, Interval, Options
from ...engine.adaptation.alignment import Joint
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.training.settings import Training
from ...ops.nn.mmd import gaussian_kernels, mmd_of_kernel

CARD = {
    "class": "JAN",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Long, Zhu, Wang & Jordan. Deep Transfer Learning with Joint Adaptation Networks. ICML 2017.",
    "url": "https://arxiv.org/abs/1605.06636",
}

__all__ = ["JAN"]


class JAN(NetworkAdaptation):
    """Minimise the joint maximum mean discrepancy: that of the products of kernels on features and on probabilities.

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
    trade_off : float in [0, inf), default=5.0
        Weight of the term.
    layers : {"both", "features", "outputs"}, default="both"
        What is joint: the features before the head and the probabilities, or one of them alone (which is a plain MMD).
    scales : sequence of float in (0, inf), default=(0.125, 0.25, 0.5, 1.0, 2.0)
        Bandwidths of the Gaussian kernels as multiples of the mean squared distance within the batch.
    sigma : float in (0, inf), default=0.92
        Bandwidth of the one Gaussian kernel on probabilities.
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
    Minimises ``L_source + trade_off * D_L(P, Q)`` (section 4) with the squared distance of the mean embeddings in the
    tensor product of the layers' spaces (JMMD): an MMD whose kernel is ``k(z, z') * k(p, p')``, estimated over all
    pairs of a batch, a row with itself included, so that it is never below 0. The paper trains with the linear-time
    estimate over disjoint pairs; all pairs have less variance and are TLlib's choice, which leaves out a row with itself
    and drops half of the features before. Bandwidths, the kernel on
    probabilities (``exp(-|p - p'|^2 / (2 * sigma^2))``) and the weight are TLlib's: it sums its five kernels on
    features where we take their mean, so its weight 1 is 5 here. The variant with an adversary on top (JAN-A) is not
    in this class. A step costs one forward and backward of the joint batch, and kernels of all pairs of its rows.

    References
    ----------
    Long, Zhu, Wang & Jordan. Deep Transfer Learning with Joint Adaptation Networks. ICML 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import JAN, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = JAN("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
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
        "sigma": Interval(float, 0, closed="neither"),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 5.0,
        layers: str = "both",
        scales: Sequence[float] = (0.125, 0.25, 0.5, 1.0, 2.0),
        sigma: float = 0.92,
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
        self.sigma = sigma
        self.training = training
        self.task = task
        self.random_state = random_state

    def _term(self, fit: DomainFit) -> Any:
        def discrepancy(joint: Joint, progress: float) -> Mapping[str, Tensor]:
            kernels = []
            with torch.autocast(joint.z.device.type, enabled=False):  # differences of sums want single precision
                if self.layers != "outputs":
                    kernels.append(gaussian_kernels(joint.z, self.scales))
                if self.layers != "features":
                    kernels.append(_gaussian_kernel(joint.outputs.float().softmax(dim=1), self.sigma))
                return {"loss": mmd_of_kernel(torch.stack(kernels).prod(dim=0), joint.n)}

        return discrepancy


def _gaussian_kernel(p: Tensor, sigma: float) -> Tensor:
    inner = p @ p.T
    squares = inner.diagonal()
    distance = (squares[:, None] + squares[None] - 2 * inner).clamp(min=0)
    return torch.exp(-distance / (2 * sigma**2))
