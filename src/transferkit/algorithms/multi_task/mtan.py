"""MTAN: one shared body, and for each task soft attention masks on what its stages put out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ...engine.multi_task.estimator import MULTI_TASK_RULES, NetworkMultiTask
from ...engine.multi_task.task_rows import TaskLabels
from ...engine.networks.backbone import Backbone
from ...engine.networks.network import Network
from ...engine.training.settings import Training
from ...ops.nn.task_heads import TaskHeads

CARD = {
    "class": "MTAN",
    "protocol": "MultiTask",
    "settings": ("supervised",),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Liu, Johns & Davison. End-to-End Multi-Task Learning with Attention. CVPR 2019.",
    "url": "https://arxiv.org/abs/1803.10704",
}

__all__ = ["MTAN"]


class MTAN(NetworkMultiTask):
    """Let each task choose, by masks that it learns, what it takes of the shared features at every depth.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, one after another of its stages: a small network, or a torch Sequential; "auto" is a small one for vectors,
        series and small images.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps a task's features to its outputs.
    dropout : float in [0, 1), default=0.0
        Share of the features that a head drops in training.
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
    For stage j with shared features p and task k: ``kept_k = m_k * p``, ``m_k = h(g([p; f(kept_k before)]))`` (eqs. 1 and 2);
    g and h are 1x1 convolutions with batch normalisation, ReLU and sigmoid, f a 3x3 convolution with batch normalisation and
    ReLU, pooled to the size of p, and one for all tasks, as in the authors' code. A stage is one convolution or dense layer with
    what follows it, up to the next; the paper's blocks have several, and their masks are of the first one's output, not of p. On
    vectors, and on dense layers, all three maps are dense layers. Shared are the body and f; g, h and heads are each one task's
    own.

    References
    ----------
    Liu, Johns & Davison. End-to-End Multi-Task Learning with Attention. CVPR 2019, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, MTAN, Training
    >>> X = np.random.default_rng(0).normal(size=(80, 4))
    >>> tasks = [Domain(X, X[:, 0] > 0, name="sign"), Domain(X, X[:, 0] + X[:, 1], name="sum")]
    >>> model = MTAN("small:mlp?hidden=16,16", training=Training(n_epochs=40, lr=0.02)).fit(tasks)
    >>> model.score(X, X[:, 0] > 0, task="sign") > 0.85
    True
    """

    _constraints: ClassVar = {**MULTI_TASK_RULES}

    def __init__(
        self,
        backbone: Any = "auto",
        head: str = "linear",
        dropout: float = 0.0,
        balancing: str = "equal",
        balancing_options: Mapping[str, Any] | None = None,
        kinds: Any = "auto",
        training: Training | None = None,
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.head = head
        self.dropout = dropout
        self.balancing = balancing
        self.balancing_options = balancing_options
        self.kinds = kinds
        self.training = training
        self.random_state = random_state

    def _network(self, backbone: Backbone, labels: TaskLabels) -> Network:
        outputs = [own.n_outputs for own in labels.each]
        return Network(backbone, TaskHeads(backbone.n_features, outputs, self.head, self.dropout, apart=True))

    def _edits(self, labels: TaskLabels) -> Sequence[Mapping[str, Any]]:
        return [{"edit": "task_attention", "n_tasks": len(labels.names)}]
