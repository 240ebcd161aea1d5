"""GDumb: keep as many rows of each class as fit, and train from first weights on these alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ...engine.lifelong.estimator import CONTINUAL_RULES, MEMORY_SIZE, ContinualNetwork, TaskFit
from ...engine.lifelong.memory import raw_rows
from ...engine.training.freezing import FreezePlan
from ...engine.training.settings import Training
from ...ops.memory import greedy_balance, row_keys

CARD = {
    "class": "GDumb",
    "protocol": "Continual",
    "settings": ("supervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Prabhu, Torr & Dokania. GDumb: A Simple Approach that Questions Our Progress in Continual Learning. ECCV 2020.",
    "url": "https://doi.org/10.1007/978-3-030-58536-5_31",
}

__all__ = ["GDumb"]


class GDumb(ContinualNetwork):
    """Balance a bounded memory greedily over the classes and train a new network on it.

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
        At most `memory_size` rows, with the classes balanced.
    start_ : Network
        The network before anything was learned, from which every training begins.

    Notes
    -----
    The greedy sampler (algorithm 1) takes a row of a class that has less than ``memory_size / n_classes`` rows, at
    the place of a row of the largest class where the memory is full; the dumb learner (algorithm 2) minimises the
    cross-entropy on the memory from first weights. The paper trains when it is asked to predict; here after every
    call of `partial_fit`. The authors' SGD with warm restarts from 0.05 to 0.0005, clipped at 10, and their CutMix are
    left to `training`. It makes use of no more than the memory: a method that is worse with the same memory has
    learned nothing from the stream. With separate heads the classes of each task are balanced by themselves; with
    shared ones, classes are balanced and tasks are not: where the same classes only look different from task to task,
    the memory is full after the first, and no row of a later one gets in.

    References
    ----------
    Prabhu, Torr & Dokania. GDumb: A Simple Approach that Questions Our Progress in Continual Learning. ECCV 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, GDumb
    >>> from transferkit import Training
    >>> X = np.random.default_rng(0).normal(size=(120, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> z = np.where(X[:, 1] > 0, "up", "down")
    >>> model = GDumb(training=Training(n_epochs=15, lr=0.01))
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
    _anew: ClassVar = True

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

    def _begin_task(self, fit: TaskFit) -> None:
        assert fit.rows.y is not None
        memory, y = self._memory(), fit.rows.y.numpy()
        keys = row_keys(fit.kept["seed_"], memory.seen, len(y))
        n = len(memory)
        kept = greedy_balance(np.concatenate([memory.y, y]), n, keys, self.memory_size)
        new = kept[kept >= n] - n
        found = memory.take(kept[kept < n]).with_rows(raw_rows(fit.rows, new), y[new])
        found.seen = memory.seen + len(y)
        fit.rows = found.rows(fit.rows.preprocess)
        fit.kept["memory_"] = found
