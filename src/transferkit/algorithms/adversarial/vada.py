"""VADA: domain-adversarial features, and a decision boundary that keeps away from rows; DIRT-T refines it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from ...core.constraints import Interval
from ...core.errors import DomainError
from ...engine.adaptation.alignment import joint_pass
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.answers.labels import Labels
from ...engine.networks.network import Network
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.discriminator import Discriminator, domain_accuracy, domain_loss
from ...ops.nn.entropy import mean_entropy
from ...ops.nn.grad_reverse import grad_reverse
from ...ops.nn.moving_statistics import without_moving_statistics
from ...ops.nn.virtual_adversarial import divergence, virtual_adversarial

CARD = {
    "class": "VADA",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Shu, Bui, Narui & Ermon. A DIRT-T Approach to Unsupervised Domain Adaptation. ICLR 2018.",
    "url": "https://arxiv.org/abs/1802.08735",
}

__all__ = ["VADA"]


class VADA(NetworkAdaptation):
    """Align domains by a critic, and be sure on the target, also of rows that are moved a little.

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
    trade_off : float in [0, inf), default=0.01
        Weight of the critic in the features' loss; the paper's lambda_d.
    source_weight : float in [0, inf), default=1.0
        Weight of virtual adversarial training on the source; lambda_s, 1 or 0 in the paper.
    target_weight : float in [0, inf), default=0.01
        Weight of both terms on the target; lambda_t, 0.01 to 0.1 in the paper.
    radius : float in (0, inf), default=3.5
        Length by which a row is moved, for images of 32 x 32 x 3 as in the paper; take less for few features.
    refine : float in [0, 1), default=0.0
        Share of the updates, at the end, that are DIRT-T; 0 is VADA alone.
    n_teachers : int in [1, inf), default=10
        How often DIRT-T's teacher becomes the network of that moment, at even distances.
    teacher_weight : float in [0, inf), default=0.01
        How closely DIRT-T follows the teacher; beta.
    hidden : int in [1, inf), default=100
        Width of the critic's two layers; the paper's has one of 100.
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
        One row an epoch: ``train/task``, ``train/critic`` (the critic's accuracy), ``train/entropy``,
        ``train/smooth_target``, ``train/smooth_source``, in DIRT-T ``train/teacher``, and what `DANN` lists.
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
    Minimises ``L_source + trade_off * L_d + source_weight * L_v(source) + target_weight * (L_v(target) + L_c(target))``, ``L_d``
    the critic's loss through a gradient reversal (the critic itself learns at full rate), ``L_c`` the entropy and ``L_v`` the
    divergence of outputs under the worst perturbation of length `radius`, found by one power iteration. In the last `refine` of
    the updates, DIRT-T: ``target_weight * (L_v + L_c)(target) + teacher_weight * KL(teacher || network)`` on the target alone,
    the teacher being an earlier state of the network, in evaluation mode. The paper renews it every 5000 updates, after a
    finished VADA; here optimizer and schedule go on. Perturbed batches have their own statistics, and leave the moving ones
    alone. The paper predicts with averaged weights, ``Training(average="ema")``; in the authors' code they also teach, the
    features get the critic's loss with domains swapped, and each domain is normalised by itself. A batch costs three passes.

    References
    ----------
    Shu, Bui, Narui & Ermon. A DIRT-T Approach to Unsupervised Domain Adaptation. ICLR 2018.

    Miyato, Maeda, Koyama & Ishii. Virtual Adversarial Training. TPAMI 41, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import VADA, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = VADA("small:mlp?hidden=16", bottleneck=8, trade_off=1.0, radius=0.5,
    ...     training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "source_weight": Interval(float, 0),
        "target_weight": Interval(float, 0),
        "radius": Interval(float, 0, closed="neither"),
        "refine": Interval(float, 0, 1, closed="left"),
        "n_teachers": Interval(int, 1),
        "teacher_weight": Interval(float, 0),
        "hidden": Interval(int, 1),
    }
    _test_params: ClassVar = {"trade_off": 1.0, "radius": 0.5, "hidden": 16}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 0.01,
        source_weight: float = 1.0,
        target_weight: float = 0.01,
        radius: float = 3.5,
        refine: float = 0.0,
        n_teachers: int = 10,
        teacher_weight: float = 0.01,
        hidden: int = 100,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.source_weight = source_weight
        self.target_weight = target_weight
        self.radius = radius
        self.refine = refine
        self.n_teachers = n_teachers
        self.teacher_weight = teacher_weight
        self.hidden = hidden
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: DomainFit) -> Objective:
        if fit.backbone.kind == "text":
            raise DomainError("VADA.fit: X must be numbers, which can be moved a little. Got text.")
        critic = Discriminator(fit.network.n_features, self.hidden, batch_norm=False)
        return _Clusters(fit.network, fit.labels, critic, _Given(*(getattr(self, name) for name in _Given._fields)))


class _Given(NamedTuple):
    """Parameters of the objective."""

    trade_off: float
    source_weight: float
    target_weight: float
    radius: float
    refine: float
    n_teachers: int
    teacher_weight: float


class _Clusters(Objective):
    """Both domains aligned and smooth; then the target's own clusters, step by step."""

    part: Tensor

    def __init__(self, network: Network, labels: Labels, critic: Discriminator, given: _Given) -> None:
        super().__init__()
        self.network, self.labels, self.critic, self.given = network, labels, critic, given
        self.teacher = network.copy().requires_grad_(False) if given.refine else None
        self.register_buffer("part", torch.tensor(-1))  # of DIRT-T, from which the teacher is

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, [*self.network.parameters(), *self.critic.parameters()])]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        begin = 1 - self.given.refine
        if self.teacher is None or progress < begin:
            return self._both(batch)
        part = int((progress - begin) / self.given.refine * self.given.n_teachers)
        if part > int(self.part):
            self.teacher.load_state_dict(self.network.state_dict())
            self.part.fill_(part)
        return self._target(batch, self.teacher)

    def _both(self, batch: Batch) -> dict[str, Tensor]:
        """VADA."""
        joint, given = joint_pass(self.network, batch), self.given
        assert joint.source.y is not None
        task = self.labels.loss(joint.outputs_s, joint.source.y)
        logits = self.critic(grad_reverse(joint.z, given.trade_off))
        smooth = self._smooth(torch.cat([joint.source.x, joint.target.x]), joint.outputs)
        smooth_s, smooth_t, entropy = smooth[: joint.n].mean(), smooth[joint.n :].mean(), mean_entropy(joint.outputs_t)
        loss = task + domain_loss(logits, joint.n) + given.source_weight * smooth_s
        parts = {"task": task, "critic": domain_accuracy(logits, joint.n), "smooth_source": smooth_s}
        parts |= {"smooth_target": smooth_t, "entropy": entropy}
        return {"loss": loss + given.target_weight * (smooth_t + entropy), **parts}

    def _target(self, batch: Batch, teacher: Network) -> dict[str, Tensor]:
        """DIRT-T."""
        x, given = batch["target"].x, self.given
        outputs = self.network(x)
        with torch.no_grad():
            p = teacher(x).float().softmax(dim=1)
        smooth, entropy, follow = self._smooth(x, outputs).mean(), mean_entropy(outputs), divergence(p, outputs).mean()
        loss = given.target_weight * (smooth + entropy) + given.teacher_weight * follow
        return {"loss": loss, "smooth_target": smooth, "entropy": entropy, "teacher": follow}

    def _smooth(self, x: Tensor, outputs: Tensor) -> Tensor:
        with without_moving_statistics(self.network):
            return virtual_adversarial(self.network, x, outputs, self.given.radius)

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)

    def frozen(self) -> Sequence[nn.Module]:
        return () if self.teacher is None else (self.teacher,)
