"""GVB: bridges between domain-specific and shared parts of classifier and critic, whose size is driven to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...core.constraints import Interval, Options
from ...engine.adaptation.alignment import Joint
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.networks.estimator import Fit
from ...engine.training.objective import Objective
from ...engine.training.settings import Training
from ...ops.nn.discriminator import Discriminator, domain_accuracy, domain_loss
from ...ops.nn.grad_reverse import grad_reverse, reversal_weight
from ...ops.nn.heads import Head

CARD = {
    "class": "GVB",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Cui, Wang, Zhuo, Su, Huang & Tian. Gradually Vanishing Bridge for Adversarial Domain Adaptation. CVPR 2020.",
    "url": "https://arxiv.org/abs/2003.13183",
}

__all__ = ["GVB"]


class GVB(NetworkAdaptation):
    """Fool a critic that sees class probabilities, while bridges take up what belongs to one domain only, and vanish.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, as for `DANN`: a small network or a pretrained one by name, or a torch Module; "auto" is a small one.
    bottleneck : int in [1, inf) or None, default=256
        Width of the layer that is aligned, between body and head; None is no such layer.
    head : {"linear", "mlp", "adapter"}, default="linear"
        What maps features to classes; its last layer is bridged, and so has to be linear.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    trade_off : float in [0, inf), default=1.0
        Weight of the critic's loss and the bridges.
    bridge : float in [0, inf), default=1.0
        Weight of the size of both bridges within that; the paper's lambda and mu.
    hidden : int in [1, inf), default=1024
        Width of the critic's two layers.
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
        One row an epoch: ``train/task``, ``train/transfer``, ``train/critic`` (the critic's accuracy),
        ``train/bridge_classes`` and ``train/bridge_domains`` (sizes) and the label-free scores that `DANN` lists.
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
    The outputs are ``r = G_1(f) - G_2(f)``: the classifier's minus those of a linear bridge; a critic of two hidden
    layers with logit ``D_1 - D_2``, a bridge again, sees ``softmax(r)`` through a gradient reversal as in `DANN`.
    Minimises ``L_source + trade_off * (L_adv + bridge * (mean|G_2| + mean|D_2|))``. Rows weigh ``exp(-H)`` within
    their domain, as in the authors' code; no gradient flows through the weights, where that code reverses it. Their
    critic has dropout, ours none. After the fit the bridge is folded into the last layer, which then is ``G_1 - G_2``
    itself. A batch costs one forward and backward pass, and one of the critic.

    References
    ----------
    Cui, Wang, Zhuo, Su, Huang & Tian. Gradually Vanishing Bridge for Adversarial Domain Adaptation. CVPR 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import GVB, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = GVB("small:mlp?hidden=16", bottleneck=8, hidden=16, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "head": Options("linear", "mlp", "adapter"),
        "trade_off": TRADE_OFF,
        "bridge": Interval(float, 0),
        "hidden": Interval(int, 1),
        "sharpness": Interval(float, 0, closed="neither"),
    }
    _test_params: ClassVar = {"hidden": 16}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 1.0,
        bridge: float = 1.0,
        hidden: int = 1024,
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
        self.bridge = bridge
        self.hidden = hidden
        self.sharpness = sharpness
        self.training = training
        self.task = task
        self.random_state = random_state

    def _edit(self, fit: Fit) -> None:
        head = fit.network.head
        assert isinstance(head, Head)
        assert isinstance(head.out, nn.Linear)
        head.out = _Bridged(head.out)

    def _term(self, fit: DomainFit) -> nn.Module:
        assert isinstance(fit.network.head, Head)
        critic = Discriminator(fit.labels.n_outputs, self.hidden, batch_norm=False)
        return _Bridges(fit.network.head, critic, self.bridge, self.sharpness)

    def _finish(self, fit: Fit, objective: Objective) -> None:
        head = fit.network.head
        assert isinstance(head, Head)
        assert isinstance(head.out, _Bridged)
        head.out = head.out.folded()


class _Bridged(nn.Module):
    """A linear layer minus its bridge."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer, self.bridge = layer, nn.Linear(layer.in_features, layer.out_features)

    def forward(self, z: Tensor) -> Tensor:
        return self.layer(z) - self.bridge(z)

    @torch.no_grad()
    def folded(self) -> nn.Linear:
        """The one layer that gives the same."""
        self.layer.weight.sub_(self.bridge.weight)
        self.layer.bias.sub_(self.bridge.bias)
        return self.layer


class _Bridges(nn.Module):
    """The critic's loss on reversed probabilities, and the size of both bridges."""

    def __init__(self, head: Head, critic: Discriminator, weight: float, sharpness: float) -> None:
        super().__init__()
        self.head, self.critic, self.weight, self.sharpness = head, critic, weight, sharpness
        last = critic.layers[-1]
        assert isinstance(last, nn.Linear)
        critic.layers[-1] = _Bridged(last)

    def forward(self, joint: Joint, progress: float) -> Mapping[str, Tensor]:
        proba = joint.outputs.float().softmax(dim=1)
        hidden = self.critic.layers[:-1](grad_reverse(proba, reversal_weight(progress, self.sharpness)))
        last, out = self.critic.layers[-1], self.head.out
        assert isinstance(last, _Bridged)
        assert isinstance(out, _Bridged)
        logits, sure = last(hidden)[:, 0], torch.exp(-torch.special.entr(proba.detach()).sum(dim=1))
        classes = out.bridge(self.head.hidden(self.head.norm(joint.z))).abs().mean()
        domains = last.bridge(hidden).abs().mean()
        loss = domain_loss(logits, joint.n, sure) + self.weight * (classes + domains)
        parts = {"bridge_classes": classes, "bridge_domains": domains}
        return {"loss": loss, "critic": domain_accuracy(logits, joint.n), **parts}
