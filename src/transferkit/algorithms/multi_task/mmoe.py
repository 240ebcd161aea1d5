"""MMoE: experts that all tasks share, and a gate for each task that weighs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ...core.constraints import Interval
from ...engine.backbones import identity_backbone
from ...engine.multi_task.estimator import MULTI_TASK_RULES, NetworkMultiTask
from ...engine.multi_task.task_rows import TaskLabels
from ...engine.networks.backbone import Backbone
from ...engine.networks.network import Network
from ...engine.training.settings import Training
from ...ops.nn.expert_heads import ExpertHeads

CARD = {
    "class": "MMoE",
    "protocol": "MultiTask",
    "settings": ("supervised",),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Ma et al. Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts. KDD 2018.",
    "url": "https://doi.org/10.1145/3219819.3220007",
}

__all__ = ["MMoE"]


class MMoE(NetworkMultiTask):
    """Let every task mix a common set of experts by a gate of its own.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body below the experts: a small network or a pretrained one by name, or a torch Module; "auto" is none for
        vectors, as in the paper, and a small one for series and small images.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps a task's features to its outputs.
    dropout : float in [0, 1), default=0.0
        Share of the features that a head drops in training.
    n_experts : int in [1, inf), default=8
        Number of experts; with one this is hard sharing.
    expert_width : int in [1, inf), default=64
        Units of an expert.
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
    ``y_k = h_k(sum_i g_k(x)_i f_i(x))`` with ``g_k(x) = softmax(W_k x)`` (eqs. 5 to 7): experts f are one layer of ReLU units
    on the body's features, as in the paper's experiments, heads h are the towers. Tasks that fit together use the same
    experts, others learn to keep to their own. Shared are body and experts; gates and heads are each one task's own. Scale
    vectors to mean 0 and deviation 1 first.

    References
    ----------
    Ma, Zhao, Yi, Chen, Hong & Chi. Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts.
    KDD 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, MMoE, Training
    >>> X = np.random.default_rng(0).normal(size=(80, 4))
    >>> tasks = [Domain(X, X[:, 0] > 0, name="sign"), Domain(X, X[:, 0] + X[:, 1], name="sum")]
    >>> model = MMoE(n_experts=4, expert_width=16, training=Training(n_epochs=40, lr=0.02)).fit(tasks)
    >>> model.score(X, X[:, 0] > 0, task="sign") > 0.85
    True
    """

    _constraints: ClassVar = {**MULTI_TASK_RULES, "n_experts": Interval(int, 1), "expert_width": Interval(int, 1)}

    def __init__(
        self,
        backbone: Any = "auto",
        head: str = "linear",
        dropout: float = 0.0,
        n_experts: int = 8,
        expert_width: int = 64,
        balancing: str = "equal",
        balancing_options: Mapping[str, Any] | None = None,
        kinds: Any = "auto",
        training: Training | None = None,
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.head = head
        self.dropout = dropout
        self.n_experts = n_experts
        self.expert_width = expert_width
        self.balancing = balancing
        self.balancing_options = balancing_options
        self.kinds = kinds
        self.training = training
        self.random_state = random_state

    def _load(self, where: str, X: Any) -> Backbone:
        if isinstance(self.backbone, str) and self.backbone == "auto" and getattr(X, "ndim", 0) == 2:
            return identity_backbone(X.shape[1])
        return super()._load(where, X)

    def _network(self, backbone: Backbone, labels: TaskLabels) -> Network:
        outputs = [own.n_outputs for own in labels.each]
        options = (self.n_experts, self.expert_width, self.head, self.dropout)
        return Network(backbone, ExpertHeads(backbone.n_features, outputs, *options))
