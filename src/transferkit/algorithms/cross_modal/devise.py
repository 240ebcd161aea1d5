"""DeViSE: a trained network whose features are mapped to embeddings of class names by a ranking loss, so that any name will do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.constraints import Interval, Options
from ...core.errors import DomainError
from ...core.protocols import Array
from ...engine.answers.labels import Labels, find_labels
from ...engine.features.text_vectors import embed_texts
from ...engine.fine_tuning.estimator import NETWORK_RULES, PLAN_RULES, Fit, NetworkTransfer
from ...engine.fine_tuning.supervised import Supervised
from ...engine.inputs.rows import Rows
from ...engine.networks.backbone import Backbone
from ...engine.networks.network import Network
from ...engine.training.freezing import FreezePlan
from ...engine.training.objective import Batch, Objective
from ...engine.training.settings import Training
from ...ops.nn.described_head import DescribedHead
from ...ops.solvers.linalg import unit_rows
from ...ops.zero_shot import DESCRIPTIONS, EMBEDDING, Described, describe, handicap

CARD = {
    "class": "DeViSE",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "portfolio": (),
    "paper": "Frome, Corrado, Shlens, Bengio, Dean, Ranzato & Mikolov. DeViSE: A Deep Visual-Semantic Embedding Model. NeurIPS"
    " 2013.",
    "url": "https://papers.nips.cc/paper/5204-devise-a-deep-visual-semantic-embedding-model",
}

__all__ = ["DeViSE"]

_NEVER = 1e9  # off the score of a class that is not to be predicted


class DeViSE(NetworkTransfer):
    """Map a trained network's features linearly into a space of descriptions, where each row's own class has to be nearest.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model whose features are mapped; see `FineTuning`.
    descriptions : mapping of class to vector or text, default=None
        What is known of each class: vectors of one length, or texts such as its name. It must hold the classes of y; those that
        y lacks are the unseen ones, which can be predicted. None describes a class by itself alone.
    embedding : str, default="sentence:all-MiniLM-L6-v2"
        Text backbone that turns descriptions that are texts into vectors.
    candidates : {"all", "unseen"}, default="all"
        Which classes are predicted: all of them (generalised zero-shot), or those without a row only. Without an unseen
        class it changes nothing.
    calibration : float in [0, inf), default=0.0
        Taken off the score of seen classes, which otherwise win too often. Scores grow with the features' length: choose it
        on classes that are held out.
    margin : float in (0, inf), default=0.1
        By how much the score of a row's own class has to exceed those of all others.
    plan : str, mapping or FreezePlan, default="full"
        What trains when; see `FineTuning`. The paper's order is the map alone and then all: ``"lp_ft:EPOCHS"``.
    lr_decay : float in (0, 1], default=1.0
        Learning rate of each part as a multiple of that of the part after it.
    batch_norm : {"frozen", "train", "off"}, default="frozen"
        Whether batch normalisation keeps its statistics, follows the batches, or is left alone altogether.
    training : Training, default=None
        Epochs, learning rate, batch size and all else; None is ``Training()``.
    random_state : int, RandomState or None, default=0
        Seed of the map, the batches and the augmentation.

    Attributes
    ----------
    network_ : Network
        Body and map, trained.
    labels_ : Labels
        How outputs become classes.
    classes_ : array of shape (n_classes,)
        All described classes.
    seen_classes_, unseen_classes_ : arrays
        Those with rows, and those without.
    history_ : list of dict
        One row an epoch, with ``train/rank``, the loss; ``train/task``, a cross-entropy, is for comparison only.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        The source model's name, and the SHA-256 of its weights.
    facts_ : dict
        What the report shows.
    n_features_in_ : int
        Width of the rows, where they are vectors.

    Notes
    -----
    With features z, the map M and descriptions t of unit length it minimises the mean over the rows of ``sum_(j != y) max(0,
    margin - t_y' M z + t_j' M z)`` over the seen classes; prediction is the largest ``t_j' M z`` of all candidates. The paper
    stops the sum at the first j, in random order, that violates the margin, to be fast with many classes; here it is the
    whole sum. Its word vectors are of a skip-gram model; here of any text network. `calibration` is of Chao et al. and not in
    the paper. ``predict_proba`` is the softmax of the scores: an order of the classes, no probability.

    References
    ----------
    Frome, Corrado, Shlens, Bengio, Dean, Ranzato & Mikolov. DeViSE: A Deep Visual-Semantic Embedding Model. NeurIPS 2013.
    Chao, Changpinyo, Gong & Sha. An Empirical Study and Analysis of Generalized Zero-Shot Learning for Object Recognition in
    the Wild. ECCV 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from transferkit import DeViSE, Training
    >>> animals = {"zebra": [1, 1], "horse": [-1, 1], "bee": [1, -1], "crow": [-1, -1]}  # striped, has hooves
    >>> rng = np.random.default_rng(0)
    >>> names = np.array(sorted(animals))[rng.integers(0, 4, 200)]
    >>> X = np.array([animals[n] for n in names]) @ rng.normal(size=(2, 6)) + 0.1 * rng.normal(size=(200, 6))
    >>> seen = names != "zebra"
    >>> model = DeViSE(nn.Identity(), animals, candidates="unseen", training=Training(n_epochs=20, lr=0.05))
    >>> model.fit(X[seen], names[seen]).score(X[~seen], names[~seen])
    1.0
    """

    _constraints: ClassVar = {
        **{k: NETWORK_RULES[k] for k in ("source", "training", "random_state")},
        **PLAN_RULES,
        "descriptions": DESCRIPTIONS,
        "embedding": EMBEDDING,
        "candidates": Options("all", "unseen"),
        "calibration": Interval(float, 0),
        "margin": Interval(float, 0, closed="neither"),
    }
    head, dropout, task = "linear", 0.0, "classification"  # there is no choice of these

    def __init__(
        self,
        source: Any,
        descriptions: Mapping[Any, Any] | None = None,
        embedding: str = "sentence:all-MiniLM-L6-v2",
        candidates: str = "all",
        calibration: float = 0.0,
        margin: float = 0.1,
        plan: str | Mapping[str, Any] | FreezePlan = "full",
        lr_decay: float = 1.0,
        batch_norm: str = "frozen",
        training: Training | None = None,
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.descriptions = descriptions
        self.embedding = embedding
        self.candidates = candidates
        self.calibration = calibration
        self.margin = margin
        self.plan = plan
        self.lr_decay = lr_decay
        self.batch_norm = batch_norm
        self.training = training
        self.random_state = random_state

    def _read_labels(self, where: str, y: Any, X: Any, rows: Rows) -> tuple[Labels, Array]:
        labels, values = find_labels(where, y, len(rows), "classification"), np.asarray(y)
        assert labels.classes is not None
        self._described = describe(
            where, self.descriptions, labels.classes, lambda texts: embed_texts(where, self.embedding, texts)
        )
        if not self._described.vectors.any(axis=1).all():
            raise DomainError(f"{where}: descriptions must have a direction. Got a vector of zeros.")
        labels = Labels("classification", len(self._described.classes), self._described.classes)
        rows.y = labels.encode(values)
        return labels, values

    def _network(self, backbone: Backbone, labels: Labels) -> Network:
        vectors = self._described.vectors
        vectors = unit_rows(vectors / np.abs(vectors).max(axis=1, keepdims=True))  # of any size, before it is 32 bits
        head = DescribedHead(backbone.n_features, vectors.shape[1], labels.n_outputs)
        head.descriptions.copy_(torch.as_tensor(vectors))
        return Network(backbone, head)  # type: ignore[arg-type]

    def _objective(self, fit: Fit) -> Supervised:
        return Supervised(fit.network, fit.labels, [_Rank(self._described, self.margin)], weight=0.0)

    def _finish(self, fit: Fit, objective: Objective) -> None:
        super()._finish(fit, objective)
        described: Described = self.__dict__.pop("_described")
        self.seen_classes_, self.unseen_classes_ = described.classes[described.seen], described.classes[~described.seen]
        off = np.minimum(handicap(described, self.candidates, self.calibration), _NEVER)
        fit.network.head.offset.copy_(torch.as_tensor(off))


class _Rank(nn.Module):
    """Hinge loss of the margins between the score of a row's class and those of all other seen classes."""

    seen: Tensor
    place: Tensor

    def __init__(self, described: Described, margin: float) -> None:
        super().__init__()
        self.margin = margin
        seen = torch.as_tensor(described.seen)
        self.register_buffer("seen", seen.nonzero()[:, 0], persistent=False)
        self.register_buffer("place", seen.cumsum(0) - 1, persistent=False)

    def forward(self, batch: Batch, features: Tensor, outputs: Tensor, progress: float) -> dict[str, Tensor]:
        y = batch["target"].y
        assert y is not None
        scores, own = outputs.float()[:, self.seen], self.place[y][:, None]
        hinge = functional.relu(self.margin - scores.gather(1, own) + scores)
        return {"rank": hinge.scatter(1, own, 0.0).sum(dim=1).mean()}
