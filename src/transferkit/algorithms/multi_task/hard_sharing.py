"""Hard parameter sharing: one body for all tasks, and a head for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ...core.constraints import Boolean, Options
from ...core.errors import ParamError
from ...core.protocols import Array
from ...engine.multi_task.estimator import MULTI_TASK_RULES, NetworkMultiTask, TaskFit
from ...engine.training.settings import Training
from ...ops.nn.balancing import BALANCERS

CARD = {
    "class": "HardSharing",
    "protocol": "MultiTask",
    "settings": ("supervised",),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Caruana. Multitask Learning. Machine Learning 28, 1997.",
    "url": "https://doi.org/10.1023/A:1007379606734",
}

__all__ = ["HardSharing"]


class HardSharing(NetworkMultiTask):
    """Train one body on the losses of all tasks, with a head for each task on its features.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The shared body: a small network or a pretrained one by name, or a torch Module; "auto" is a small one for vectors,
        series and small images.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps features to a task's outputs.
    dropout : float in [0, 1), default=0.0
        Share of the features that a head drops in training.
    balancing : str, default="equal"
        How the tasks' losses become one update: "equal", "uncertainty", "dwa", "gradnorm", "rlw", "gls" or "famo" weigh
        losses; "imtl", "pcgrad", "mgda", "cagrad", "gradvac", "nash_mtl" or "aligned_mtl" combine gradients, one backward
        pass a task; "torchjd:NAME" is an aggregator of TorchJD, where that is installed.
    balancing_options : mapping or None, default=None
        Parameters of the balancer, as in ``{"c": 0.4}``; see `transferkit.ops.nn.balancing`.
    gradients : {"auto", "parameters", "representation"}, default="auto"
        With respect to what a balancer combines gradients: the shared parameters, or the shared features, which costs one
        backward pass through the body in all. The latter is only for those whose paper allows it ("mgda", "imtl",
        "aligned_mtl"); "auto" takes it for "imtl", as its paper does.
    affinity : bool, default=False
        Whether inter-task affinity is measured along the training, for one more backward and forward pass a task.
    kinds : str or mapping, default="auto"
        What labels are, "classification" or "regression", for all tasks or by task; "auto" decides from each task's.
    training : Training, default=None
        Epochs (passes over the longest stream of rows), learning rate, batch size (rows of each stream) and all else; None
        is ``Training()``.
    random_state : int, RandomState or None, default=0
        Seed of the first weights, the batches and the augmentation.

    Attributes
    ----------
    network_ : Network
        Body and heads, trained.
    tasks_ : tuple of str
        Names of the tasks.
    labels_ : TaskLabels
        How outputs become labels, by task.
    classes_ : dict of str to array
        Of each task that has classes.
    history_ : list of dict
        One row an epoch: ``train/<task>/loss``, and with a validation share ``<task>/score``.
    affinity_ : array of shape (n_tasks, n_tasks)
        Where it was measured, the mean over the training of what a step for the task of the row does for the task of the
        column: above 0 it helps.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        The body's name, and the SHA-256 of its first weights.
    facts_ : dict
        What the report shows.
    n_features_in_ : int
        Width of the rows, where they are vectors.

    Notes
    -----
    Minimises ``sum_t w_t L_t(head_t(body(x)), y_t)`` over the rows of each task, with weights of 1, or as `balancing` says.
    Tasks that share their rows go through the body once. A missing label has no part in any loss; each labelled row counts
    alike within its task. Numbers are standardised by their task's labels, so that losses begin near 1. With one task this
    is plain training, whatever the balancing.

    References
    ----------
    Caruana. Multitask Learning. Machine Learning 28, 1997.
    Fifty, Amid, Zhao, Yu, Anil & Finn. Efficiently Identifying Task Groupings for Multi-Task Learning. NeurIPS 2021
    (affinity, eq. 1).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, HardSharing, Training
    >>> X = np.random.default_rng(0).normal(size=(80, 4))
    >>> tasks = [Domain(X, X[:, 0] > 0, name="sign"), Domain(X, X[:, 0] + X[:, 1], name="sum")]
    >>> model = HardSharing("small:mlp?hidden=16", training=Training(n_epochs=30, lr=0.02)).fit(tasks)
    >>> model.score(X, X[:, 0] > 0, task="sign") > 0.9, model.score(X, X[:, 0] + X[:, 1], task="sum") > 0.9
    (True, True)
    """

    _constraints: ClassVar = {
        **MULTI_TASK_RULES,
        "gradients": Options("auto", "parameters", "representation"),
        "affinity": Boolean(),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        head: str = "linear",
        dropout: float = 0.0,
        balancing: str = "equal",
        balancing_options: Mapping[str, Any] | None = None,
        gradients: str = "auto",
        affinity: bool = False,
        kinds: Any = "auto",
        training: Training | None = None,
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.head = head
        self.dropout = dropout
        self.balancing = balancing
        self.balancing_options = balancing_options
        self.gradients = gradients
        self.affinity = affinity
        self.kinds = kinds
        self.training = training
        self.random_state = random_state

    def _on_representation(self, where: str) -> bool:
        if self.gradients != "representation":
            return self.gradients == "auto" and self.balancing == "imtl"
        kind = BALANCERS.get(self.balancing)
        if kind is None or not kind.on_representation:
            able = ", ".join(name for name, k in BALANCERS.items() if k.on_representation)
            raise ParamError(
                f"{where}: gradients must be 'parameters' or 'auto' for all balancing but {able}. Got 'representation' with"
                f" {self.balancing!r}."
            )
        return True

    def _affinity_rate(self, fit: TaskFit) -> float | None:
        if not self.affinity:
            return None
        lr = fit.training.lr
        return 1e-3 if isinstance(lr, str) else float(lr)

    def _run(self, training: Training, begin: Any) -> Any:
        super()._run(training, begin)
        self.__dict__.pop("affinity_", None)  # of an earlier fit
        if self.affinity:
            self.affinity_ = self._found_affinity()
        return self

    def _found_affinity(self) -> Array:
        """The mean over the epochs; 0 with one task, that is, nothing is known of others."""
        names = self.labels_.names
        return np.array(
            [
                [np.mean([row.get(f"train/affinity/{a}/{b}", 0.0) for row in self.history_]) for b in names]
                for a in names
            ]
        )
