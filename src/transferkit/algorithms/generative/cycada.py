"""CyCADA: images are carried to the other domain and back without loss, keep their class on the way, and features are aligned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ...core.constraints import Interval
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.answers.labels import Labels
from ...engine.inputs.input_space import input_space
from ...engine.networks.network import Network
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.discriminator import Discriminator, domain_accuracy, domain_loss
from ...ops.nn.generators import InputCritic, Translator, fooling
from ...ops.nn.held import held

CARD = {
    "class": "CyCADA",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("images", "vectors"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Hoffman, Tzeng, Park, Zhu, Isola, Saenko, Efros & Darrell. CyCADA: Cycle-Consistent Adversarial Domain "
    "Adaptation. ICML 2018.",
    "url": "https://arxiv.org/abs/1711.03213",
}

__all__ = ["CyCADA"]


class CyCADA(NetworkAdaptation):
    """Learn from source rows that a cycle-consistent generator has turned into target rows, with features aligned besides.

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
        Weight of fooling the critic of features; 0 adapts the inputs alone.
    cycle_weight : float in [0, inf), default=10.0
        Weight of the way there and back, as in CycleGAN.
    semantic_weight : float in [0, inf), default=1.0
        Weight of keeping what the source's classifier makes of a row.
    hidden : int in [1, inf), default=64
        Features of the generators' blocks, and of the first layer of the critics of inputs.
    n_blocks : int in [1, inf), default=6
        Residual blocks of each generator.
    critic_hidden : int in [1, inf), default=500
        Width of the two layers of the critic of features.
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
        The target's classifier: body, bottleneck and head, trained.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        Of the source.
    history_ : list of dict
        One row an epoch: ``source/task`` (of the source's classifier), ``generators/cycle``, ``generators/semantic``,
        ``generators/fooling``, ``critics/loss``, ``train/task`` (on translated rows), ``train/critic`` (accuracy of the
        critic of features; 1/2 is full confusion), and the label-free scores that `DANN` lists.
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
    The parts of eq. 5, in four steps a batch: the source's classifier f_S descends on the source (eq. 1); the generators
    G_ST and G_TS on fooling the critics D_T and D_S (eq. 2, in the form ``-log D``), on the L1 distance of each row from
    itself after there and back (eq. 3), and on the loss of f_S for the translated rows with the classes that f_S gives
    the rows themselves (eq. 4); the critics on telling real rows from translated ones; the target's classifier f_T on
    translated source rows with their labels, while it fools a critic of features that tells those of target rows from
    those of translated rows (labels inverted for f_T, as in `ADDA`).

    Not as in the paper: f_S learns beside the rest instead of before it; the features of translated rows are f_T's, not
    f_S's; generators add what their blocks make to their input and begin as the identity, so that a short training does
    no harm, without down-sampling and bounds, which is for small images; the critics judge whole images. Of vectors
    (ours) all layers are linear. A batch costs three joint passes more than source and target once through the network,
    and four forward and two backward passes of each generator, which outweigh a small network.

    References
    ----------
    Hoffman, Tzeng, Park, Zhu, Isola, Saenko, Efros & Darrell. CyCADA: Cycle-Consistent Adversarial Domain Adaptation. ICML
    2018.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CyCADA, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, Xt[:, 2] = X[:, 0] > 0, Xt[:, 2] + 1
    >>> tiny = {"bottleneck": 8, "hidden": 16, "n_blocks": 1, "critic_hidden": 16}
    >>> model = CyCADA("small:mlp?hidden=16", **tiny, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "cycle_weight": Interval(float, 0),
        "semantic_weight": Interval(float, 0),
        "hidden": Interval(int, 1),
        "n_blocks": Interval(int, 1),
        "critic_hidden": Interval(int, 1),
    }
    _test_params: ClassVar = {"hidden": 16, "n_blocks": 1, "critic_hidden": 16}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 1.0,
        cycle_weight: float = 10.0,
        semantic_weight: float = 1.0,
        hidden: int = 64,
        n_blocks: int = 6,
        critic_hidden: int = 500,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.cycle_weight = cycle_weight
        self.semantic_weight = semantic_weight
        self.hidden = hidden
        self.n_blocks = n_blocks
        self.critic_hidden = critic_hidden
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: DomainFit) -> Objective:
        shape = input_space(f"{type(self).__name__}.fit", fit).shape
        generators = [Translator(shape, self.hidden, self.n_blocks) for _ in range(2)]
        critics = [InputCritic(shape, self.hidden) for _ in range(2)]
        of_features = Discriminator(fit.network.n_features, self.critic_hidden, False)
        weights = self.trade_off, self.cycle_weight, self.semantic_weight
        return _Cycle(fit.network, fit.labels, generators, critics, of_features, weights)


class _Cycle(Objective):
    """f_S, the generators, their critics, and f_T with its critic of features."""

    def __init__(
        self,
        network: Network,
        labels: Labels,
        generators: Sequence[Translator],
        critics: Sequence[InputCritic],
        of_features: Discriminator,
        weights: tuple[float, float, float],
    ) -> None:
        super().__init__()
        self.network, self.labels, self.source = network, labels, network.copy()
        self.to_target, self.to_source = generators
        self.critic_t, self.critic_s = critics
        self.of_features = of_features
        self.trade_off, self.cycle_weight, self.semantic_weight = weights

    def steps(self) -> Sequence[Step]:
        return [
            Step("source", self._learn_source, list(self.source.parameters())),
            Step("generators", self._translate, [*self.to_target.parameters(), *self.to_source.parameters()]),
            Step("critics", self._judge, [*self.critic_t.parameters(), *self.critic_s.parameters()]),
            Step("train", self._learn, [*self.network.parameters(), *self.of_features.parameters()]),
        ]

    def _learn_source(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        source = batch["source"]
        assert source.y is not None
        task = self.labels.loss(self.source(source.x), source.y)
        return {"loss": task, "task": task}

    def _translate(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        x_s, x_t = batch["source"].x, batch["target"].x
        as_t, as_s = self.to_target(x_s), self.to_source(x_t)
        fools = fooling(self.critic_t(as_t)) + fooling(self.critic_s(as_s))
        cycle = (self.to_source(as_t) - x_s).abs().mean() + (self.to_target(as_s) - x_t).abs().mean()
        semantic = self._semantic(x_s, as_t) + self._semantic(x_t, as_s)
        loss = fools + self.cycle_weight * cycle + self.semantic_weight * semantic
        return {"loss": loss, "fooling": fools, "cycle": cycle, "semantic": semantic}

    def _semantic(self, x: Tensor, translated: Tensor) -> Tensor:
        """Loss of f_S as it stands for a translated row, with the class that it gives the row itself."""
        self.source.eval()
        with torch.no_grad():
            y = self.source(x).argmax(dim=1)
        loss = functional.cross_entropy(self.source(translated).float(), y)
        self.source.train()
        return loss

    def _judge(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        x_s, x_t = batch["source"].x, batch["target"].x
        with torch.no_grad():
            as_t, as_s = self.to_target(x_s), self.to_source(x_t)
        loss = domain_loss(self.critic_t(torch.cat([x_t, as_t])), len(x_t))
        return {"loss": loss + domain_loss(self.critic_s(torch.cat([x_s, as_s])), len(x_s))}

    def _learn(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        source, x_t = batch["source"], batch["target"].x
        assert source.y is not None
        with torch.no_grad():
            as_t = self.to_target(source.x)
        n, z = len(source), self.network.features(torch.cat([as_t.to(x_t.dtype), x_t]))
        task = self.labels.loss(self.network.head(z[:n]), source.y)
        logits = self.of_features(z.detach())
        judged = domain_loss(logits, n)
        fools = fooling(held(self.of_features, z[n:]))  # as if it were a translated row
        parts = {"task": task, "transfer": fools, "critic": domain_accuracy(logits, n)}
        return {"loss": task + self.trade_off * fools + judged, **parts}

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)
