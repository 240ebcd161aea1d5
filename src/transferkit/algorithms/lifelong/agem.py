"""A-GEM: a step that would raise the loss on a memory of old rows is projected so that it does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...engine.inputs.rows import Rows
from ...engine.lifelong.estimator import CONTINUAL_RULES, MEMORY_SIZE, ContinualNetwork, TaskFit
from ...engine.lifelong.memory import reservoir
from ...engine.training.freezing import FreezePlan
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.continual import project

CARD = {
    "class": "AGEM",
    "protocol": "Continual",
    "settings": ("supervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Chaudhry, Ranzato, Rohrbach & Elhoseiny. Efficient Lifelong Learning with A-GEM. ICLR 2019.",
    "url": "https://arxiv.org/abs/1812.00420",
}

__all__ = ["AGEM"]


class AGEM(ContinualNetwork):
    """Take from the gradient on new rows what opposes the gradient on old ones.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        What computes features. "auto" is a small network for vectors, series or small images; else a name such as
        "timm:resnet18", or a module of one's own, which is copied.
    memory_size : int in [1, inf), default=500
        Rows that are kept at most.
    heads : {"shared", "separate"}, default="shared"
        "shared": all classes that have come share one set of outputs (domain- and class-incremental). "separate": every task has
        outputs of its own, and `predict` should be told the task (task-incremental).
    plan : str, mapping or FreezePlan, default="full"
        What trains when; see `FineTuning`. "head" keeps a pretrained body as it is.
    batch_norm : {"train", "frozen", "off"}, default="train"
        Whether batch normalisation of the body follows the batches, keeps its statistics, or is left alone altogether.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps features to outputs; it gets an output for each new class.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    training : Training, default=None
        Epochs a task, learning rate and all else; None is ``Training()``. Every task begins a new schedule, and has a folder of
        its own under ``training.folder``.
    random_state : int, RandomState or None, default=0
        Seed of first weights, batches and whatever else is drawn.

    Attributes
    ----------
    network_ : Network
        Body and head.
    outputs_ : Outputs
        Which class, of which task, each output stands for.
    classes_ : array of shape (n_classes,)
        All classes that have come, sorted.
    history_ : list of dict
        One row an epoch of every task, with ``task`` and the mean of every part of the loss.
    n_updates_, n_fits_, seed_ : int
        Updates and calls of `partial_fit` so far, and the seed of the whole stream.
    facts_ : dict
        What the report shows of the last training; ``memory`` is how many rows are kept.
    n_features_in_ : int
        Width of the rows, where they are vectors.
    memory_ : Memory
        At most `memory_size` rows: a uniform sample of all that have come.

    Notes
    -----
    With ``g`` the gradient on a batch of new rows and ``r`` that on a batch from the memory, an update goes along
    ``g`` where ``g . r >= 0`` and else along ``g - (g . r / r . r) r`` (eq. 11), the nearest direction that does not
    raise the loss on the memory. The projection is of the gradient that the optimizer gets, as in the paper; momentum
    or adaptive rates may bend the step again: take ``optimizer="sgd"`` with ``momentum=0`` for the paper's. The
    memory is one reservoir over all tasks rather than equal numbers a task.

    References
    ----------
    Chaudhry, Ranzato, Rohrbach & Elhoseiny. Efficient Lifelong Learning with A-GEM. ICLR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, AGEM
    >>> from transferkit import Training
    >>> X = np.random.default_rng(0).normal(size=(120, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> z = np.where(X[:, 1] > 0, "up", "down")
    >>> model = AGEM(training=Training(n_epochs=15, lr=0.01))
    >>> model = model.partial_fit(Domain(X, y, name="sides")).partial_fit(Domain(X, z, name="heights"))
    >>> model.classes_.tolist()
    ['down', 'left', 'right', 'up']
    >>> model.score(X, z, task="heights") > 0.8
    True
    """

    _constraints: ClassVar = {
        **CONTINUAL_RULES,
        "memory_size": MEMORY_SIZE,
    }

    def __init__(
        self,
        backbone: Any = "auto",
        memory_size: int = 500,
        heads: str = "shared",
        plan: str | Mapping[str, Any] | FreezePlan = "full",
        batch_norm: str = "train",
        head: str = "linear",
        dropout: float = 0.0,
        training: Training | None = None,
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.memory_size = memory_size
        self.heads = heads
        self.plan = plan
        self.batch_norm = batch_norm
        self.head = head
        self.dropout = dropout
        self.training = training
        self.random_state = random_state

    def _streams(self, fit: TaskFit) -> Mapping[str, Rows]:
        return {"memory": self._memory().rows(fit.rows.preprocess)} if len(self._memory()) else {}

    def _objective(self, fit: TaskFit) -> Objective:
        return _Projected(fit) if len(self._memory()) else super()._objective(fit)

    def _finish(self, fit: TaskFit, objective: Objective) -> None:
        fit.kept["memory_"] = reservoir(self._memory(), fit.rows, self.memory_size, fit.kept["seed_"])


class _Projected(Objective):
    """The losses on new rows and on the memory, whose gradients become one direction."""

    def __init__(self, fit: TaskFit) -> None:
        super().__init__()
        self.network, self.labels = fit.network, fit.labels

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.parameters()), aggregate=lambda rows: project(rows[0], rows[1]))]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        new, old = batch["target"], batch["memory"]
        task = self.labels.loss(self.network(new.x), new.y)
        memory = self.labels.loss(self.network(old.x), old.y)
        return {"loss": torch.stack([task, memory]), "task": task, "memory": memory}

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)
