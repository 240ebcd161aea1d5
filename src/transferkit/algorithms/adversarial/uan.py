"""UAN: adversarial alignment of the rows that both domains share classes of, by how sure and how alike they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...core.constraints import Interval
from ...engine.adaptation.alignment import joint_pass
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.adaptation.open_set import UNKNOWN, close, open_up
from ...engine.answers.labels import Labels
from ...engine.networks.estimator import Fit
from ...engine.networks.network import Network
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.discriminator import Discriminator, domain_accuracy, domain_loss
from ...ops.nn.grad_reverse import grad_reverse, reversal_weight
from ...ops.nn.open_heads import SharedHead, shared

CARD = {
    "class": "UAN",
    "protocol": "Transfer",
    "settings": ("unsupervised", "partial", "open_set"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "You, Long, Cao, Wang & Jordan. Universal Domain Adaptation. CVPR 2019.",
    "url": "https://openaccess.thecvf.com/content_CVPR_2019/html/You_Universal_Domain_Adaptation_CVPR_2019_paper.html",
}

__all__ = ["UAN"]


class UAN(NetworkAdaptation):
    """Align rows by a critic that counts those of shared classes most, and call what is unsure and unlike unknown.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, as for `DANN`: a small network or a pretrained one by name, or a torch Module; "auto" is a small one.
    bottleneck : int in [1, inf) or None, default=256
        Width of the layer that is aligned, between body and head; None is no such layer.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps features to the source's classes.
    dropout : float in [0, 1), default=0.0
        Share of the features that this head drops in training.
    trade_off : float in [0, inf), default=1.0
        Weight of the aligning critic's loss, the paper's lambda.
    threshold : float in [-1, 1], default=-0.5
        A row is unknown where its weight is below this, the paper's w_0. The weight is in [-1, 1]; the authors' configuration
        has -0.5, and the paper chooses it on labelled rows, which are not there.
    temperature : float in (0, inf), default=10.0
        What the logits of source rows are divided by for their weights, as in the authors' code: without, rows that are
        trained on would all be sure.
    hidden : int in [1, inf), default=1024
        Width of the two layers of both critics.
    sharpness : float in (0, inf), default=10.0
        How fast the reversal grows with the share of the training that is done.
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
        Body, bottleneck and head, trained; the head is a `transferkit.ops.nn.open_heads.SharedHead`, or with ``unknown=None``
        that for the classes.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        Of the source, and last the unknown one.
    history_ : list of dict
        One row an epoch: ``train/task``, ``train/transfer`` (the aligning critic's loss), ``train/critic`` (its accuracy;
        1/2 is full confusion), ``train/weigher`` (the accuracy of the other critic) and the label-free scores that `DANN`
        lists.
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
    Critic D' descends on the loss of the domains, on features that get no gradient of it (section 3). With H the entropy of a
    row's probabilities over its largest value, target rows weigh ``D'(z) - H`` and source rows ``H - D'(z)``, as in the
    authors' code brought to [0, 1] within a batch and divided by their mean. Critic D descends on the loss of the domains
    with these weights, the features climb on it through a gradient reversal with `DANN`'s schedule, and descend with the
    head on the source's loss. A target row is unknown where ``D'(z) - H < threshold``. In ``predict_proba`` the unknown
    class is the last column: of its odds against the most probable class only the side of 1 has a meaning. Each domain
    counts half in a critic's loss, as in `DANN`, in the authors' code whole; their critics drop half of each layer. A step
    costs one forward and backward pass.

    References
    ----------
    You, Long, Cao, Wang & Jordan. Universal Domain Adaptation. CVPR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import UAN, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> yt = np.arange(160) % 4  # the target has a fourth class
    >>> Xt = rng.normal(scale=0.5, size=(160, 4)) + 4 * np.eye(4)[yt]
    >>> X, y = Xt[yt < 3] + 0.3, yt[yt < 3]
    >>> model = UAN("small:mlp?hidden=16", bottleneck=8, hidden=16, training=Training(n_epochs=20, lr=0.01))
    >>> model.fit(X, y, target=Domain(Xt)).classes_
    array([0, 1, 2, 3])
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "threshold": Interval(float, -1, 1),
        "temperature": Interval(float, 0, closed="neither"),
        "hidden": Interval(int, 1),
        "sharpness": Interval(float, 0, closed="neither"),
        "unknown": UNKNOWN,
    }
    _test_params: ClassVar = {"unknown": None, "hidden": 16}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 1.0,
        threshold: float = -0.5,
        temperature: float = 10.0,
        hidden: int = 1024,
        sharpness: float = 10.0,
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
        self.threshold = threshold
        self.temperature = temperature
        self.hidden = hidden
        self.sharpness = sharpness
        self.unknown = unknown
        self.training = training
        self.task = task
        self.random_state = random_state

    def _edit(self, fit: Fit) -> None:
        given = self.head, self.dropout, self.hidden, self.threshold
        open_up("UAN.fit", fit, SharedHead(fit.network.n_features, fit.labels.n_outputs, *given), self.unknown)

    def _objective(self, fit: DomainFit) -> Objective:
        critic = Discriminator(fit.network.n_features, self.hidden, batch_norm=False)
        return _Shared(fit.network, fit.labels, critic, self.trade_off, self.temperature, self.sharpness)

    def _finish(self, fit: Fit, objective: Objective) -> None:
        if self.unknown is None:
            close(fit)


class _Shared(Objective):
    """The source's loss, the critic that weighs, and the one that aligns."""

    def __init__(
        self,
        network: Network,
        labels: Labels,
        critic: Discriminator,
        trade_off: float,
        temperature: float,
        sharpness: float,
    ) -> None:
        super().__init__()
        self.network, self.labels, self.critic = network, labels, critic
        self.trade_off, self.temperature, self.sharpness = trade_off, temperature, sharpness

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.parameters()))]

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        joint, head = joint_pass(self.network, batch), self.network.head
        n, y = joint.n, joint.source.y
        assert y is not None
        assert isinstance(head, SharedHead)
        logits = joint.outputs[:, :-1]
        task = self.labels.loss(logits[:n], y)
        told = head.critic(joint.z.detach())
        with torch.no_grad():
            of_source = -shared(logits[:n], told[:n], self.temperature)
            weight = torch.cat([_levelled(of_source), _levelled(shared(logits[n:], told[n:]))])
        found = self.critic(grad_reverse(joint.z, reversal_weight(progress, self.sharpness)))
        transfer = domain_loss(found, n, weight)
        loss = task + domain_loss(told, n) + self.trade_off * transfer
        seen = {"critic": domain_accuracy(found, n), "weigher": domain_accuracy(told, n)}
        return {"loss": loss, "task": task, "transfer": transfer, **seen}


def _levelled(weight: Tensor) -> Tensor:
    """Weights brought to [0, 1]; equal ones all to 1. `domain_loss` divides by their sum."""
    spread = weight.max() - weight.min()
    return torch.where(spread > 0, (weight - weight.min()) / spread.clamp(min=1e-12), torch.ones_like(weight))
