"""LAME: at test time, the answers to a batch are corrected so that rows with near features get near answers."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ...core.constraints import Interval, Options
from ...core.protocols import Array
from ...engine.networks.estimator import Fit
from ...engine.source_free.test_time import ONLINE_RULES, OnlineAdaptation
from ...engine.training.device import find_place

CARD = {
    "class": "LAME",
    "protocol": "ModelTransfer",
    "settings": ("test_time",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Boudiaf, Mueller, Ben Ayed & Bertinetto. Parameter-Free Online Test-Time Adaptation. CVPR 2022.",
    "url": "https://arxiv.org/abs/2201.05718",
}

__all__ = ["LAME"]


class LAME(OnlineAdaptation):
    """Leave the network as it is, and find the answers to a whole batch that fit both its probabilities and its neighbours.

    Parameters
    ----------
    source : estimator, Network, Module, Backbone or str
        The trained model: a fitted deep estimator of transferkit such as `DeepSourceOnly`, its ``network_``, or a backbone
        that brings its own classifier. No row of the source is needed.
    classes : array-like of shape (n_classes,), default=None
        What the model's outputs stand for; None is what a fitted estimator knows, or 0, 1, 2, ...
    affinity : {"knn", "rbf", "linear"}, default="knn"
        Weights between rows: 1 for the nearest ones; a Gaussian of their distance, as wide as the mean distance to the last
        of the nearest; or the products of their features.
    n_neighbors : int in [1, inf), default=5
        Nearest rows for "knn", and for the width of "rbf".
    max_iter : int in [1, inf), default=100
        Rounds of the correction; it ends before where nothing changes.
    batch_size : int in [1, inf), default=64
        Rows that are answered together: `predict` takes more of them in turn, in their order.
    device : str, default="auto"
        "auto" is a GPU where there is one.
    random_state : int, RandomState or None, default=0
        Seed of what is random within a batch.

    Attributes
    ----------
    network_ : Network
        The source model as it is now.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        Of the source.
    n_batches_ : int
        Batches adapted to since the last fit.
    n_roll_backs_ : int
        How often it went back to the source model.
    history_ : list of dict
        One row a batch:
        the scores of the answers before the correction (``target/entropy``, ``target/diversity``,
        ``target/largest_share``), and ``rolled_back``, which is 0.
    source_network_ : Network
        The source model, as ``network_``.
    state_ : dict
        What is carried from batch to batch beside the network.
    backbone_name_, fingerprint_ : str
        The source model's name, and the SHA-256 of its weights.
    facts_ : dict
        What the report shows.
    n_features_in_ : int
        Width of the rows, where they are vectors.

    Notes
    -----
    Minimises ``sum_i KL(q_i || p_i) - sum_ij w_ij q_i . q_j`` over the answers q (eq. 4), p being the network's
    probabilities, by rounds of ``q_i ~ p_i * exp(sum_j w_ij q_j)`` (eq. 6). Features have length 1. Weights of "knn" are
    those of the authors' code: 0 or 1, not symmetric. Nothing is learned: `fit` and `partial_fit` take the source model
    over, and what `predict` answers depends on the rows that are asked together; `transform` does not. It is made for
    batches whose classes are no fair sample, and does nothing against features that are wrong. Cost: one forward pass of
    the rows that are asked, and products of a batch's rows.

    References
    ----------
    Boudiaf, Mueller, Ben Ayed & Bertinetto. Parameter-Free Online Test-Time Adaptation. CVPR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import LAME, DeepSourceOnly, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4)) + [0, 0, 2, 2]
    >>> training = Training(n_epochs=20, lr=0.02)
    >>> source = DeepSourceOnly("small:mlp?hidden=16", bottleneck=8, training=training)
    >>> source = source.fit(X, X[:, 0] > 0, target=Domain(X))
    >>> model = LAME(source)
    >>> model.fit(Xt).score(Xt, Xt[:, 0] > 0) > 0.7
    True
    """

    _constraints: ClassVar = {
        **ONLINE_RULES,
        "affinity": Options("knn", "rbf", "linear"),
        "n_neighbors": Interval(int, 1),
        "max_iter": Interval(int, 1),
    }
    _test_params: ClassVar = {"source": "shifted", "batch_size": 30}
    _known_failures: ClassVar = {
        "check_free_transfers": "it corrects answers where the classes of a batch are no fair sample, not features that moved",
    }
    _least: ClassVar = 1

    def __init__(
        self,
        source: Any,
        classes: Any = None,
        affinity: str = "knn",
        n_neighbors: int = 5,
        max_iter: int = 100,
        batch_size: int = 64,
        device: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.classes = classes
        self.affinity = affinity
        self.n_neighbors = n_neighbors
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.device = device
        self.random_state = random_state

    def _learn(self, fit: Fit) -> dict[str, float]:
        return {}

    def _outputs(self, X: Any, method: str, forward: str = "forward") -> Array:
        found = super()._outputs(X, method, "features")
        if forward == "features":
            return found
        place, corrected = find_place(self.device, "auto", True), []
        with torch.inference_mode():
            for z in torch.from_numpy(found).to(place.device).split(self.batch_size):
                log_p = self.network_.head(z).float().log_softmax(dim=1)
                weights = _affinities(functional.normalize(z, dim=1), self.affinity, self.n_neighbors)
                corrected.append(_laplacian_answers(log_p, weights, self.max_iter))
        return torch.cat(corrected).cpu().numpy()


def _affinities(z: Tensor, kind: str, n_neighbors: int) -> Tensor:
    """Weights between rows of features, of shape (n_rows, n_rows)."""
    if kind == "linear":
        return z @ z.T
    distance = torch.cdist(z, z)
    others = distance.clone().fill_diagonal_(torch.inf)
    near = others.topk(min(n_neighbors, len(z) - 1), dim=1, largest=False)
    if kind == "knn":
        return torch.zeros_like(distance).scatter_(1, near.indices, 1.0)
    width = near.values[:, -1].mean().clamp_min(1e-12) if len(z) > 1 else torch.ones((), device=z.device)
    return torch.exp(-distance.square() / (2 * width.square()))


def _laplacian_answers(log_p: Tensor, weights: Tensor, max_iter: int) -> Tensor:
    """Log-probabilities q of the least energy that the rounds come to, from log p of shape (n_rows, n_classes)."""
    log_q, energy = log_p, _energy_of(log_p, log_p, weights)
    for _ in range(max_iter):
        log_q = (log_p + weights @ log_q.exp()).log_softmax(dim=1)
        before, energy = energy, _energy_of(log_q, log_p, weights)
        if abs(energy - before) <= 1e-8 * abs(before):
            break
    return log_q


def _energy_of(log_q: Tensor, log_p: Tensor, weights: Tensor) -> float:
    """``sum_i KL(q_i || p_i) - sum_ij w_ij q_i . q_j``."""
    q = log_q.exp()
    return float((q * (log_q - log_p)).sum() - (q * (weights @ q)).sum())
