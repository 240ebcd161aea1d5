"""Tent: at test time, scales and shifts of the normalisation layers move until the answers to a batch are sure."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from ...core.constraints import Interval
from ...engine.networks.estimator import Fit
from ...engine.networks.network import Network
from ...engine.source_free.affine import AffineObjective, check_affine
from ...engine.source_free.test_time import ONLINE_RULES, STEP_RULES, OnlineAdaptation
from ...engine.training.objective import Batch, Objective
from ...ops.nn.entropy import mean_entropy

CARD = {
    "class": "Tent",
    "protocol": "ModelTransfer",
    "settings": ("test_time",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Wang et al. Tent: Fully Test-Time Adaptation by Entropy Minimization. ICLR 2021.",
    "url": "https://arxiv.org/abs/2006.10726",
}

__all__ = ["Tent"]


class Tent(OnlineAdaptation):
    """Lower the entropy of a batch's answers by the normalisation layers alone, in one step a batch.

    Parameters
    ----------
    source : estimator, Network, Module, Backbone or str
        The trained model: a fitted deep estimator of transferkit such as `DeepSourceOnly`, its ``network_``, or a backbone
        that brings its own classifier. No row of the source is needed.
    classes : array-like of shape (n_classes,), default=None
        What the model's outputs stand for; None is what a fitted estimator knows, or 0, 1, 2, ...
    lr : float in (0, inf), default=0.001
        Learning rate. The paper has 0.001 with Adam, and 0.00025 with SGD for ImageNet.
    optimizer : {"adamw", "adam", "sgd"}, default="adam"
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
        One row a batch:
        ``train/loss`` (the mean entropy before the step), the scores of the answers after it
        (``target/entropy``, ``target/diversity``, ``target/largest_share``), and ``rolled_back``.
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
    Minimises the mean entropy of a batch (eq. 1) over scales and shifts of all normalisation layers; batches are normalised
    by their own statistics (section 3.2). `predict` changes nothing, and a row's answer does not depend on the rows beside it:
    it uses the statistics of the batches adapted to. With `batch_share` 1, ``partial_fit(batch)`` and then ``predict(batch)`` is
    the paper's online use (its variances are then the unbiased ones), but that the answer comes after the step, not before.
    Dropout stays off. Cost of a batch: one forward and backward, and two forward passes to watch for collapse.

    On few rows it is the batches' statistics that count. The paper's rates are for tens of thousands of rows; after 16
    batches of digits (1,500 rows of MNIST to 1,000 of USPS, LeNet, whose one normalisation layer is the bottleneck's)
    accuracy was 0.72, and the same with a rate of nearly 0, beside 0.64 of the source model. Where such statistics do not
    help, as with classes in other shares than the source's or a short last batch, the result may lie below the source
    model's; then the size of the batches matters (200 rows instead of 64: 0.73 instead of 0.715 online), not the rate.

    References
    ----------
    Wang, Shelhamer, Liu, Olshausen & Darrell. Tent: Fully Test-Time Adaptation by Entropy Minimization. ICLR 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Tent, DeepSourceOnly, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4)) + [0, 0, 2, 2]
    >>> training = Training(n_epochs=20, lr=0.02)
    >>> source = DeepSourceOnly("small:mlp?hidden=16", bottleneck=8, training=training)
    >>> source = source.fit(X, X[:, 0] > 0, target=Domain(X))
    >>> model = Tent(source)
    >>> model.fit(Xt).score(Xt, Xt[:, 0] > 0) > 0.7
    True
    """

    _constraints: ClassVar = {**ONLINE_RULES, **STEP_RULES, "n_steps": Interval(int, 1)}
    _test_params: ClassVar = {"source": "shifted", "lr": 0.01, "batch_size": 30}

    def __init__(
        self,
        source: Any,
        classes: Any = None,
        lr: float = 1e-3,
        optimizer: str = "adam",
        n_steps: int = 1,
        batch_size: int = 64,
        batch_share: float = 1.0,
        roll_back: float = 0.5,
        device: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.classes = classes
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
        return _Entropy(fit.network)


class _Entropy(AffineObjective):
    """Mean entropy of a batch."""

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        return {"loss": mean_entropy(self.network(batch["target"].x))}
