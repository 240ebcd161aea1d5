"""AFN: the norms of the features of both domains grow step by step (SAFN): small norms are what fails on the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from ...core.constraints import Interval
from ...engine.adaptation.alignment import Alignment, Joint
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.answers.labels import Labels
from ...engine.networks.backbone import Backbone
from ...engine.networks.network import Network
from ...engine.training.objective import Objective
from ...engine.training.settings import Training
from ...ops.nn.bottleneck import Bottleneck
from ...ops.nn.entropy import mean_entropy
from ...ops.nn.heads import Head

CARD = {
    "class": "AFN",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Xu, Li, Yang & Lin. Larger Norm More Transferable: An Adaptive Feature Norm Approach for Unsupervised"
    " Domain Adaptation. ICCV 2019.",
    "url": "https://arxiv.org/abs/1811.07456",
}

__all__ = ["AFN"]


class AFN(NetworkAdaptation):
    """Train features whose norms, of either domain's rows, are a little larger than they were an update ago.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, as for `DANN`: a small network or a pretrained one by name, or a torch Module; "auto" is a small one.
    bottleneck : int in [1, inf) or None, default=256
        Width of the layer that is aligned, between body and head; None is no such layer.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps features to classes.
    dropout : float in [0, 1), default=0.0
        Share of the bottleneck's features that are dropped in training, so that norms stay what they are on average; the
        paper has 0.5. Where there is no bottleneck the head drops them, after the norms were taken.
    trade_off : float in [0, inf), default=0.05
        Weight of the norms' term.
    delta : float in (0, inf), default=1.0
        By how much a norm should grow; the paper's residual Delta r.
    entropy : float in [0, inf), default=0.0
        Weight of the entropy of the target's predictions, for classes (the paper's SAFN + ENT has 0.1).
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
        One row an epoch: ``train/task``, ``train/transfer``, ``train/norm_source`` and ``train/norm_target`` (mean
        norms), ``train/entropy`` (of the target's predictions) and the label-free scores that `DANN` lists.
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
    The stepwise variant (SAFN). Minimises ``L_source + trade_off * sum_d mean_i (|z_i| - (|z_i|_0 + delta))^2 +
    entropy * H_target``, where ``|z_i|_0``, the norm that the present weights give, is a constant: each row is pushed
    outwards by the same force, however long it is. The norms' loss is therefore always ``2 * delta^2``; the norms are
    what to watch. As in the authors' code it is the sum over the domains of means, where the paper has the mean over all
    rows, half of it, norms are taken in the same update instead of the last one, and each domain goes through the network
    by itself, so that batch normalisation has the statistics of that domain. Norms and classes are those of features
    after dropout, which divides by the root of the share that is kept; the paper's bottleneck has a width of 1000. Not as
    in that code: its SGD has no momentum for the body, which then moves about as with a tenth of the rate; a pretrained
    body has that here, too (``training.body_lr_scale``), a small one from scratch has not. And what is new begins there
    with weights of deviation 0.01. A step costs about one forward and backward of the joint batch; the term itself is
    nearly free.

    References
    ----------
    Xu, Li, Yang & Lin. Larger Norm More Transferable: An Adaptive Feature Norm Approach for Unsupervised Domain
    Adaptation. ICCV 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import AFN, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = AFN("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "delta": Interval(float, 0, closed="neither"),
        "entropy": Interval(float, 0),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 0.05,
        delta: float = 1.0,
        entropy: float = 0.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.delta = delta
        self.entropy = entropy
        self.training = training
        self.task = task
        self.random_state = random_state

    def _network(self, backbone: Backbone, labels: Labels) -> Network:
        if self.bottleneck is None:
            return super()._network(backbone, labels)
        neck = Bottleneck(backbone.n_features, self.bottleneck, self.dropout)
        return Network(backbone, Head(self.bottleneck, labels.n_outputs, self.head), neck)

    def _objective(self, fit: DomainFit) -> Objective:
        growth = self._term(fit)

        def weighted(joint: Joint, progress: float) -> Mapping[str, Tensor]:
            parts, entropy = growth(joint, progress), mean_entropy(joint.outputs_t)
            return {
                **parts,
                "loss": self.trade_off * parts["loss"] + self.entropy * entropy,
                "entropy": entropy.detach(),
            }

        return Alignment(fit.network, fit.labels, weighted, apart=True)

    def _term(self, fit: DomainFit) -> Any:
        def growth(joint: Joint, progress: float) -> Mapping[str, Tensor]:
            norms = [z.float().norm(dim=1) for z in (joint.z_s, joint.z_t)]
            loss = sum((r - (r.detach() + self.delta)).square().mean() for r in norms)
            return {"loss": loss, "norm_source": norms[0].detach().mean(), "norm_target": norms[1].detach().mean()}

        return growth
