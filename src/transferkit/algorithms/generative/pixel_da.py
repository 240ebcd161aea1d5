"""PixelDA: a generator paints source images as the target's, and the classifier learns from these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...core.constraints import Interval
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.answers.labels import Labels
from ...engine.inputs.input_space import input_space
from ...engine.networks.network import Network
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.discriminator import domain_accuracy, domain_loss
from ...ops.nn.generators import InputCritic, Translator, fooling
from ...ops.nn.moving_statistics import without_moving_statistics

CARD = {
    "class": "PixelDA",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("images", "vectors"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Bousmalis, Silberman, Dohan, Erhan & Krishnan. Unsupervised Pixel-Level Domain Adaptation with Generative "
    "Adversarial Networks. CVPR 2017.",
    "url": "https://arxiv.org/abs/1612.05424",
}

__all__ = ["PixelDA"]


class PixelDA(NetworkAdaptation):
    """Learn from source rows and from what a generator makes of them, until a critic takes that for rows of the target.

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
        Weight of fooling the critic against keeping the classes, in the generator's loss: the paper's alpha over beta,
        which it tunes for each task.
    hidden : int in [1, inf), default=64
        Features of the generator's blocks, and of the critic's first layer.
    n_blocks : int in [1, inf), default=6
        Residual blocks of the generator.
    n_noise : int in [0, inf), default=10
        Random numbers that the generator is given with each row, so that one row can become many.
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
        One row an epoch: ``train/task``, ``train/painted`` (the loss on generated rows), ``train/critic`` (its accuracy;
        1/2 is full confusion), ``generator/fooling``, ``generator/painted``, and the label-free scores that `DANN` lists.
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
    The game ``min_{G, T} max_D alpha L_d(D, G) + beta L_t(G, T)`` (eq. 1), with L_d of eq. 2 and the classifier T learning
    from both, the source's rows and the generated ones (eq. 3). Two steps a batch (section 3): first D and T descend while
    G is held, then G, fooling the critic in the form ``-log D``, while both are held. The classifier predicts.

    Not as in the paper: the generator adds what its blocks make to its input and begins as the identity, so that a short
    training does no harm, and its output has no bounds but those that the critic imposes; the critic has no noise, dropout
    and normalisation; the content-similarity loss, which takes masks of the foreground, is left out. The generator is
    made for small images; of vectors (ours) its layers are linear. A batch costs a joint pass of the network and half of
    one, three forward and two backward passes of the critic's, and two forward and one backward of the generator's,
    which outweigh a small network.

    References
    ----------
    Bousmalis, Silberman, Dohan, Erhan & Krishnan. Unsupervised Pixel-Level Domain Adaptation with Generative Adversarial
    Networks. CVPR 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, PixelDA, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, Xt[:, 2] = X[:, 0] > 0, Xt[:, 2] + 1
    >>> model = PixelDA("small:mlp?hidden=16", bottleneck=8, hidden=16, n_blocks=1, training=Training(n_epochs=20, lr=0.01))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "hidden": Interval(int, 1),
        "n_blocks": Interval(int, 1),
        "n_noise": Interval(int, 0),
    }
    _test_params: ClassVar = {"hidden": 16, "n_blocks": 1}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 1.0,
        hidden: int = 64,
        n_blocks: int = 6,
        n_noise: int = 10,
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
        self.n_blocks = n_blocks
        self.n_noise = n_noise
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: DomainFit) -> Objective:
        shape = input_space(f"{type(self).__name__}.fit", fit).shape
        generator = Translator(shape, self.hidden, self.n_blocks, self.n_noise, "batch")
        return _Painted(fit.network, fit.labels, generator, InputCritic(shape, self.hidden), self.trade_off)


class _Painted(Objective):
    """Classifier and critic learn from what the generator makes; then it learns from both."""

    def __init__(
        self, network: Network, labels: Labels, generator: Translator, critic: InputCritic, trade_off: float
    ) -> None:
        super().__init__()
        self.network, self.labels, self.generator, self.critic = network, labels, generator, critic
        self.trade_off = trade_off

    def steps(self) -> Sequence[Step]:
        return [
            Step("train", self._learn, [*self.network.parameters(), *self.critic.parameters()]),
            Step("generator", self._paint, list(self.generator.parameters())),
        ]

    def _learn(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        source, x_t = batch["source"], batch["target"].x
        assert source.y is not None
        with torch.no_grad():
            painted = self.generator(source.x)
        n = len(source)
        outputs = self.network(torch.cat([source.x, painted.to(source.x.dtype)]))
        task, of_painted = self.labels.loss(outputs[:n], source.y), self.labels.loss(outputs[n:], source.y)
        logits = self.critic(torch.cat([x_t, painted]))
        judged = domain_loss(logits, len(x_t))
        parts = {"task": task, "painted": of_painted, "critic": domain_accuracy(logits, len(x_t))}
        return {"loss": task + of_painted + judged, **parts}

    def _paint(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        source = batch["source"]
        assert source.y is not None
        painted = self.generator(source.x)
        fools = fooling(self.critic(painted))
        with without_moving_statistics(self.network):  # they follow the step that trains it
            task = self.labels.loss(self.network(painted), source.y)
        return {"loss": self.trade_off * fools + task, "fooling": fools, "painted": task}

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)
