"""DANN: features from which a critic, trained against them through a gradient reversal, cannot tell the domains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from ...core.constraints import Boolean, Interval
from ...engine.adaptation.alignment import Joint
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.training.settings import Training
from ...ops.nn.discriminator import Discriminator, domain_accuracy, domain_loss
from ...ops.nn.grad_reverse import grad_reverse, reversal_weight

CARD = {
    "class": "DANN",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Ganin et al. Domain-Adversarial Training of Neural Networks. JMLR 17, 2016.",
    "url": "https://arxiv.org/abs/1505.07818",
}

__all__ = ["DANN"]


class DANN(NetworkAdaptation):
    """Train features that serve the source's classes while a critic of domains is fooled by them.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body: ``"small:mlp"``, ``"small:lenet"``, ``"small:dtn"`` or ``"small:cnn1d"``, with options as in
        ``"small:mlp?hidden=512,256"``; a pretrained one such as ``"timm:resnet18"``; or a torch Module that gives features.
        "auto" is a small one for the kind of the rows.
    bottleneck : int in [1, inf) or None, default=256
        Width of the layer that is aligned, with batch normalisation and ReLU, between body and head; None is no such layer.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps features to classes.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    trade_off : float in [0, inf), default=1.0
        Weight of the critic's loss; 0 ignores the target but for batch normalisation.
    hidden : int in [1, inf), default=256
        Width of the critic's two layers. The paper has 100 (one layer) for MNIST and 1024 for larger networks.
    batch_norm : bool, default=True
        Whether the critic normalises its layers over the batch of both domains, as TLlib's does.
    sharpness : float in (0, inf), default=10.0
        How fast the reversal grows with the share of the training that is done; the paper's gamma.
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
        One row an epoch: ``train/task``, ``train/transfer`` (the critic's loss), ``train/critic`` (its accuracy; 1/2 is
        full confusion), and what is known of both domains without target labels: ``target/entropy``, ``target/diversity``,
        ``target/largest_share``, ``domain/auc``, ``source/score``.
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
    Minimises ``L_y(theta_f, theta_y) + trade_off * L_d(R(f), theta_d)`` (eq. 18), where R is the identity with gradient
    ``-lambda_p`` and ``lambda_p = 2 / (1 + exp(-sharpness * p)) - 1`` (section 5.2.2): one descent of this is the descent of
    the critic and the ascent of the features at once (eqs. 13-15). TLlib's schedule instead ends at 0.46 after 1000 updates.

    References
    ----------
    Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand & Lempitsky. Domain-Adversarial Training of Neural
    Networks. JMLR 17, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import DANN, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = DANN("small:mlp?hidden=16", bottleneck=8, hidden=16, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "hidden": Interval(int, 1),
        "batch_norm": Boolean(),
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
        hidden: int = 256,
        batch_norm: bool = True,
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
        self.hidden = hidden
        self.batch_norm = batch_norm
        self.sharpness = sharpness
        self.training = training
        self.task = task
        self.random_state = random_state

    def _term(self, fit: DomainFit) -> _Critic:
        return _Critic(Discriminator(fit.network.n_features, self.hidden, self.batch_norm), self.sharpness)


class _Critic(nn.Module):
    """The critic's loss on reversed features."""

    def __init__(self, critic: Discriminator, sharpness: float) -> None:
        super().__init__()
        self.critic, self.sharpness = critic, sharpness

    def forward(self, joint: Joint, progress: float) -> Mapping[str, Tensor]:
        logits = self.critic(grad_reverse(joint.z, reversal_weight(progress, self.sharpness)))
        return {"loss": domain_loss(logits, joint.n), "critic": domain_accuracy(logits, joint.n)}
