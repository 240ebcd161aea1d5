"""Joint training: fine-tuning on the target while labelled source rows are trained on with a head of their own."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ...core.constraints import Fulfils, Interval, Options
from ...core.errors import DomainError, ParamError
from ...core.protocols import Array, Domain
from ...engine.answers.labels import Labels, find_labels
from ...engine.fine_tuning.estimator import NETWORK_RULES, PLAN_RULES, Fit, NetworkTransfer
from ...engine.fine_tuning.forgetting import forgetting
from ...engine.fine_tuning.supervised import Supervised
from ...engine.inputs.inputs import as_rows, check_input
from ...engine.inputs.rows import Rows
from ...engine.networks.network import Network
from ...engine.source_free.source_task import source_head_of
from ...engine.training.freezing import FreezePlan
from ...engine.training.objective import Batch
from ...engine.training.settings import Training
from ...ops.nn.heads import Head

CARD = {
    "class": "JointTraining",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Caruana. Multitask Learning. Machine Learning 28, 1997.",
    "url": "https://doi.org/10.1023/A:1007379606734",
}

__all__ = ["JointTraining"]


class JointTraining(NetworkTransfer):
    """Train one body on the target's rows and on labelled source rows at once, each with a head of its own.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model; see `FineTuning`.
    source_data : Domain, default=None
        Labelled rows of the source task, of the kind that the model takes; needed. Only rows whose label is known are used.
    lam : float in [0, 1], default=0.5
        Weight of the source: the loss is ``lam * L_source + (1 - lam) * L_target``. 0 is plain fine-tuning.
    source_head : {"auto", "keep", "new"}, default="auto"
        "keep" trains the source model's own classifier, whose outputs the source labels must index; "new" begins with a
        fresh one; "auto" keeps it where it has exactly as many outputs as the labels 0, 1, 2, ... have classes.
    plan : str, mapping or FreezePlan, default="full"
        What trains when; see `FineTuning`.
    lr_decay : float in (0, 1], default=1.0
        Learning rate of each part as a multiple of that of the part after it.
    batch_norm : {"frozen", "train", "off"}, default="frozen"
        Whether batch normalisation keeps its statistics, follows the batches, or is left alone altogether.
    head : {"linear", "mlp", "adapter", "cosine", "conv"}, default="linear"
        What maps features to outputs.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    training : Training, default=None
        Epochs, learning rate, batch size and all else; None is ``Training()``.
    task : {"auto", "classification", "multilabel", "regression"}, default="auto"
        "auto" decides from the labels.
    random_state : int, RandomState or None, default=0
        Seed of the head, the batches and the augmentation.

    Attributes
    ----------
    network_ : Network
        Body and head, trained.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        For a classification.
    source_head_ : Module
        The head of the source task: features of ``network_`` to its outputs.
    source_labels_ : Labels
        How those outputs become labels of the source task.
    history_ : list of dict
        One row an epoch, with ``train/task`` and ``train/source``, the weighted loss of the source rows.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        The source model's name, and the SHA-256 of its weights.
    facts_ : dict
        What the report shows; with the source model's own classifier, ``forgetting`` is measured on the source rows.
    n_features_in_ : int
        Width of the rows, where they are vectors.

    Notes
    -----
    An epoch is one pass over the target's rows; each update also sees as many source rows, in an order that begins anew
    when it is through. Li & Hoiem (ECCV 2016) call this joint training and take it as the upper bound of methods that have
    to do without the source data. Source rows are labelled by a task of their own; where both domains share the labels,
    the two heads still differ.

    References
    ----------
    Caruana. Multitask Learning. Machine Learning 28, 1997.
    Li & Hoiem. Learning without Forgetting. ECCV 2016 (section 2, joint training).

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from torch import nn
    >>> from transferkit import Domain, JointTraining
    >>> from transferkit import Training
    >>> _ = torch.manual_seed(0)
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> body, source = nn.Sequential(nn.Linear(4, 16), nn.ReLU()), Domain(X, (X[:, 1] > 0).astype(int))
    >>> model = JointTraining(body, source, training=Training(body_lr_scale=1, n_epochs=20, lr=0.02))
    >>> model.fit(X, y).score(X, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        **NETWORK_RULES,
        **PLAN_RULES,
        "source_data": Fulfils("be None or a Domain", lambda v: v is None or isinstance(v, Domain)),
        "lam": Interval(float, 0, 1),
        "source_head": Options("auto", "keep", "new"),
    }
    _test_params: ClassVar = {"source": "classifier"}

    def __init__(
        self,
        source: Any,
        source_data: Domain | None = None,
        lam: float = 0.5,
        source_head: str = "auto",
        plan: str | Mapping[str, Any] | FreezePlan = "full",
        lr_decay: float = 1.0,
        batch_norm: str = "frozen",
        head: str = "linear",
        dropout: float = 0.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.source_data = source_data
        self.lam = lam
        self.source_head = source_head
        self.plan = plan
        self.lr_decay = lr_decay
        self.batch_norm = batch_norm
        self.head = head
        self.dropout = dropout
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: Fit) -> Supervised:
        y = self._known_labels()[1]
        self.source_labels_ = find_labels("JointTraining.fit: source_data", y, len(y))
        self.source_head_ = self._head(fit, self.source_labels_, y)  # which may have further classes
        term = _SourceTask(fit.network, self.source_head_, self.source_labels_, self.lam)
        return Supervised(fit.network, fit.labels, [term], weight=1 - self.lam)

    def _known_labels(self) -> tuple[Array, Array]:
        """Which source rows have a label that may be used, and those labels."""
        domain = self.source_data
        if domain is None or domain.y is None:
            got = "None" if domain is None else "a Domain without y"
            raise ParamError(f"JointTraining.fit: source_data must be a Domain with labels. Got {got}.")
        y = np.asarray(domain.y)
        rows = np.arange(len(y)) if domain.known is None else np.flatnonzero(domain.known)
        return rows, y[rows]

    def _head(self, fit: Fit, labels: Labels, y: Array) -> nn.Module:
        """The source model's own classifier, or a fresh head for the source task."""
        if self.source_head == "new" or (self.source_head == "auto" and fit.backbone.source_head is None):
            return Head(fit.backbone.n_features, labels.n_outputs)
        own = source_head_of("JointTraining.fit", fit.backbone)
        with torch.no_grad():
            n = copy.deepcopy(own).eval()(torch.zeros(1, fit.backbone.n_features)).shape[1]
        indexed = labels.kind == "classification" and y.dtype.kind in "iu"
        if self.source_head == "auto":
            fits = indexed and np.array_equal(labels.classes, np.arange(n))
            return own if fits else Head(fit.backbone.n_features, labels.n_outputs)
        if not indexed or y.min() < 0 or y.max() >= n:
            raise DomainError(
                f"JointTraining.fit: source_data must be labelled by outputs 0..{n - 1} of the source model's classifier."
                f" Got {np.unique(y)[[0, -1]].tolist()}."
            )
        self.source_labels_ = Labels("classification", n, np.arange(n))
        return own

    def _streams(self, fit: Fit) -> Mapping[str, Rows]:
        assert self.source_data is not None
        where = "JointTraining.fit: source_data"
        rows = as_rows(where, check_input(where, self.source_data.X), fit.backbone)
        known, y = self._known_labels()
        rows = rows.take(known)
        rows.y = self.source_labels_.encode(y.astype(str) if y.dtype == object else y)
        return {"source": rows}

    def _finish(self, fit: Fit, objective: Supervised) -> None:
        self.source_head_.eval()
        if not isinstance(
            self.source_head_, Head
        ):  # the source model's own: its labels say what the body has forgotten
            rows = self._streams(fit)["source"]
            assert rows.y is not None
            fit.notes["forgetting"] = forgetting(fit.backbone, fit.network.body, rows, rows.y.numpy(), place=fit.place)


class _SourceTask(nn.Module):
    """Loss of the source rows through the same body, and their head in training."""

    def __init__(self, network: Network, head: nn.Module, labels: Labels, lam: float) -> None:
        super().__init__()
        self.head, self.labels, self.lam = head, labels, lam
        self.body = (network.body,)  # in a tuple it belongs to the network only

    def forward(self, batch: Batch, features: Tensor, outputs: Tensor, progress: float) -> dict[str, Tensor]:
        stream = batch["source"]
        assert stream.y is not None
        return {"source": self.lam * self.labels.loss(self.head(self.body[0](stream.x)), stream.y)}
