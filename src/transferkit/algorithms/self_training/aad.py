"""AaD: neighbouring target rows attract each other's answers, all other rows of the batch repel them (source-free)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...core.constraints import Interval
from ...engine.networks.estimator import Fit
from ...engine.source_free.estimator import SOURCE_FREE_RULES, SourceFree, whole_pass
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.neighbours import Memory

CARD = {
    "class": "AaD",
    "protocol": "ModelTransfer",
    "settings": ("source_free",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Yang et al. Attracting and Dispersing: A Simple Approach for Source-free Domain Adaptation. NeurIPS 2022.",
    "url": "https://arxiv.org/abs/2205.04183",
}

__all__ = ["AaD"]


class AaD(SourceFree):
    """Raise the product of a row's probabilities with its neighbours', lower that with the rest of the batch.

    Parameters
    ----------
    source : estimator, Network, Module, Backbone or str
        The trained model: a fitted deep estimator of transferkit such as `DeepSourceOnly`, its ``network_``, or a backbone
        that brings its own classifier. No row of the source is needed.
    classes : array-like of shape (n_classes,), default=None
        What the model's outputs stand for; None is what a fitted estimator knows, or 0, 1, 2, ...
    n_neighbors : int in [1, inf), default=5
        Nearest rows that attract a row, the paper's K; 5 there for VisDA, 3 for small sets.
    decay : float in [0, inf), default=5.0
        How fast the weight of the dispersion falls, the paper's beta: ``(1 + 10 t / T) ** -decay``; 5 there for VisDA,
        0 to 2 for small sets.
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
        One row an epoch: ``train/attract``, ``train/disperse`` (before its weight), ``train/weight``, and of the target's rows
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
    Minimises ``mean_i (-sum_{j in C_i} p_i . p_j + weight * sum_{m in B_i} p_i . p_m)`` (eq. 5) by the whole network: C_i are
    the n_neighbors rows of largest cosine in a memory of all rows, whose probabilities are constants there; B_i all other
    rows of the batch, with a gradient through both factors. The weight falls with the training (section 3.3). The sum over B_i
    grows with the batch: 64 in the paper. Cost of a step: one forward and backward of the target's batch, and its cosines
    to all rows; one pass over the target before the first.

    References
    ----------
    Yang, Wang, Wang, Jui & van de Weijer. Attracting and Dispersing: A Simple Approach for Source-free Domain Adaptation.
    NeurIPS 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import AaD, DeepSourceOnly, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4)) + [0, 0, 2, 2]
    >>> training = Training(n_epochs=20, lr=0.02)
    >>> source = DeepSourceOnly("small:mlp?hidden=16", bottleneck=8, training=training)
    >>> source = source.fit(X, X[:, 0] > 0, target=Domain(X))
    >>> model = AaD(source, training=Training(n_epochs=10, lr=0.01))
    >>> model.fit(Xt).score(Xt, Xt[:, 0] > 0) > 0.7
    True
    """

    _constraints: ClassVar = {**SOURCE_FREE_RULES, "n_neighbors": Interval(int, 1), "decay": Interval(float, 0)}
    _test_params: ClassVar = {"source": "shifted"}

    def __init__(
        self,
        source: Any,
        classes: Any = None,
        n_neighbors: int = 5,
        decay: float = 5.0,
        training: Training | None = None,
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.classes = classes
        self.n_neighbors = n_neighbors
        self.decay = decay
        self.training = training
        self.random_state = random_state

    def _objective(self, fit: Fit) -> Objective:
        return _Attraction(fit, self.n_neighbors, self.decay)


class _Attraction(Objective):
    """Attraction to neighbours in a memory, dispersion within the batch."""

    def __init__(self, fit: Fit, n_neighbors: int, decay: float) -> None:
        super().__init__()
        self.network, self.rows, self.place = fit.network, fit.rows, fit.place
        self.n_neighbors, self.decay = n_neighbors, decay
        self.memory = Memory(len(fit.rows), fit.network.n_features, fit.labels.n_outputs)

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.network.parameters()))]

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        if not self.memory.is_full:
            z, outputs = whole_pass(self.network, self.rows, self.place)
            self.memory.fill(z, outputs.softmax(dim=1))
        target = batch["target"]
        z = self.network.features(target.x)
        p = self.network.head(z).float().softmax(dim=1)
        self.memory.put(target.rows, z, p)
        near = self.memory.p[self.memory.nearest(target.rows, self.n_neighbors)]
        attract = -(near @ p[:, :, None]).sum(dim=(1, 2)).mean()
        products = p @ p.T
        disperse = (products.sum() - products.trace()) / len(p)
        weight = torch.tensor((1 + 10 * progress) ** -self.decay, device=p.device)
        return {"loss": attract + weight * disperse, "attract": attract, "disperse": disperse, "weight": weight}
