"""PLE: in every layer experts of all tasks beside experts of one task each; with one layer it is CGC."""

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
from ...ops.nn.extraction_heads import ExtractionHeads

CARD = {
    "class": "PLE",
    "protocol": "MultiTask",
    "settings": ("supervised",),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Tang, Liu, Zhao & Gong. Progressive Layered Extraction (PLE): A Novel Multi-Task Learning Model. RecSys 2020.",
    "url": "https://doi.org/10.1145/3383313.3412236",
}

__all__ = ["PLE"]


class PLE(NetworkMultiTask):
    """Keep experts of each task apart from the shared ones, and let gates join them layer by layer.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body below the experts: a small network or a pretrained one by name, or a torch Module; "auto" is none for
        vectors, as in the paper, and a small one for series and small images.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps a task's features to its outputs.
    dropout : float in [0, 1), default=0.0
        Share of the features that a head drops in training.
    n_layers : int in [1, inf), default=2
        Layers of experts; 1 is the paper's CGC (customised gate control).
    n_shared : int in [1, inf), default=2
        Experts that all tasks share, in each layer.
    n_own : int in [1, inf), default=2
        Experts of each task, in each layer.
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
    In a layer a task mixes its own experts and the shared ones by a softmax gate on its own stream (eqs. 1 to 3); the shared
    stream, but in the last layer, mixes all experts (eqs. 4 to 6). Experts are one layer of ReLU units on the body's
    features, heads the towers. For gradient balancing one task's own is what only its loss reaches: its experts and gate of
    the last layer, and its head. The paper's loss weights over time are left to `balancing`. Scale vectors to mean 0 and
    deviation 1 first.

    References
    ----------
    Tang, Liu, Zhao & Gong. Progressive Layered Extraction (PLE): A Novel Multi-Task Learning (MTL) Model for Personalized
    Recommendations. RecSys 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, PLE, Training
    >>> X = np.random.default_rng(0).normal(size=(80, 4))
    >>> tasks = [Domain(X, X[:, 0] > 0, name="sign"), Domain(X, X[:, 0] + X[:, 1], name="sum")]
    >>> model = PLE(n_layers=1, expert_width=16, training=Training(n_epochs=40, lr=0.02)).fit(tasks)
    >>> model.score(X, X[:, 0] > 0, task="sign") > 0.85
    True
    """

    _constraints: ClassVar = {
        **MULTI_TASK_RULES,
        **{name: Interval(int, 1) for name in ("n_layers", "n_shared", "n_own", "expert_width")},
    }

    def __init__(
        self,
        backbone: Any = "auto",
        head: str = "linear",
        dropout: float = 0.0,
        n_layers: int = 2,
        n_shared: int = 2,
        n_own: int = 2,
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
        self.n_layers = n_layers
        self.n_shared = n_shared
        self.n_own = n_own
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
        layers = (self.n_layers, self.n_shared, self.n_own, self.expert_width)
        return Network(backbone, ExtractionHeads(backbone.n_features, outputs, *layers, self.head, self.dropout))
