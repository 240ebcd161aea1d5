"""HoMM: the moments of third, or any, order of both domains agree in a layer of the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...core.constraints import Interval
from ...engine.adaptation.alignment import joint_pass
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.answers.labels import Labels
from ...engine.networks.network import Network
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.features import tap
from ...ops.nn.mmd import mmd_of_kernel

CARD = {
    "class": "HoMM",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Chen et al. HoMM: Higher-order Moment Matching for Unsupervised Domain Adaptation. AAAI 2020.",
    "url": "https://arxiv.org/abs/1912.11976",
}

__all__ = ["HoMM"]


class HoMM(NetworkAdaptation):
    """Minimise the distance between the higher-order moment tensors of source and target in the bottleneck.

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
    trade_off : float in [0, inf), default=10.0
        Weight of the term.
    order : int in [1, inf), default=3
        Of the moments: 1 compares means, 2 covariances, 3 and above the shape of the distributions.
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
    Minimises ``L_source + trade_off * |M_p(h_s) - M_p(h_t)|^2 / L^p``, with the mean ``M_p`` over a batch of the
    p-fold tensor product of features h in L dimensions, p the order. The tensors of L^p entries are never built: as
    the inner product of two p-fold products is ``<a, b>^p``, the distance is an MMD with the kernel
    ``(<a, b> / L)^p``, exact for every order and width, where the paper splits the layer into groups or draws entries
    at random. Order 1 is `DDC`'s distance (over L), order 2 compares second moments (`DeepCORAL` compares them after
    centring). The authors' code centres the features of each domain, the paper's formula does not; we follow the
    formula, as centred moments cannot see that a domain has moved. As in the paper h is the tanh of the layer: of the
    bottleneck before its ReLU (which would make most entries 0), or of the body's output where there is no
    bottleneck. The authors' code has weight 10000, for a layer without batch normalisation, whose features are small;
    at unit scale the sampling error of a batch alone would then outweigh the source's loss. The clustering loss that
    the paper adds for its "full" results and the kernel version are not in this class. A step costs one forward and
    backward of the joint batch, and inner products of all pairs of its rows.

    References
    ----------
    Chen, Fu, Chen, Jin, Cheng, Jin & Hua. HoMM: Higher-order Moment Matching for Unsupervised Domain Adaptation. AAAI
    2020.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, HoMM, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = HoMM("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "order": Interval(int, 1),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 10.0,
        order: int = 3,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.order = order
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: DomainFit) -> Objective:
        return _MomentMatching(fit.network, fit.labels, self.order, self.trade_off)


class _MomentMatching(Objective):
    """The source's loss and the distance of moments."""

    def __init__(self, network: Network, labels: Labels, order: int, trade_off: float) -> None:
        super().__init__()
        self.network, self.labels, self.order, self.trade_off = network, labels, order, trade_off

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.parameters()))]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        layer = "body" if self.network.neck is None else "neck.norm"
        with tap(self.network, layer, exact=True) as seen:
            joint = joint_pass(self.network, batch)
        assert joint.source.y is not None
        task = self.labels.loss(joint.outputs_s, joint.source.y)
        h = seen[layer].float().tanh()
        with torch.autocast(h.device.type, enabled=False):  # differences of sums want single precision
            transfer = _moment_distance(h[: joint.n], h[joint.n :], self.order)
        return {"loss": task + self.trade_off * transfer, "task": task, "transfer": transfer}

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)


def _moment_distance(a: Tensor, b: Tensor, order: int) -> Tensor:
    """``|M_p(a) - M_p(b)|^2 / L^p`` by inner products of all pairs."""
    z = torch.cat([a, b])
    return mmd_of_kernel((z @ z.T / z.shape[1]) ** order, len(a))
