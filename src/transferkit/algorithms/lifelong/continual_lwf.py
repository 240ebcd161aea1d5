"""LwF over many tasks: the network must go on saying what it said of the new rows before they were trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.constraints import Interval
from ...engine.lifelong.estimator import CONTINUAL_RULES, ContinualNetwork, TaskFit
from ...engine.networks.inference import outputs_of
from ...engine.training.freezing import FreezePlan
from ...engine.training.objective import Batch
from ...engine.training.settings import Training

CARD = {
    "class": "ContinualLwF",
    "protocol": "Continual",
    "settings": ("supervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Li & Hoiem. Learning without Forgetting. ECCV 2016.",
    "url": "https://arxiv.org/abs/1606.09282",
}

__all__ = ["ContinualLwF"]


class ContinualLwF(ContinualNetwork):
    """Distil the answers that the network gave for old classes, on the rows of the new task, into the network that learns it.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        What computes features. "auto" is a small network for vectors, series or small images; else a name such as
        "timm:resnet18", or a module of one's own, which is copied.
    reg : float in [0, inf), default=1.0
        Weight of the old answers (lambda_o); 0 is naive fine-tuning.
    temperature : float in (0, inf), default=2.0
        Softens old and present probabilities; higher gives improbable classes more weight.
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

    Notes
    -----
    Minimises ``loss + reg * sum_g CE(softmax(z_g / T), softmax(w_g / T))``: ``z`` are the outputs that the network
    gave to a row before the task (recorded once, on rows that are not augmented), ``w`` those it gives now (eq. 2 and
    3 of the paper). With separate heads ``g`` runs over the earlier tasks, as in the paper; with shared ones there is
    one group, all classes that have come before. Nothing is kept between tasks but the network. The paper trains new
    outputs alone first: ``plan="lp_ft:EPOCHS"``. `LwF` is the same idea for one transfer from a trained model.

    References
    ----------
    Li & Hoiem. Learning without Forgetting. ECCV 2016; IEEE TPAMI 40 (2018).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, ContinualLwF
    >>> from transferkit import Training
    >>> X = np.random.default_rng(0).normal(size=(120, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> z = np.where(X[:, 1] > 0, "up", "down")
    >>> model = ContinualLwF(heads="separate", training=Training(n_epochs=15, lr=0.01))
    >>> model = model.partial_fit(Domain(X, y, name="sides")).partial_fit(Domain(X, z, name="heights"))
    >>> model.classes_.tolist()
    ['down', 'left', 'right', 'up']
    >>> model.score(X, z, task="heights") > 0.8
    True
    """

    _constraints: ClassVar = {
        **CONTINUAL_RULES,
        "reg": Interval(float, 0),
        "temperature": Interval(float, 0, closed="neither"),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        reg: float = 1.0,
        temperature: float = 2.0,
        heads: str = "shared",
        plan: str | Mapping[str, Any] | FreezePlan = "full",
        batch_norm: str = "train",
        head: str = "linear",
        dropout: float = 0.0,
        training: Training | None = None,
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.reg = reg
        self.temperature = temperature
        self.heads = heads
        self.plan = plan
        self.batch_norm = batch_norm
        self.head = head
        self.dropout = dropout
        self.training = training
        self.random_state = random_state

    def _terms(self, fit: TaskFit) -> Sequence[_Answers]:
        if fit.first:
            return ()
        fit.place.put(fit.network)
        t = fit.training
        said = outputs_of(fit.network, fit.network.forward, fit.rows, fit.place, max(64, t.batch_size), t.workers)
        groups = fit.labels.groups[: fit.n_known]
        old = [np.flatnonzero(groups == g) for g in np.unique(groups)]
        # A task that goes on gets its present labels; only what others have brought is to be remembered.
        own = fit.outputs.separate and [k for k in fit.outputs.tasks[fit.task] if k < fit.n_known]
        return [
            _Answers(torch.from_numpy(said), [g for g in old if not own or own[0] not in g], self.reg, self.temperature)
        ]


class _Answers(nn.Module):
    """The distillation loss on recorded outputs."""

    def __init__(self, said: Tensor, groups: Sequence[Any], reg: float, temperature: float) -> None:
        super().__init__()
        self.groups = [torch.as_tensor(g) for g in groups]
        self.reg, self.temperature = reg, temperature
        # It follows from the network and the rows, so a checkpoint can do without it.
        self.register_buffer("said", said / temperature, persistent=False)

    def forward(self, batch: Batch, features: Tensor, outputs: Tensor, progress: float) -> dict[str, Tensor]:
        said, now = self.said[batch["target"].rows], outputs.float() / self.temperature
        parts = [functional.cross_entropy(now[:, g], said[:, g].softmax(1)) for g in self.groups]
        return {"known": self.reg * sum(parts, start=now.new_zeros(()))}
