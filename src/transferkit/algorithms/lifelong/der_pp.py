"""DER++: dark experience replay; old rows are played again with their labels and with what the network said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ...core.constraints import Interval
from ...engine.answers.labels import Labels
from ...engine.fine_tuning.supervised import Supervised
from ...engine.inputs.rows import Rows
from ...engine.lifelong.estimator import CONTINUAL_RULES, MEMORY_SIZE, ContinualNetwork, TaskFit
from ...engine.lifelong.memory import Memory, reservoir
from ...engine.networks.inference import outputs_of
from ...engine.networks.network import Network
from ...engine.training.freezing import FreezePlan
from ...engine.training.objective import Batch
from ...engine.training.settings import Training

CARD = {
    "class": "DERpp",
    "protocol": "Continual",
    "settings": ("supervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Buzzega et al. Dark Experience for General Continual Learning: a Strong, Simple Baseline. NeurIPS 2020.",
    "url": "https://arxiv.org/abs/2004.07211",
}

__all__ = ["DERpp"]


class DERpp(ContinualNetwork):
    """Replay a bounded memory with its labels and its old outputs.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        What computes features. "auto" is a small network for vectors, series or small images; else a name such as
        "timm:resnet18", or a module of one's own, which is copied.
    memory_size : int in [1, inf), default=500
        Rows that are kept at most.
    alpha : float in [0, inf), default=0.5
        Weight of the old outputs.
    beta : float in [0, inf), default=0.5
        Weight of the old labels; 0 is DER.
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
        At most `memory_size` rows: a uniform sample of all that have come, each with the outputs it got when it was stored.

    Notes
    -----
    Minimises ``loss(new) + alpha * mean ||z - h(x')||^2 + beta * loss(x'', y'')`` (eq. 6) with two draws ``x'`` and
    ``x''`` from the memory an update; the squared distance is the mean over the outputs that were there when the row
    was stored, as in the authors' program. We differ in one point: the outputs ``z`` are those at the end of the
    row's task, not at the moment of its training in which the paper's reservoir takes it, so that a training can be
    resumed at any update.

    References
    ----------
    Buzzega, Boschini, Porrello, Abati & Calderara. Dark Experience for General Continual Learning. NeurIPS 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, DERpp
    >>> from transferkit import Training
    >>> X = np.random.default_rng(0).normal(size=(120, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> z = np.where(X[:, 1] > 0, "up", "down")
    >>> model = DERpp(training=Training(n_epochs=15, lr=0.01))
    >>> model = model.partial_fit(Domain(X, y, name="sides")).partial_fit(Domain(X, z, name="heights"))
    >>> model.classes_.tolist()
    ['down', 'left', 'right', 'up']
    >>> model.score(X, z, task="heights") > 0.8
    True
    """

    _constraints: ClassVar = {
        **CONTINUAL_RULES,
        "memory_size": MEMORY_SIZE,
        "alpha": Interval(float, 0),
        "beta": Interval(float, 0),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        memory_size: int = 500,
        alpha: float = 0.5,
        beta: float = 0.5,
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
        self.alpha = alpha
        self.beta = beta
        self.heads = heads
        self.plan = plan
        self.batch_norm = batch_norm
        self.head = head
        self.dropout = dropout
        self.training = training
        self.random_state = random_state

    def _streams(self, fit: TaskFit) -> Mapping[str, Rows]:
        memory = self._memory()
        if not len(memory):
            return {}
        return {name: memory.rows(fit.rows.preprocess) for name in ("memory", "memory_again")}

    def _terms(self, fit: TaskFit) -> Sequence[_Dark]:
        memory = self._memory()
        said = torch.as_tensor(memory.notes["said"]) if len(memory) else torch.empty(0)
        return [_Dark(fit.network, fit.labels, said, self.alpha, self.beta)] if len(memory) else ()

    def _finish(self, fit: TaskFit, objective: Supervised) -> None:
        t = fit.training
        said = outputs_of(fit.network, fit.network.forward, fit.rows, fit.place, max(64, t.batch_size), t.workers)
        memory = self._memory()
        if len(memory):  # outputs that came later are no number
            old = memory.notes["said"]
            wider = np.full((len(old), said.shape[1] - old.shape[1]), np.nan, np.float32)
            notes = {**memory.notes, "said": np.hstack([old, wider])}
            memory = Memory(memory.X, memory.y, notes, memory.seen)
        fit.kept["memory_"] = reservoir(memory, fit.rows, self.memory_size, fit.kept["seed_"], said=said)


class _Dark(nn.Module):
    """The two terms of the memory."""

    def __init__(self, network: Network, labels: Labels, said: Tensor, alpha: float, beta: float) -> None:
        super().__init__()
        self._network = (network,)  # in a tuple it belongs to the objective only
        self.labels, self.alpha, self.beta = labels, alpha, beta
        self.register_buffer("said", said, persistent=False)

    def forward(self, batch: Batch, features: Tensor, outputs: Tensor, progress: float) -> dict[str, Tensor]:
        first, again = batch["memory"], batch["memory_again"]
        said, now = self.said[first.rows], self._network[0](first.x).float()
        there = ~said.isnan()
        distance = (now[:, : said.shape[1]] - said.nan_to_num()).square()
        dark = ((distance * there).sum(1) / there.sum(1)).mean()
        assert again.y is not None
        labels = self.labels.loss(self._network[0](again.x), again.y)
        return {"outputs": self.alpha * dark, "labels": self.beta * labels}
