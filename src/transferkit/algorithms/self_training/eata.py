"""EATA: Tent on the rows of a batch that are sure and unlike those before, with weights that matter held near the source."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...core.constraints import Either, Fulfils, Interval, Nothing
from ...engine.inputs.inputs import check_input
from ...engine.inputs.rows import move
from ...engine.networks.estimator import Fit
from ...engine.networks.network import Network
from ...engine.source_free.affine import AffineObjective, check_affine
from ...engine.source_free.source_model import target_rows
from ...engine.source_free.test_time import ONLINE_RULES, STEP_RULES, OnlineAdaptation
from ...engine.training.device import find_place
from ...engine.training.objective import Batch, Objective
from ...ops.nn.entropy import row_entropy
from ...ops.nn.moving_statistics import without_moving_statistics
from ...ops.nn.normalisation import affine_parameters, dropouts
from ...ops.nn.sure_rows import entropy_limit, mean_over

CARD = {
    "class": "EATA",
    "protocol": "ModelTransfer",
    "settings": ("test_time",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Niu et al. Efficient Test-Time Model Adaptation without Forgetting. ICML 2022.",
    "url": "https://arxiv.org/abs/2204.02610",
}

__all__ = ["EATA"]


class EATA(OnlineAdaptation):
    """Lower the entropy of sure and new rows, weighted by how sure they are, and keep weights that matter to the source.

    Parameters
    ----------
    source : estimator, Network, Module, Backbone or str
        The trained model: a fitted deep estimator of transferkit such as `DeepSourceOnly`, its ``network_``, or a backbone
        that brings its own classifier. No row of the source is needed.
    classes : array-like of shape (n_classes,), default=None
        What the model's outputs stand for; None is what a fitted estimator knows, or 0, 1, 2, ...
    in_distribution : rows, default=None
        Unlabelled rows like the source's, a few hundred, by which weights that matter are found. None holds no weight
        (the paper's ETA).
    anchor : float in [0, inf), default=2000.0
        Weight of staying near the source's weights, the paper's beta; 1 there for CIFAR-10.
    sure : float in (0, 1], default=0.4
        A row counts where its entropy is below this share of the largest one, log n_classes.
    unlike : float in [0, 1] or None, default=None
        A row counts where the cosine between its probabilities and the average of those before is below this; 0.05 in the
        paper for 1000 classes and 0.4 for 10. None is ``1.4 / sqrt(n_classes)``, which is near both.
    lr : float in (0, inf), default=0.00025
        Learning rate. The paper has 0.00025 for ImageNet and 0.005 for CIFAR-10.
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
        One row a batch:
        ``train/loss``, ``train/used`` (share of rows that count), ``train/anchor`` (the distance from the source, weighted), the
        scores of the answers after it (``target/entropy``, ``target/diversity``, ``target/largest_share``), and
        ``rolled_back``.
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
    Minimises, over scales and shifts of all normalisation layers, the mean over the rows that count of ``exp(E_0 - E(x)) E(x)``
    (eqs. 2 to 6), E being a row's entropy, ``E_0 = sure * log n_classes``, plus ``anchor * sum_i w_i (theta_i - theta_i^source)^2``
    (eq. 8), where w is the mean over batches of `in_distribution` of the squared gradient of the cross-entropy with the
    source model's own answers (eq. 9; of a batch's mean loss, as in the authors' code). The average of the probabilities of
    rows that count keeps 0.9 of itself with every batch (eq. 4). As in `Tent`, batches are normalised by their own
    statistics, and dropout stays off. Cost of a batch: one forward and backward, and two forward passes to watch for collapse.

    The default rate is the paper's for the 50,000 rows of ImageNet's validation set. On few rows these steps move
    little, and what changes are the statistics of the batches: see the notes of `Tent`.

    References
    ----------
    Niu, Wu, Zhang, Chen, Zheng, Zhao & Tan. Efficient Test-Time Model Adaptation without Forgetting. ICML 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import EATA, DeepSourceOnly, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4)) + [0, 0, 2, 2]
    >>> training = Training(n_epochs=20, lr=0.02)
    >>> source = DeepSourceOnly("small:mlp?hidden=16", bottleneck=8, training=training)
    >>> source = source.fit(X, X[:, 0] > 0, target=Domain(X))
    >>> model = EATA(source, lr=0.005)
    >>> model.fit(Xt).score(Xt, Xt[:, 0] > 0) > 0.7
    True
    """

    _constraints: ClassVar = {
        **ONLINE_RULES,
        **STEP_RULES,
        "in_distribution": Either(Nothing(), Fulfils("be rows", lambda v: hasattr(v, "__len__") and len(v) > 1)),
        "anchor": Interval(float, 0),
        "sure": Interval(float, 0, 1, closed="right"),
        "unlike": Either(Nothing(), Interval(float, 0, 1)),
        "n_steps": Interval(int, 1),
    }
    _test_params: ClassVar = {"source": "shifted", "lr": 0.05, "batch_size": 30}

    def __init__(
        self,
        source: Any,
        classes: Any = None,
        in_distribution: Any = None,
        anchor: float = 2000.0,
        sure: float = 0.4,
        unlike: float | None = None,
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
        self.in_distribution = in_distribution
        self.anchor = anchor
        self.sure = sure
        self.unlike = unlike
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

    def _set_off(self) -> None:
        if self.in_distribution is not None:
            self.state_["matters"] = self._matters()

    def _matters(self) -> list[Tensor]:
        """Squared gradients at the source of each scale and shift, for its own answers."""
        X = check_input("EATA.fit", self.in_distribution, "in_distribution")
        network, place = self.source_network_.copy(), find_place(self.device, "auto", True)
        rows, params = target_rows("EATA.fit", X, network).once(), affine_parameters(network)
        found = [torch.zeros_like(p) for p in params]
        plan = np.array_split(np.arange(len(rows)), max(1, len(rows) // self.batch_size))
        network.train()
        for layer in dropouts(network):
            layer.eval()
        with without_moving_statistics(network):
            for stream in rows.batches(plan):
                outputs = network(place.arrange(rows.preprocess.finish(move(stream.x, place.device), training=False)))
                loss = functional.cross_entropy(outputs, outputs.argmax(dim=1))
                for total, gradient in zip(found, torch.autograd.grad(loss, params)):
                    total += gradient.square() / len(plan)
        return found

    def _objective(self, fit: Fit) -> Objective:
        n = fit.labels.n_outputs
        unlike = 1.4 / n**0.5 if self.unlike is None else self.unlike
        origin = [p.detach() for p in affine_parameters(self.source_network_)]
        return _Selected(fit.network, self.state_, origin, entropy_limit(self.sure, n), unlike, self.anchor)


class _Selected(AffineObjective):
    """Weighted entropy of the rows that count; `state` keeps their average answer."""

    def __init__(
        self, network: Network, state: dict[str, Any], origin: list[Tensor], limit: float, unlike: float, anchor: float
    ) -> None:
        super().__init__(network)
        self.state, self.origin = state, origin
        self.limit, self.unlike, self.anchor = limit, unlike, anchor

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        outputs = self.network(batch["target"].x)
        entropy, p = row_entropy(outputs), outputs.detach().float().softmax(dim=1)
        used = entropy.detach() < self.limit
        if "mean" in self.state:
            mean = self.state["mean"].to(p.device)
            used = used & (functional.cosine_similarity(p, mean[None], dim=1) < self.unlike)
        if used.any():
            own = p[used].mean(dim=0)
            self.state["mean"] = 0.9 * mean + 0.1 * own if "mean" in self.state else own
        loss = mean_over(torch.exp(self.limit - entropy.detach()) * entropy, used)
        held = torch.zeros((), device=p.device)
        for w, now, before in zip(self.state.get("matters", ()), affine_parameters(self.network), self.origin):
            held = held + self.anchor * (w.to(p.device) * (now - before).square()).sum()
        return {"loss": loss + held, "used": used.float().mean(), "anchor": held}
