"""Baseline++: pretrained on all classes with a cosine head; a task trains a new cosine head on frozen features."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.func import grad
from torch.nn import functional

from ...core.constraints import Interval
from ...engine.answers.labels import Labels
from ...engine.meta.estimator import MetaEstimator, MetaFit
from ...engine.meta.feature_learner import FeatureLearner
from ...engine.meta.pretraining import pretrain
from ...engine.meta.rules import POOLED_RULES
from ...engine.meta.task_learner import State
from ...engine.networks.network import Network
from ...engine.training.settings import Training

CARD = {
    "class": "BaselinePlusPlus",
    "protocol": "MetaLearner",
    "settings": ("few_label", "multi_source"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Chen, Liu, Kira, Wang & Huang. A Closer Look at Few-shot Classification. ICLR 2019.",
    "url": "https://arxiv.org/abs/1904.04232",
}

__all__ = ["BaselinePlusPlus"]

_MOMENTUM = 0.9  # of the authors' code; the dampening is the same
_DECAY = 0.001


class BaselinePlusPlus(MetaEstimator):
    """No episodes: a plain classifier of all classes with a cosine head, whose body stays as it is while a task trains a head.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The network's body, as `transferkit.engine.backbones.load_backbone` takes it; "auto" is a small one for vectors, series
        and small images.
    n_way : int in [2, inf), default=5
        Classes of an episode of ``evaluate``, where episodes are drawn by classes; a new task may have more.
    k_shot : int in [1, inf), default=1
        Support rows a class of an episode.
    n_query : int in [1, inf), default=15
        Query rows a class of an episode.
    by : {"auto", "classes", "domains"}, default="auto"
        What a task is: a few classes of one domain, with new classes in a new task; or one domain, with the classes that all
        have. "auto" is by domains for several domains with the same classes.
    rotations : bool, default=False
        Whether each class of square images rotated by 90, 180 and 270 degrees counts as a class more.
    scale : float in (0, inf), default=2.0
        What the cosines are multiplied by in a task's head.
    lr : float in (0, inf), default=0.01
        Step length of a task's head.
    n_adapt_epochs : int in [1, inf), default=100
        Times that a task's head sees the support.
    batch_size : int in [1, inf), default=4
        Support rows a step.
    training : Training, default=None
        Settings of the training on all classes; None is ``Training()``. Classes held back by ``validation`` are not learned.
    task : {"auto", "classification", "regression"}, default="auto"
        What the labels are; numbers with a fractional part are refused.
    random_state : int, RandomState or None, default=None
        Of first weights and batches.

    Attributes
    ----------
    network_ : Network
        The trained body, and the classifier of all classes of the tasks that it was trained with.
    extra_ : dict of str to tensor
        What is learned beside the network: nothing here.
    labels_ : Labels
        Of an episode.
    by_ : {"classes", "domains"}
        What a task is.
    classes_ : array of shape (n_classes,)
        By domains, the classes of all tasks.
    n_features_in_ : int
        For vectors.
    backbone_name_, fingerprint_ : str
        The body, and a hash of the weights that it came with.
    facts_ : dict
        What a report shows: device, the pretraining, how many pools of classes.

    Notes
    -----
    The logit of class k is ``scale * cos(f(x), w_k)`` (section 3.2), in the pretraining with a learned scale, in a task with the
    given one, which is that of the authors' code for as few classes. A task's w begin at random and take steps of SGD with momentum
    0.9, dampening 0.9 and weight decay 0.001 on its support; all tasks have the same first w and the same order of rows, so that a
    task is learned alike each time. The authors' code also learns the length of w as a factor, which the paper's formula has not.

    References
    ----------
    Chen, Liu, Kira, Wang & Huang. A Closer Look at Few-shot Classification. ICLR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import BaselinePlusPlus, Domain
    >>> from transferkit import Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(np.arange(8), 12)
    >>> points = rng.normal(size=(8, 4))[y] + 0.1 * rng.normal(size=(96, 4))
    >>> settings = {"n_way": 3, "n_query": 5, "training": Training(2, 8)}
    >>> learner = BaselinePlusPlus("small:mlp?hidden=16", **settings, random_state=0)
    >>> learner.fit([Domain(points, y)]).adapt(Domain(points[[0, 12]], ["ant", "bee"])).classes_.tolist()
    ['ant', 'bee']
    """

    _constraints: ClassVar = {
        **POOLED_RULES,
        "scale": Interval(float, 0, closed="neither"),
        "lr": Interval(float, 0, closed="neither"),
        "n_adapt_epochs": Interval(int, 1),
        "batch_size": Interval(int, 1),
    }
    _kinds: ClassVar = ("classification",)
    _more_classes: ClassVar = True
    _episodic: ClassVar = False

    def __init__(
        self,
        backbone: Any = "auto",
        n_way: int = 5,
        k_shot: int = 1,
        n_query: int = 15,
        by: str = "auto",
        rotations: bool = False,
        scale: float = 2.0,
        lr: float = 0.01,
        n_adapt_epochs: int = 100,
        batch_size: int = 4,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.backbone = backbone
        self.n_way = n_way
        self.k_shot = k_shot
        self.n_query = n_query
        self.by = by
        self.rotations = rotations
        self.scale = scale
        self.lr = lr
        self.n_adapt_epochs = n_adapt_epochs
        self.batch_size = batch_size
        self.training = training
        self.task = task
        self.random_state = random_state

    def _before(self, fit: MetaFit) -> None:
        fit.network.head = pretrain(fit, fit.training, key=f"BaselinePlusPlus {self._settings()}", head="cosine")

    def _learner(self, network: Network, labels: Labels, n_support: int) -> _CosineHead:
        steps = {"lr": self.lr, "n_epochs": self.n_adapt_epochs, "batch_size": self.batch_size}
        return _CosineHead(network, labels, n_support, self.scale, steps)


class _CosineHead(FeatureLearner):
    def __init__(self, network: Network, labels: Labels, n_support: int, scale: float, steps: dict[str, Any]) -> None:
        super().__init__(network, labels, n_support)
        self.scale, self.settings = scale, steps

    def learn(self, z: Tensor, y: Tensor, n_classes: int) -> State:
        rng = np.random.default_rng(0)
        first = rng.uniform(-1, 1, (n_classes, z.shape[-1])) / z.shape[-1] ** 0.5  # as a linear layer begins
        weight = torch.as_tensor(first, dtype=z.dtype, device=z.device).expand(len(z), -1, -1)
        return {"weight": _sgd(z, y, weight, self.scale, rng, **self.settings)}

    def respond(self, state: State, z: Tensor) -> Tensor:
        return self.scale * _cosines(z, state["weight"])


def _cosines(z: Tensor, weight: Tensor) -> Tensor:
    return functional.normalize(z, dim=-1) @ functional.normalize(weight, dim=-1).transpose(1, 2)


def _sgd(
    z: Tensor,
    y: Tensor,
    weight: Tensor,
    scale: float,
    rng: np.random.Generator,
    *,
    lr: float,
    n_epochs: int,
    batch_size: int,
) -> Tensor:
    """Heads of shape (n_tasks, n_classes, n_features) after stochastic gradient descent, each on its own support."""

    def loss(weight: Tensor, z: Tensor, y: Tensor) -> Tensor:
        losses = functional.cross_entropy(scale * _cosines(z, weight).transpose(1, 2), y, reduction="none")
        return losses.mean(dim=1).sum()  # of which every task has its own gradient

    speed = None
    for _ in range(n_epochs):
        order = torch.as_tensor(rng.permutation(y.shape[1]), device=z.device)
        for rows in order.split(batch_size):
            slope = grad(loss)(weight, z[:, rows], y[:, rows]) + _DECAY * weight
            speed = slope if speed is None else _MOMENTUM * speed + (1 - _MOMENTUM) * slope
            weight = weight - lr * speed
    return weight
