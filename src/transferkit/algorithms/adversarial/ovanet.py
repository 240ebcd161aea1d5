"""OVANet: for each class a choice of two, learned against its nearest other class, that knows rows of no class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional

from ...engine.adaptation.alignment import joint_pass
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.adaptation.open_set import UNKNOWN, close, open_up
from ...engine.answers.labels import Labels
from ...engine.networks.estimator import Fit
from ...engine.networks.network import Network
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.open_heads import OneVsAllHead

CARD = {
    "class": "OVANet",
    "protocol": "Transfer",
    "settings": ("unsupervised", "partial", "open_set"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Saito & Saenko. OVANet: One-vs-All Network for Universal Domain Adaptation. ICCV 2021.",
    "url": "https://arxiv.org/abs/2104.03344",
}

__all__ = ["OVANet"]


class OVANet(NetworkAdaptation):
    """Learn from the source how near a row must be to a class, and let target rows take one side of that border.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, as for `DANN`: a small network or a pretrained one by name, or a torch Module; "auto" is a small one.
    bottleneck : int in [1, inf) or None, default=256
        Width of the layer between body and head; None is no such layer, as in the paper.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps features to the source's classes.
    dropout : float in [0, 1), default=0.0
        Share of the features that this head drops in training.
    trade_off : float in [0, inf), default=0.1
        Weight of the entropy of the choices on target rows, the paper's lambda; 0 ignores the target but for batch
        normalisation.
    unknown : str, number or None, default="auto"
        Label that `predict` gives to rows of an unknown class: "auto" is the text "unknown" where classes are text,
        else one more than the largest. With None every row gets a class of the source, its most probable one.
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
        Body, bottleneck and head, trained; the head is a `transferkit.ops.nn.open_heads.OneVsAllHead`, or with
        ``unknown=None`` that for the classes.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        Of the source, and last the unknown one.
    history_ : list of dict
        One row an epoch: ``train/task``, ``train/own`` and ``train/other`` (losses of the choices for a row's class and
        for the nearest other one), ``train/transfer`` (the entropy) and the label-free scores that `DANN` lists.
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
    Minimises ``L_source + L_ova + trade_off * L_ent`` (section 3). With p_k the probability that a row is of class k, of a
    choice of two for each class, ``L_ova = -log p_y - min_{k != y} log(1 - p_k)`` on source rows: of the other classes only
    the nearest counts. L_ent is the entropy of the choices on target rows, which come clearly inside a class or outside of
    all. A row is unknown where p_k is below one half for its most probable class k, without a threshold to set. As in the
    authors' code, L_ova is halved, L_ent is the mean over the classes, and the choices are linear in the features, with
    weights of length 1. ``predict_proba`` has the unknown class as its last column: its odds against the most probable
    class are those of that class's choice. With two classes of the source the border of each lies at the other, and few
    rows are beyond both: the method wants more. Both domains go through the network in one batch, in the authors' code one
    after the other. A step costs one forward and backward pass.

    References
    ----------
    Saito & Saenko. OVANet: One-vs-All Network for Universal Domain Adaptation. ICCV 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import OVANet, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> yt = np.arange(160) % 4  # the target has a fourth class
    >>> Xt = rng.normal(scale=0.5, size=(160, 4)) + 4 * np.eye(4)[yt]
    >>> X, y = Xt[yt < 3] + 0.3, yt[yt < 3]
    >>> model = OVANet("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.01))
    >>> model.fit(X, y, target=Domain(Xt)).classes_
    array([0, 1, 2, 3])
    """

    _constraints: ClassVar = {**ADAPTATION_RULES, "trade_off": TRADE_OFF, "unknown": UNKNOWN}
    _test_params: ClassVar = {"unknown": None}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 0.1,
        unknown: Any = "auto",
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.unknown = unknown
        self.training = training
        self.task = task
        self.random_state = random_state

    def _edit(self, fit: Fit) -> None:
        head = OneVsAllHead(fit.network.n_features, fit.labels.n_outputs, self.head, self.dropout)
        open_up("OVANet.fit", fit, head, self.unknown)

    def _objective(self, fit: DomainFit) -> Objective:
        return _OneVsAll(fit.network, fit.labels, self.trade_off)

    def _finish(self, fit: Fit, objective: Objective) -> None:
        if self.unknown is None:
            close(fit)


class _OneVsAll(Objective):
    """The classes and the choices on source rows, the entropy of the choices on target rows."""

    def __init__(self, network: Network, labels: Labels, trade_off: float) -> None:
        super().__init__()
        self.network, self.labels, self.trade_off = network, labels, trade_off

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.network.parameters()))]

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        joint, head = joint_pass(self.network, batch), self.network.head
        y = joint.source.y
        assert y is not None
        assert isinstance(head, OneVsAllHead)
        task = self.labels.loss(joint.outputs_s[:, :-1], y)
        margins = head.margins(joint.z)
        of_source, of_target = margins[: joint.n], margins[joint.n :]
        own = functional.softplus(-of_source.gather(1, y[:, None])).mean()
        is_own = functional.one_hot(y, margins.shape[1]).bool()
        other = functional.softplus(of_source.masked_fill(is_own, float("-inf")).amax(dim=1)).mean()
        p = of_target.sigmoid()
        transfer = (p * functional.softplus(-of_target) + (1 - p) * functional.softplus(of_target)).mean()
        loss = task + (own + other) / 2 + self.trade_off * transfer
        return {"loss": loss, "task": task, "own": own, "other": other, "transfer": transfer}
