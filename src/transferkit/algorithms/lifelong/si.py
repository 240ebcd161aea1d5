"""SI: synaptic intelligence; weights whose path has lowered the loss of old tasks move little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...core.constraints import Interval
from ...core.errors import ParamError
from ...engine.lifelong.estimator import CONTINUAL_RULES, ContinualNetwork, TaskFit
from ...engine.lifelong.terms import Anchored, tensors_of
from ...engine.training.freezing import FreezePlan
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.continual import grow_importance

CARD = {
    "class": "SI",
    "protocol": "Continual",
    "settings": ("supervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Zenke, Poole & Ganguli. Continual Learning Through Synaptic Intelligence. ICML 2017.",
    "url": "https://arxiv.org/abs/1703.04200",
}

__all__ = ["SI"]


class SI(ContinualNetwork):
    """Pull each weight back by how much of the fall of earlier losses its own movement has brought.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        What computes features. "auto" is a small network for vectors, series or small images; else a name such as
        "timm:resnet18", or a module of one's own, which is copied.
    reg : float in [0, inf), default=1.0
        Strength of the pull (c); 0 is naive fine-tuning.
    damping : float in (0, inf), default=0.1
        What is added to the squared movement, so that a weight that hardly moved has no large importance (xi).
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
    Minimises ``loss + reg * sum_i Omega_i (w_i - w*_i)^2`` (eq. 4). After task t ``Omega_i <- max(Omega_i + omega_ti /
    (D_ti^2 + damping), 0)``: the sum of eq. 5, kept from falling below zero, where it would push weights away, as the
    authors' program keeps it. ``D_t`` is the movement over task t and ``omega_t = -sum_k g_k (w_k - w_(k-1))`` the sum
    over its updates of the gradient of the task's own loss, without the pull, times the movement (eq. 3): in the limit
    of small steps these sum to the fall of the loss. Each update gets the two gradients apart, so that the optimizer's
    clipping or momentum does not blur them. fp16 scales gradients and is refused.

    References
    ----------
    Zenke, Poole & Ganguli. Continual Learning Through Synaptic Intelligence. ICML 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, SI
    >>> from transferkit import Training
    >>> X = np.random.default_rng(0).normal(size=(120, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> z = np.where(X[:, 1] > 0, "up", "down")
    >>> model = SI(heads="separate", training=Training(n_epochs=15, lr=0.01))
    >>> model = model.partial_fit(Domain(X, y, name="sides")).partial_fit(Domain(X, z, name="heights"))
    >>> model.classes_.tolist()
    ['down', 'left', 'right', 'up']
    >>> model.score(X, z, task="heights") > 0.8
    True
    """

    _constraints: ClassVar = {
        **CONTINUAL_RULES,
        "reg": Interval(float, 0),
        "damping": Interval(float, 0, closed="neither"),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        reg: float = 1.0,
        damping: float = 0.1,
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
        self.damping = damping
        self.heads = heads
        self.plan = plan
        self.batch_norm = batch_norm
        self.head = head
        self.dropout = dropout
        self.training = training
        self.random_state = random_state

    def _begin_task(self, fit: TaskFit) -> None:
        if fit.place.precision == "fp16":
            raise ParamError("SI.partial_fit: training.precision must be 'fp32' or 'bf16'. Got 'fp16'.")

    def _objective(self, fit: TaskFit) -> Objective:
        empty: dict[str, Tensor] = {}
        state = (empty, empty) if fit.first else (self.anchor_, self.importance_)
        objective = _Paths(fit, Anchored(fit.network, *state, self.reg))
        fit.training.callbacks = (*fit.training.callbacks, objective.moved)  # of the fit's own copy of the settings
        return objective

    def _finish(self, fit: TaskFit, objective: _Paths) -> None:
        here = tensors_of(fit.network)
        found = {}
        for k, (name, p) in enumerate(objective.params.items()):
            moved = p.detach() - getattr(objective, f"start_{k}")
            found[name] = (getattr(objective, f"path_{k}") / (moved.square() + self.damping)).cpu()
        before = grow_importance({} if fit.first else self.importance_, here)
        found = {name: (before[name] + found[name]).clamp_min(0) for name in here}
        fit.kept["anchor_"], fit.kept["importance_"] = here, found
        fit.notes["path"] = float(sum(getattr(objective, f"path_{k}").sum() for k in range(len(objective.params))))


class _Paths(Objective):
    """The loss and the pull as two losses of one step: the first one's gradient is what the path is summed from."""

    def __init__(self, fit: TaskFit, anchored: Anchored) -> None:
        super().__init__()
        self.network, self.labels, self.anchored = fit.network, fit.labels, anchored
        self.params = dict(fit.network.named_parameters())
        for k, p in enumerate(self.params.values()):
            self.register_buffer(f"start_{k}", p.detach().clone())  # in a checkpoint: the weights have moved by then
            self.register_buffer(f"path_{k}", torch.zeros_like(p))
        self._last: list[tuple[Tensor, Tensor]] = []  # gradient and weight before the update, of what trains

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.params.values()), aggregate=self._keep)]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        stream = batch["target"]
        task = self.labels.loss(self.network(stream.x), stream.y)
        known = self.anchored(batch, task, task, progress)["known"]
        return {"loss": torch.stack([task, known]), "task": task, "known": known}

    def _keep(self, jacobian: Tensor) -> Tensor:
        own = [p for p in self.params.values() if p.requires_grad]
        parts = jacobian[0].split([p.numel() for p in own])
        self._last = [(g.view_as(p).clone(), p.detach().clone()) for g, p in zip(parts, own)]
        return jacobian.sum(dim=0)

    def moved(self, event: str, state: dict[str, Any]) -> None:
        """After an update: what each weight's movement has brought."""
        if event != "update":
            return
        paths = [getattr(self, f"path_{k}") for k, p in enumerate(self.params.values()) if p.requires_grad]
        own = [p for p in self.params.values() if p.requires_grad]
        for path, p, (gradient, before) in zip(paths, own, self._last):
            path.sub_(gradient * (p.detach() - before))

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)
