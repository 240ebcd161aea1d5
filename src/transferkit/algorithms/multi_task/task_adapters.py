"""Task adapters: one body, and for each task small residual networks after every stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ...core.constraints import Interval, Options
from ...engine.multi_task.estimator import MULTI_TASK_RULES, NetworkMultiTask
from ...engine.multi_task.task_rows import TaskLabels
from ...engine.networks.backbone import Backbone
from ...engine.networks.network import Network
from ...engine.training.settings import Training
from ...ops.nn.task_heads import TaskHeads

CARD = {
    "class": "TaskAdapters",
    "protocol": "MultiTask",
    "settings": ("supervised",),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Rebuffi, Bilen & Vedaldi. Learning multiple visual domains with residual adapters. NeurIPS 2017.",
    "url": "https://arxiv.org/abs/1705.08045",
}

__all__ = ["TaskAdapters"]


class TaskAdapters(NetworkMultiTask):
    """Bend a shared body to each task by a few parameters of the task's own after every stage.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, one after another of its stages: a small network, or a torch Sequential; "auto" is a small one for vectors,
        series and small images.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps a task's features to its outputs.
    dropout : float in [0, 1), default=0.0
        Share of the features that a head drops in training.
    size : int in [1, inf), default=16
        Width of an adapter.
    body : {"train", "frozen"}, default="train"
        Whether the shared body trains with the adapters, or stays as it came: for a pretrained one.
    balancing : str, default="equal"
        How the tasks' losses become one update, as for `HardSharing`; gradients are those of the shared parameters.
    balancing_options : mapping or None, default=None
        Parameters of the balancer; see `transferkit.ops.nn.balancing`.
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
    After each stage (a dense layer or convolution with what follows it, up to the next) a task's stream becomes
    ``h + up(relu(down(h)))``, 1x1 convolutions on maps; ``up`` begins at zero, so that all tasks begin with the body. The
    paper's adapter is one 1x1 convolution with normalisation; the bottleneck is that of Houlsby et al. (2019), with fewer
    parameters. Frozen, nothing is shared that trains, and no task can harm another; trained, this is the shared body of
    Stickland & Murray (2019) with parameters of each task beside it. A row costs as many passes through the body as there are
    tasks.

    References
    ----------
    Rebuffi, Bilen & Vedaldi. Learning multiple visual domains with residual adapters. NeurIPS 2017.
    Houlsby et al. Parameter-Efficient Transfer Learning for NLP. ICML 2019.
    Stickland & Murray. BERT and PALs: Projected Attention Layers for Efficient Adaptation in Multi-Task Learning. ICML 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, TaskAdapters, Training
    >>> X = np.random.default_rng(0).normal(size=(80, 4))
    >>> tasks = [Domain(X, X[:, 0] > 0, name="sign"), Domain(X, X[:, 0] + X[:, 1], name="sum")]
    >>> model = TaskAdapters("small:mlp?hidden=16", size=4, training=Training(n_epochs=40, lr=0.02)).fit(tasks)
    >>> model.score(X, X[:, 0] > 0, task="sign") > 0.85
    True
    """

    _constraints: ClassVar = {**MULTI_TASK_RULES, "size": Interval(int, 1), "body": Options("train", "frozen")}

    def __init__(
        self,
        backbone: Any = "auto",
        head: str = "linear",
        dropout: float = 0.0,
        size: int = 16,
        body: str = "train",
        balancing: str = "equal",
        balancing_options: Mapping[str, Any] | None = None,
        kinds: Any = "auto",
        training: Training | None = None,
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.head = head
        self.dropout = dropout
        self.size = size
        self.body = body
        self.balancing = balancing
        self.balancing_options = balancing_options
        self.kinds = kinds
        self.training = training
        self.random_state = random_state

    def _network(self, backbone: Backbone, labels: TaskLabels) -> Network:
        outputs = [own.n_outputs for own in labels.each]
        return Network(backbone, TaskHeads(backbone.n_features, outputs, self.head, self.dropout, apart=True))

    def _edits(self, labels: TaskLabels) -> Sequence[Mapping[str, Any]]:
        return [{"edit": "task_adapters", "n_tasks": len(labels.names), "size": int(self.size)}]

    def _body_stays(self) -> bool:
        return self.body == "frozen"
