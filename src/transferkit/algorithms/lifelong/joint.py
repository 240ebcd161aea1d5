"""Joint training on all rows that have come so far, from first weights: the upper bound of continual learning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ...engine.lifelong.estimator import CONTINUAL_RULES, ContinualNetwork, TaskFit
from ...engine.lifelong.memory import raw_rows
from ...engine.training.freezing import FreezePlan
from ...engine.training.settings import Training

CARD = {
    "class": "Joint",
    "protocol": "Continual",
    "settings": ("supervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Caruana. Multitask Learning. Machine Learning 28, 1997.",
    "url": "https://doi.org/10.1023/A:1007379606734",
}

__all__ = ["Joint"]


class Joint(ContinualNetwork):
    """Keep every row and train anew on all of them with each task.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        What computes features. "auto" is a small network for vectors, series or small images; else a name such as
        "timm:resnet18", or a module of one's own, which is copied.
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
        All rows so far.
    start_ : Network
        The network before anything was learned, from which every training begins.

    Notes
    -----
    Minimises the cross-entropy on the rows of all tasks, each row over the outputs of its own task where heads are
    separate. It is no continual method: it keeps every row (its memory has no bound) and its cost grows with the
    square of the number of tasks. It says what the others could reach at most.

    References
    ----------
    Caruana. Multitask Learning. Machine Learning 28, 1997.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, Joint
    >>> from transferkit import Training
    >>> X = np.random.default_rng(0).normal(size=(120, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> z = np.where(X[:, 1] > 0, "up", "down")
    >>> model = Joint(training=Training(n_epochs=15, lr=0.01))
    >>> model = model.partial_fit(Domain(X, y, name="sides")).partial_fit(Domain(X, z, name="heights"))
    >>> model.classes_.tolist()
    ['down', 'left', 'right', 'up']
    >>> model.score(X, z, task="heights") > 0.8
    True
    """

    _constraints: ClassVar = CONTINUAL_RULES
    _anew: ClassVar = True

    def __init__(
        self,
        backbone: Any = "auto",
        heads: str = "shared",
        plan: str | Mapping[str, Any] | FreezePlan = "full",
        batch_norm: str = "train",
        head: str = "linear",
        dropout: float = 0.0,
        training: Training | None = None,
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.heads = heads
        self.plan = plan
        self.batch_norm = batch_norm
        self.head = head
        self.dropout = dropout
        self.training = training
        self.random_state = random_state

    def _begin_task(self, fit: TaskFit) -> None:
        assert fit.rows.y is not None
        new = raw_rows(fit.rows, np.arange(len(fit.rows)))
        memory = self._memory().with_rows(new, fit.rows.y.numpy())
        fit.rows = memory.rows(fit.rows.preprocess)
        fit.kept["memory_"] = memory
