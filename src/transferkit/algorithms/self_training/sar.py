"""SAR: Tent on sure rows, by steps that look for flat minima, and back to the source where the entropy falls too far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ...core.constraints import Interval
from ...engine.networks.estimator import Fit
from ...engine.networks.network import Network
from ...engine.source_free.affine import AffineObjective, check_affine
from ...engine.source_free.test_time import ONLINE_RULES, STEP_RULES, OnlineAdaptation
from ...engine.training.objective import Batch, Objective
from ...ops.nn.entropy import row_entropy
from ...ops.nn.moving_statistics import without_moving_statistics
from ...ops.nn.normalisation import affine_parameters
from ...ops.nn.sure_rows import entropy_limit, mean_over

CARD = {
    "class": "SAR",
    "protocol": "ModelTransfer",
    "settings": ("test_time",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Niu et al. Towards Stable Test-Time Adaptation in Dynamic Wild World. ICLR 2023.",
    "url": "https://arxiv.org/abs/2302.12400",
}

__all__ = ["SAR"]


class SAR(OnlineAdaptation):
    """Lower the entropy of sure rows with sharpness-aware steps, and recover the source model where it falls too far.

    Parameters
    ----------
    source : estimator, Network, Module, Backbone or str
        The trained model: a fitted deep estimator of transferkit such as `DeepSourceOnly`, its ``network_``, or a backbone
        that brings its own classifier. No row of the source is needed.
    classes : array-like of shape (n_classes,), default=None
        What the model's outputs stand for; None is what a fitted estimator knows, or 0, 1, 2, ...
    sure : float in (0, 1], default=0.4
        A row counts where its entropy is below this share of the largest one, log n_classes.
    radius : float in [0, inf), default=0.05
        How far the weights are moved uphill before the gradient is taken, the paper's rho; 0 is plain descent.
    recover : float in [0, 1], default=0.029
        Back to the source model where the moving average of the entropy is below this share of log n_classes: the
        paper's 0.2 for 1000 classes. 0 never does.
    n_still : int in [0, inf), default=1
        Last parts of the network with normalisation layers that do not move, where there are others; the paper holds the last
        stage of a ResNet still.
    lr : float in (0, inf), default=0.00025
        Learning rate. The paper has 0.00025 for ResNet-50 and 0.001 for ViT.
    optimizer : {"adamw", "adam", "sgd"}, default="sgd"
        SGD has Nesterov momentum of 0.9. Its state is carried from batch to batch.
    n_steps : int in [1, inf), default=1
        Updates a batch.
    batch_size : int in [1, inf), default=64
        Rows that are adapted to at once; more of them are taken in turn, in their order.
    batch_share : float in (0, 1], default=1.0
        Share that a batch has in the statistics of batch normalisation that `predict` uses; 1 is the last batch's alone.
    roll_back : float in [0, 1], default=0.5
        Back to the source model where the entropy of the classes named falls below this share of what the source model
        names on the same batches; 0 never goes back.
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
        One row a batch: ``train/used`` (share of sure rows), ``train/still`` (share of these that are sure at the moved
        weights, too), ``train/loss`` (mean entropy of the latter), the scores of the answers after it (``target/entropy``,
        ``target/diversity``, ``target/largest_share``), and ``rolled_back``.
    source_network_ : Network
        The source model.
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
    Minimises ``max_{|e| <= radius} E(x; theta + e)`` over scales and shifts of the normalisation layers on rows with
    ``E(x) < sure * log n_classes`` (eqs. 2 and 3): the gradient is that of the mean entropy at
    ``theta + radius * g / |g|``, g the gradient at theta (eqs. 4 and 5), there of the rows that are still sure, as in the authors'
    code. The average of that entropy keeps 0.9 of itself with every batch that has such rows; below `recover` the source model
    is taken again, which counts as a roll-back. The paper advises layer or group normalisation; where there is batch
    normalisation, batches are normalised by their own statistics. Dropout stays off. Cost of a batch: two forward and backward
    passes, and two forward passes to watch for collapse.

    The default rate is the paper's for the 50,000 rows of ImageNet's validation set. On few rows these steps move little, and
    with batch normalisation what changes are the statistics of the batches: see the notes of `Tent`.

    References
    ----------
    Niu, Wu, Zhang, Wen, Chen, Zhao & Tan. Towards Stable Test-Time Adaptation in Dynamic Wild World. ICLR 2023.
    Foret, Kleiner, Mobahi & Neyshabur. Sharpness-Aware Minimization. ICLR 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import SAR, DeepSourceOnly, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4)) + [0, 0, 2, 2]
    >>> training = Training(n_epochs=20, lr=0.02)
    >>> source = DeepSourceOnly("small:mlp?hidden=16", bottleneck=8, training=training)
    >>> source = source.fit(X, X[:, 0] > 0, target=Domain(X))
    >>> model = SAR(source, lr=0.005)
    >>> model.fit(Xt).score(Xt, Xt[:, 0] > 0) > 0.7
    True
    """

    _constraints: ClassVar = {
        **ONLINE_RULES,
        **STEP_RULES,
        "sure": Interval(float, 0, 1, closed="right"),
        "radius": Interval(float, 0),
        "recover": Interval(float, 0, 1),
        "n_still": Interval(int, 0),
        "n_steps": Interval(int, 1),
    }
    _test_params: ClassVar = {"source": "shifted", "lr": 0.05, "batch_size": 30}

    def __init__(
        self,
        source: Any,
        classes: Any = None,
        sure: float = 0.4,
        radius: float = 0.05,
        recover: float = 0.029,
        n_still: int = 1,
        lr: float = 0.00025,
        optimizer: str = "sgd",
        n_steps: int = 1,
        batch_size: int = 64,
        batch_share: float = 1.0,
        roll_back: float = 0.5,
        device: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.classes = classes
        self.sure = sure
        self.radius = radius
        self.recover = recover
        self.n_still = n_still
        self.lr = lr
        self.optimizer = optimizer
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.batch_share = batch_share
        self.roll_back = roll_back
        self.device = device
        self.random_state = random_state

    def _check_source(self, where: str, network: Network) -> None:
        check_affine(where, network)

    def _objective(self, fit: Fit) -> Objective:
        limit = entropy_limit(self.sure, fit.labels.n_outputs)
        return _Sharpness(fit.network, _moving_names(fit.network, self.n_still), limit, self.radius)

    def _learn(self, fit: Fit) -> dict[str, float]:
        logged = super()._learn(fit)
        if logged["train/still"] > 0:
            entropy = logged["train/loss"]
            self.state_["entropy"] = 0.9 * self.state_.get("entropy", entropy) + 0.1 * entropy
            self.state_["recover"] = self.state_["entropy"] < entropy_limit(self.recover, fit.labels.n_outputs)
        return logged


def _moving_names(network: Network, n_still: int) -> list[str]:
    """Full names of scales and shifts, but for those of the last parts that have any; at least one part's stay."""
    wanted = {id(p) for p in affine_parameters(network)}
    own = {name: p for name, p in network.named_parameters() if id(p) in wanted}
    parts = [names for g in network.groups if (names := [n for n in g.params if n in own])]
    return [name for names in parts[: max(1, len(parts) - n_still)] for name in names]


class _Sharpness(AffineObjective):
    """Entropy of the sure rows at weights moved uphill."""

    def __init__(self, network: Network, names: list[str], limit: float, radius: float) -> None:
        super().__init__(network)
        self.names, self.limit, self.radius = names, limit, radius

    def _moving(self) -> Sequence[nn.Parameter]:
        return [self.network.get_parameter(name) for name in self.names]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        x = batch["target"].x
        params = {name: self.network.get_parameter(name) for name in self.names}
        entropy = row_entropy(self.network(x))
        used = entropy.detach() < self.limit
        if not used.any():
            return {"loss": 0.0 * entropy.sum(), "used": used.float().mean(), "still": used.float().mean()}
        gradient = torch.autograd.grad(entropy[used].mean(), list(params.values()))
        scale = self.radius / (torch.stack([g.square().sum() for g in gradient]).sum().sqrt() + 1e-12)
        moved = {name: p + scale * g for (name, p), g in zip(params.items(), gradient)}
        with without_moving_statistics(self.network):
            above = row_entropy(functional_call(self.network, moved, (x,)))[used]
        still = above.detach() < self.limit
        return {"loss": mean_over(above, still), "used": used.float().mean(), "still": still.float().mean()}
