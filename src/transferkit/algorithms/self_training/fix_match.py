"""FixMatch: what the network is sure of on a weak view of a target row is the label of its strong view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional

from ...core.constraints import Interval
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.answers.labels import Labels
from ...engine.inputs.rows import Rows
from ...engine.inputs.views import Views
from ...engine.networks.network import Network
from ...engine.networks.several import pass_together, with_views
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.strong_view import strong_view

CARD = {
    "class": "FixMatch",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Sohn et al. FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence. NeurIPS 2020.",
    "url": "https://arxiv.org/abs/2001.07685",
}

__all__ = ["FixMatch"]


class FixMatch(NetworkAdaptation):
    """Train on the strong view of a target row with the class that the network is sure of on the weak one.

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
        Weight of the target's rows.
    threshold : float in [0, 1), default=0.95
        A row counts where its largest probability on the weak view is at least this.
    strength : float in [0, inf), default=1.0
        Of the strong view: what is disturbed, and how, says `transferkit.ops.nn.strong_view`.
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
        One row an epoch: ``train/task``, ``train/transfer``, ``train/used`` (share of target rows above the threshold) and
        the label-free scores that `DANN` lists.
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
    Minimises ``l_s + trade_off * l_u`` (section 2.2): l_s is the cross-entropy of weakly augmented source rows (eq. 3), l_u
    the mean over the target's rows of ``1(max q_b >= threshold) H(argmax q_b, p(strong(u_b)))`` (eq. 4), with q_b the
    probabilities of the weak view, without a gradient. The weak view is the backbone's own augmentation of the
    training rows; vectors and texts have none. The strong one disturbs a second weak view. The paper draws seven unlabelled
    rows for a labelled one; here both domains have as many in a batch. As there, all views go through the network in one
    batch. A step costs half as much again as one forward and backward of the joint batch.

    References
    ----------
    Sohn, Berthelot, Li, Zhang, Carlini, Cubuk, Kurakin, Zhang & Raffel. FixMatch: Simplifying Semi-Supervised Learning
    with Consistency and Confidence. NeurIPS 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import FixMatch, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = FixMatch("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "threshold": Interval(float, 0, 1, closed="left"),
        "strength": Interval(float, 0),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 1.0,
        threshold: float = 0.95,
        strength: float = 1.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.threshold = threshold
        self.strength = strength
        self.training = training
        self.task = task
        self.random_state = random_state

    def _streams(self, fit: DomainFit) -> dict[str, Rows]:
        return {**super()._streams(fit), "target": with_views(fit.target)}

    def _objective(self, fit: DomainFit) -> Objective:
        views = Views(fit.target.preprocess)
        return _WeakAndStrong(fit.network, fit.labels, views, self.trade_off, self.threshold, self.strength)


class _WeakAndStrong(Objective):
    """Source rows, and two views of target rows, in one pass."""

    def __init__(
        self, network: Network, labels: Labels, views: Views, trade_off: float, threshold: float, strength: float
    ) -> None:
        super().__init__()
        self.network, self.labels, self.views = network, labels, views
        self.trade_off, self.threshold, self.strength = trade_off, threshold, strength

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.network.parameters()))]

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        source = batch["source"]
        weak, other = self.views.split(batch["target"].x)
        found = pass_together(self.network, source.x, weak, strong_view(other, self.strength))
        of_source, of_weak, of_strong = (outputs.float() for _, outputs in found)
        assert source.y is not None
        task = self.labels.loss(of_source, source.y)
        sure, y = of_weak.detach().softmax(dim=1).max(dim=1)
        used = (sure >= self.threshold).float()
        transfer = (used * functional.cross_entropy(of_strong, y, reduction="none")).mean()
        return {"loss": task + self.trade_off * transfer, "task": task, "transfer": transfer, "used": used.mean()}
