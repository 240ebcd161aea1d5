"""MAS: memory aware synapses; weights that the outputs are sensitive to move little, whatever the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...core.constraints import Interval
from ...engine.fine_tuning.supervised import Supervised
from ...engine.lifelong.estimator import CONTINUAL_RULES, ContinualNetwork, TaskFit
from ...engine.lifelong.terms import Anchored, mean_over_rows, tensors_of
from ...engine.training.freezing import FreezePlan
from ...engine.training.settings import Training
from ...ops.nn.continual import grow_importance, row_sensitivity

CARD = {
    "class": "MAS",
    "protocol": "Continual",
    "settings": ("supervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Aljundi et al. Memory Aware Synapses: Learning What (Not) to Forget. ECCV 2018.",
    "url": "https://arxiv.org/abs/1711.09601",
}

__all__ = ["MAS"]


class MAS(ContinualNetwork):
    """Pull each weight back by how much the squared length of the outputs depends on it.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        What computes features. "auto" is a small network for vectors, series or small images; else a name such as
        "timm:resnet18", or a module of one's own, which is copied.
    reg : float in [0, inf), default=1.0
        Strength of the pull (lambda); 0 is naive fine-tuning.
    importance_rows : int in [1, inf), default=500
        Rows of a task from which the importance is estimated.
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
    importance_ : dict of str to tensor
        Sum of the importance over the tasks, by the name of a parameter.
    anchor_ : dict of str to tensor
        The weights after the last task.

    Notes
    -----
    Minimises ``loss + reg * sum_i Omega_i (w_i - w*_i)^2`` (eq. 5). ``Omega_i`` is the mean over rows of the absolute
    derivative of the squared length of the outputs (eq. 2 and 4; no label is used), summed over the tasks; ``w*`` are
    the weights after the last one. The authors' program takes the derivative of a batch's mean, in which signs
    cancel; here, as in the paper, each row counts by itself. With separate heads the outputs of the task count.

    References
    ----------
    Aljundi, Babiloni, Elhoseiny, Rohrbach & Tuytelaars. Memory Aware Synapses: Learning What (Not) to Forget. ECCV 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, MAS
    >>> from transferkit import Training
    >>> X = np.random.default_rng(0).normal(size=(120, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> z = np.where(X[:, 1] > 0, "up", "down")
    >>> model = MAS(heads="separate", training=Training(n_epochs=15, lr=0.01))
    >>> model = model.partial_fit(Domain(X, y, name="sides")).partial_fit(Domain(X, z, name="heights"))
    >>> model.classes_.tolist()
    ['down', 'left', 'right', 'up']
    >>> model.score(X, z, task="heights") > 0.8
    True
    """

    _constraints: ClassVar = {
        **CONTINUAL_RULES,
        "reg": Interval(float, 0),
        "importance_rows": Interval(int, 1),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        reg: float = 1.0,
        importance_rows: int = 500,
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
        self.importance_rows = importance_rows
        self.heads = heads
        self.plan = plan
        self.batch_norm = batch_norm
        self.head = head
        self.dropout = dropout
        self.training = training
        self.random_state = random_state

    def _terms(self, fit: TaskFit) -> Sequence[Anchored]:
        return () if fit.first else [Anchored(fit.network, self.anchor_, self.importance_, self.reg)]

    def _finish(self, fit: TaskFit, objective: Supervised) -> None:
        groups = torch.as_tensor(fit.labels.groups, device=fit.place.device)

        def of_row(outputs: Tensor, params: list[nn.Parameter], y: int, draw: float) -> list[Tensor]:
            return row_sensitivity(outputs[groups == groups[y]], params)

        here = tensors_of(fit.network)
        found = grow_importance(mean_over_rows(fit, self.importance_rows, of_row), here)
        if not fit.first:
            before = grow_importance(self.importance_, here)
            found = {name: before[name] + found[name] for name in here}
        fit.kept["anchor_"], fit.kept["importance_"] = here, found
