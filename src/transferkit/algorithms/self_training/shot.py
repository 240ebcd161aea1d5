"""SHOT: a source classifier held still, and features that are moved until the target's rows fit its classes (source-free)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.constraints import Interval
from ...engine.inputs.rows import Rows
from ...engine.networks.estimator import Fit
from ...engine.networks.network import Network
from ...engine.source_free.estimator import SOURCE_FREE_RULES, SourceFree, whole_pass
from ...engine.training.device import Place
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.entropy import class_entropy, mean_entropy

CARD = {
    "class": "SHOT",
    "protocol": "ModelTransfer",
    "settings": ("source_free",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Liang, Hu & Feng. Do We Really Need to Access the Source Data? Source Hypothesis Transfer. ICML 2020.",
    "url": "https://arxiv.org/abs/2002.08546",
}

__all__ = ["SHOT"]


class SHOT(SourceFree):
    """Make a trained classifier's answers sure and diverse on the target by its features alone, guided by class centroids.

    Parameters
    ----------
    source : estimator, Network, Module, Backbone or str
        The trained model: a fitted deep estimator of transferkit such as `DeepSourceOnly`, its ``network_``, or a backbone
        that brings its own classifier. No row of the source is needed.
    classes : array-like of shape (n_classes,), default=None
        What the model's outputs stand for; None is what a fitted estimator knows, or 0, 1, 2, ...
    trade_off : float in [0, inf), default=0.3
        Weight of the pseudo-labels, the paper's beta; 0.1 there for digits. 0 is information maximisation alone (SHOT-IM).
    training : Training, default=None
        Epochs (passes over the target), learning rate, batch size and all else; None is ``Training()``.
    random_state : int, RandomState or None, default=0
        Seed of the batches and the augmentation.

    Attributes
    ----------
    network_ : Network
        The source model, adapted.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        Of the source.
    history_ : list of dict
        One row an epoch: ``train/entropy``, ``train/diversity`` (of the batch), ``train/pseudo``, and of the target's rows
        ``target/entropy``, ``target/diversity``, ``target/largest_share``.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        The source model's name, and the SHA-256 of its weights.
    facts_ : dict
        What the report shows, with the target's scores and class shares before and after, and ``collapsed``.
    n_features_in_ : int
        Width of the rows, where they are vectors.

    Notes
    -----
    Minimises ``L_ent + L_div + trade_off * L_pseudo`` (eq. 7) by body and bottleneck; the head, the source's hypothesis,
    does not move. L_ent is the mean entropy of a row's probabilities and L_div the negative entropy of their mean over the
    batch (eq. 3). At the start of every epoch all rows get the label of the nearest centroid by cosine: first of means
    weighted by the probabilities (eq. 4), then of means of the rows so labelled (eq. 5 and 6). As in the authors' code, a
    class that the network gives no row is no candidate; the constant feature that it appends is left out. The source model
    is best trained with label smoothing, as there; the authors' also has no ReLU in its bottleneck and a last layer of
    normalised weights, and for digits learns USPS from rows that are cropped and turned at random. Cost of a step: one
    forward and backward of the target's batch, and a forward pass over the target every epoch.

    References
    ----------
    Liang, Hu & Feng. Do We Really Need to Access the Source Data? Source Hypothesis Transfer for Unsupervised Domain
    Adaptation. ICML 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import SHOT, DeepSourceOnly, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4)) + [0, 0, 2, 2]
    >>> training = Training(n_epochs=20, lr=0.02)
    >>> source = DeepSourceOnly("small:mlp?hidden=16", bottleneck=8, training=training)
    >>> source = source.fit(X, X[:, 0] > 0, target=Domain(X))
    >>> model = SHOT(source, training=Training(n_epochs=10, lr=0.01))
    >>> model.fit(Xt).score(Xt, Xt[:, 0] > 0) > 0.7
    True
    """

    _constraints: ClassVar = {**SOURCE_FREE_RULES, "trade_off": Interval(float, 0)}
    _test_params: ClassVar = {"source": "shifted"}

    def __init__(
        self,
        source: Any,
        classes: Any = None,
        trade_off: float = 0.3,
        training: Training | None = None,
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.classes = classes
        self.trade_off = trade_off
        self.training = training
        self.random_state = random_state

    def _objective(self, fit: Fit) -> Objective:
        return _Hypothesis(fit.network, fit.rows, fit.place, fit.training, self.trade_off)


class _Hypothesis(Objective):
    """Information maximisation and centroid labels; everything but the head moves."""

    labels: Tensor
    epoch: Tensor

    def __init__(self, network: Network, rows: Rows, place: Place, training: Training, trade_off: float) -> None:
        super().__init__()
        self.network, self.rows, self.place, self.trade_off = network, rows, place, trade_off
        self.n_epochs, self.batch_size = training.n_epochs, max(64, training.batch_size)
        self.register_buffer("labels", torch.zeros(len(rows), dtype=torch.int64))
        self.register_buffer("epoch", torch.tensor(-1))

    def steps(self) -> Sequence[Step]:
        head = {id(p) for p in self.network.head.parameters()}
        return [Step("train", self._loss, [p for p in self.network.parameters() if id(p) not in head])]

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)

    def frozen(self) -> Sequence[nn.Module]:
        return (self.network.head,)

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        self._label(int(progress * self.n_epochs + 1e-9))
        target = batch["target"]
        outputs = self.network(target.x).float()
        entropy, diversity = mean_entropy(outputs), class_entropy(outputs.softmax(dim=1))
        pseudo = functional.cross_entropy(outputs, self.labels[target.rows])
        loss = entropy - diversity + self.trade_off * pseudo
        return {"loss": loss, "entropy": entropy, "diversity": diversity, "pseudo": pseudo}

    def _label(self, epoch: int) -> None:
        """The labels of this epoch; a resumed one goes on with those that it began with."""
        if self.trade_off == 0 or epoch == int(self.epoch):
            return
        z, outputs = whole_pass(self.network, self.rows, self.place, self.batch_size)
        self.labels.copy_(_centroid_labels(z, outputs.softmax(dim=1)))
        self.epoch.fill_(epoch)


def _centroid_labels(z: Tensor, p: Tensor) -> Tensor:
    """Class of the nearest centroid for features (n_rows, n_features) and probabilities (n_rows, n_classes)."""
    z = functional.normalize(z, dim=1)
    named = torch.bincount(p.argmax(dim=1), minlength=p.shape[1]) > 0

    def nearest(centroids: Tensor) -> Tensor:
        cosine = z @ functional.normalize(centroids, dim=1).T
        return cosine.masked_fill(~named, -torch.inf).argmax(dim=1)

    soft = p.T @ z
    rows = functional.one_hot(nearest(soft), p.shape[1]).to(z)
    hard = rows.T @ z
    return nearest(torch.where(rows.sum(dim=0)[:, None] > 0, hard, soft))
