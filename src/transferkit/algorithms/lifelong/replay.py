"""Experience replay: every batch of new rows comes with as many from a bounded memory of old ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ...core.constraints import Interval
from ...engine.fine_tuning.supervised import Supervised
from ...engine.inputs.rows import Rows
from ...engine.lifelong.estimator import CONTINUAL_RULES, MEMORY_SIZE, ContinualNetwork, TaskFit
from ...engine.lifelong.memory import reservoir
from ...engine.lifelong.terms import Replayed
from ...engine.training.freezing import FreezePlan
from ...engine.training.settings import Training

CARD = {
    "class": "Replay",
    "protocol": "Continual",
    "settings": ("supervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Chaudhry, Rohrbach, Elhoseiny et al. On Tiny Episodic Memories in Continual Learning. 2019.",
    "url": "https://arxiv.org/abs/1902.10486",
}

__all__ = ["Replay"]


class Replay(ContinualNetwork):
    """Train on new rows and on a uniform sample of all old ones at once.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        What computes features. "auto" is a small network for vectors, series or small images; else a name such as
        "timm:resnet18", or a module of one's own, which is copied.
    memory_size : int in [1, inf), default=500
        Rows that are kept at most.
    share : float in [0, 1], default=0.5
        Weight of the old rows in the loss; 0 is naive fine-tuning, 1 does not learn.
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
    Minimises ``(1 - share) * loss(new) + share * loss(memory)`` with a batch of each an update. The memory is a
    reservoir over all rows of all tasks; which rows stay follows from the seed and the places of the rows in the
    stream, not from the pieces in which they came. It is filled after a task, not with every batch, so that a
    training can be resumed at any update.

    References
    ----------
    Chaudhry, Rohrbach, Elhoseiny et al. On Tiny Episodic Memories in Continual Learning. 2019.
    Vitter. Random Sampling with a Reservoir. ACM TOMS 11, 1985.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, Replay
    >>> from transferkit import Training
    >>> X = np.random.default_rng(0).normal(size=(120, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> z = np.where(X[:, 1] > 0, "up", "down")
    >>> model = Replay(training=Training(n_epochs=15, lr=0.01))
    >>> model = model.partial_fit(Domain(X, y, name="sides")).partial_fit(Domain(X, z, name="heights"))
    >>> model.classes_.tolist()
    ['down', 'left', 'right', 'up']
    >>> model.score(X, z, task="heights") > 0.8
    True
    """

    _constraints: ClassVar = {
        **CONTINUAL_RULES,
        "memory_size": MEMORY_SIZE,
        "share": Interval(float, 0, 1),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        memory_size: int = 500,
        share: float = 0.5,
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
        self.share = share
        self.heads = heads
        self.plan = plan
        self.batch_norm = batch_norm
        self.head = head
        self.dropout = dropout
        self.training = training
        self.random_state = random_state

    def _streams(self, fit: TaskFit) -> Mapping[str, Rows]:
        return {"memory": self._memory().rows(fit.rows.preprocess)} if len(self._memory()) else {}

    def _terms(self, fit: TaskFit) -> Sequence[Replayed]:
        return [Replayed(fit.network, fit.labels, self.share)] if len(self._memory()) else ()

    def _objective(self, fit: TaskFit) -> Supervised:
        terms = self._terms(fit)
        return Supervised(fit.network, fit.labels, terms, weight=1 - self.share if terms else 1.0)

    def _finish(self, fit: TaskFit, objective: Supervised) -> None:
        fit.kept["memory_"] = reservoir(self._memory(), fit.rows, self.memory_size, fit.kept["seed_"])
