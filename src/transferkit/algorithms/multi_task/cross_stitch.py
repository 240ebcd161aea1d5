"""Cross-stitch networks: a network for each task, with learned mixtures of their activations between the layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ...core.constraints import Interval
from ...engine.multi_task.estimator import MULTI_TASK_RULES, NetworkMultiTask
from ...engine.multi_task.task_rows import TaskLabels
from ...engine.networks.backbone import Backbone
from ...engine.networks.network import Network
from ...engine.training.settings import Training
from ...ops.nn.task_heads import TaskHeads

CARD = {
    "class": "CrossStitch",
    "protocol": "MultiTask",
    "settings": ("supervised",),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Misra, Shrivastava, Gupta & Hebert. Cross-stitch Networks for Multi-task Learning. CVPR 2016.",
    "url": "https://arxiv.org/abs/1604.03539",
}

__all__ = ["CrossStitch"]


class CrossStitch(NetworkMultiTask):
    """Learn how much of every other task's activations each task's network takes in after each layer.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, one after another of its stages: a small network, or a torch Sequential; "auto" is a small one for vectors,
        series and small images.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps a task's features to its outputs.
    dropout : float in [0, 1), default=0.0
        Share of the features that a head drops in training.
    same : float in [0, 1], default=0.9
        Weight of a network's own activations at the start; the others share the rest.
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
    After each stage (a dense layer or convolution with what follows it, up to the next) ``x_A' = a_AA x_A + a_AB x_B``
    (eq. 1), with one number for each pair of tasks and stage. The networks begin as copies of the body; the paper begins
    with networks that were trained on one task each, which a body from a `SingleTask` fit comes close to. It gives the
    units a hundred to a thousand times the network's learning rate; here they have the network's. All is shared in that
    every loss reaches it, but the heads. A row costs as many passes as there are tasks.

    References
    ----------
    Misra, Shrivastava, Gupta & Hebert. Cross-stitch Networks for Multi-task Learning. CVPR 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, CrossStitch, Training
    >>> X = np.random.default_rng(0).normal(size=(80, 4))
    >>> tasks = [Domain(X, X[:, 0] > 0, name="sign"), Domain(X, X[:, 0] + X[:, 1], name="sum")]
    >>> model = CrossStitch("small:mlp?hidden=16", training=Training(n_epochs=40, lr=0.02)).fit(tasks)
    >>> model.score(X, X[:, 0] > 0, task="sign") > 0.85
    True
    """

    _constraints: ClassVar = {**MULTI_TASK_RULES, "same": Interval(float, 0, 1)}

    def __init__(
        self,
        backbone: Any = "auto",
        head: str = "linear",
        dropout: float = 0.0,
        same: float = 0.9,
        balancing: str = "equal",
        balancing_options: Mapping[str, Any] | None = None,
        kinds: Any = "auto",
        training: Training | None = None,
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.head = head
        self.dropout = dropout
        self.same = same
        self.balancing = balancing
        self.balancing_options = balancing_options
        self.kinds = kinds
        self.training = training
        self.random_state = random_state

    def _network(self, backbone: Backbone, labels: TaskLabels) -> Network:
        outputs = [own.n_outputs for own in labels.each]
        return Network(backbone, TaskHeads(backbone.n_features, outputs, self.head, self.dropout, apart=True))

    def _edits(self, labels: TaskLabels) -> Sequence[Mapping[str, Any]]:
        return [{"edit": "cross_stitch", "n_tasks": len(labels.names), "same": float(self.same)}]
