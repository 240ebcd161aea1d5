"""NRC: a target row agrees with its neighbours among the features, the reciprocal ones first (source-free)."""

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
from ...ops.nn.entropy import class_entropy
from ...ops.nn.neighbours import Memory

CARD = {
    "class": "NRC",
    "protocol": "ModelTransfer",
    "settings": ("source_free",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Yang et al. Exploiting the Intrinsic Neighborhood Structure for Source-free Domain Adaptation. NeurIPS 2021.",
    "url": "https://arxiv.org/abs/2110.04202",
}

__all__ = ["NRC"]


class NRC(SourceFree):
    """Make each target row's answer agree with those of its nearest rows and of theirs, weighted by reciprocity.

    Parameters
    ----------
    source : estimator, Network, Module, Backbone or str
        The trained model: a fitted deep estimator of transferkit such as `DeepSourceOnly`, its ``network_``, or a backbone
        that brings its own classifier. No row of the source is needed.
    classes : array-like of shape (n_classes,), default=None
        What the model's outputs stand for; None is what a fitted estimator knows, or 0, 1, 2, ...
    n_neighbors : int in [1, inf), default=5
        Nearest rows that a row agrees with, the paper's K; 5 there for VisDA, 3 or 4 for small sets.
    n_expanded : int in [1, inf), default=5
        Nearest rows of each of those, the paper's M; 5 there for VisDA, 2 or 3 for small sets.
    weak : float in [0, 1], default=0.1
        Weight of a neighbour that is not reciprocal, and of the neighbours' neighbours; the paper's r.
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
        One row an epoch: ``train/near``, ``train/expanded``, ``train/self``, ``train/diversity``, and of the target's rows
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
    Minimises ``L_div + L_near + L_expanded + L_self`` (eq. 8) by the whole network. A memory holds features of length 1
    and probabilities S of all rows, those of the batch renewed first. ``L_near = -mean_i sum_k A_ik S_k . p_i`` (eq. 3)
    over the n_neighbors rows of largest cosine, with A = 1 where i is among the n_expanded nearest of k, else `weak` (eq. 2);
    ``L_expanded`` the same over the nearest of those, all of weight `weak`, as often as they occur (eq. 5);
    ``L_self = -mean_i S_i . p_i`` (eq. 6), S a constant; L_div the negative entropy of the batch's mean probabilities
    (eq. 7, up to log n_classes). The authors' code leaves L_self out, as a row is found among the nearest of its nearest
    again; so it is here, too, beside L_self. Cost of a step: one forward and backward of the target's batch, and cosines of
    ``batch_size * (1 + n_neighbors)`` rows to all; one pass over the target before the first.

    References
    ----------
    Yang, Wang, van de Weijer, Herranz & Jui. Exploiting the Intrinsic Neighborhood Structure for Source-free Domain
    Adaptation. NeurIPS 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import NRC, DeepSourceOnly, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4)) + [0, 0, 2, 2]
    >>> training = Training(n_epochs=20, lr=0.02)
    >>> source = DeepSourceOnly("small:mlp?hidden=16", bottleneck=8, training=training)
    >>> source = source.fit(X, X[:, 0] > 0, target=Domain(X))
    >>> model = NRC(source, training=Training(n_epochs=10, lr=0.01))
    >>> model.fit(Xt).score(Xt, Xt[:, 0] > 0) > 0.7
    True
    """

    _constraints: ClassVar = {
        **SOURCE_FREE_RULES,
        "n_neighbors": Interval(int, 1),
        "n_expanded": Interval(int, 1),
        "weak": Interval(float, 0, 1),
    }
    _test_params: ClassVar = {"source": "shifted"}

    def __init__(
        self,
        source: Any,
        classes: Any = None,
        n_neighbors: int = 5,
        n_expanded: int = 5,
        weak: float = 0.1,
        training: Training | None = None,
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.classes = classes
        self.n_neighbors = n_neighbors
        self.n_expanded = n_expanded
        self.weak = weak
        self.training = training
        self.random_state = random_state

    def _objective(self, fit: Fit) -> Objective:
        return _Neighbourhood(fit, self.n_neighbors, self.n_expanded, self.weak)


class _Neighbourhood(Objective):
    """Agreement with the neighbourhood, as a memory of all rows knows it."""

    def __init__(self, fit: Fit, n_near: int, n_expanded: int, weak: float) -> None:
        super().__init__()
        self.network, self.rows, self.place = fit.network, fit.rows, fit.place
        self.n_near, self.n_expanded, self.weak = n_near, n_expanded, weak
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
        near = self.memory.nearest(target.rows, self.n_near)  # (B, K)
        expanded = self.memory.nearest(near, self.n_expanded)  # (B, K, M)
        is_reciprocal = (expanded == target.rows[:, None, None]).any(dim=2)
        weight = torch.where(is_reciprocal, 1.0, self.weak)
        said = self.memory.p
        parts = {
            "near": -(weight * (said[near] @ p[:, :, None])[..., 0]).sum(dim=1).mean(),
            "expanded": -self.weak * (said[expanded] * p[:, None, None]).sum(dim=(1, 2, 3)).mean(),
            "self": -(said[target.rows] * p).sum(dim=1).mean(),
            "diversity": -class_entropy(p),
        }
        return {"loss": sum(parts.values(), torch.zeros((), device=p.device)), **parts}
