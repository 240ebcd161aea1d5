"""CoTTA: at test time, a student learns from its averaged past, and some of its weights return to the source by chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...core.constraints import Interval
from ...engine.networks.estimator import Fit
from ...engine.networks.network import Network
from ...engine.source_free.test_time import ONLINE_RULES, STEP_RULES, OnlineAdaptation
from ...engine.training.objective import Batch, Objective, Step
from ...ops.nn.moving_statistics import without_moving_statistics
from ...ops.nn.normalisation import dropouts
from ...ops.nn.strong_view import strong_view

CARD = {
    "class": "CoTTA",
    "protocol": "ModelTransfer",
    "settings": ("test_time",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Wang, Fink, Van Gool & Dai. Continual Test-Time Domain Adaptation. CVPR 2022.",
    "url": "https://arxiv.org/abs/2203.13591",
}

__all__ = ["CoTTA"]


class CoTTA(OnlineAdaptation):
    """Train all weights on the answers of a teacher that averages them and its views, with random returns to the source.

    Parameters
    ----------
    source : estimator, Network, Module, Backbone or str
        The trained model: a fitted deep estimator of transferkit such as `DeepSourceOnly`, its ``network_``, or a backbone
        that brings its own classifier. No row of the source is needed.
    classes : array-like of shape (n_classes,), default=None
        What the model's outputs stand for; None is what a fitted estimator knows, or 0, 1, 2, ...
    decay : float in [0, 1], default=0.999
        Share of itself that the teacher keeps with every batch.
    restore : float in [0, 1], default=0.01
        Share of the student's weights that return to the source after every batch.
    threshold : float in [0, 1], default=0.92
        The teacher's answers are averaged over views where the source model's mean largest probability is below this; in
        the paper 0.92 for CIFAR-10, 0.72 for CIFAR-100, 0.1 for ImageNet.
    n_views : int in [1, inf), default=32
        Views that are averaged.
    strength : float in [0, inf), default=0.5
        Of the views: what is disturbed, and how, says `transferkit.ops.nn.strong_view`.
    lr : float in (0, inf), default=0.001
        Learning rate. The paper has 0.001 with Adam for CIFAR-10, and 0.01 with SGD for ImageNet.
    optimizer : {"adamw", "adam", "sgd"}, default="adam"
        SGD has Nesterov momentum of 0.9. Its state is carried from batch to batch.
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
        ``train/loss``, ``train/averaged`` (1 where views were averaged), the scores of the answers after it
        (``target/entropy``, ``target/diversity``, ``target/largest_share``), and ``rolled_back``.
    source_network_ : Network
        The source model.
    student_ : Network
        What is trained; ``network_`` is the teacher, which predicts.
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
    Minimises, over all weights of the student, the mean of ``-sum_c q_c log p_c`` (eq. 1), q the teacher's probabilities of
    the row, or their mean over views where the source model is not sure of the batch (eqs. 3 and 4). Then the teacher moves
    towards the student (eq. 2), and each number of the student's weights becomes the source's with probability `restore`
    (eqs. 7 and 8). The teacher predicts, without views; the authors' code answers a batch with what it taught from it, and
    takes the mean of the views' logits. The views are ours, for any kind of rows; the authors' are of images (colour,
    affine maps, blur, noise, flips). As in `Tent`, batches are normalised by their own statistics in all three networks,
    and dropout stays off. Cost of a batch: one forward and backward, n_views + 2 forward passes where views are averaged,
    and two to watch for collapse.

    References
    ----------
    Wang, Fink, Van Gool & Dai. Continual Test-Time Domain Adaptation. CVPR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CoTTA, DeepSourceOnly, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4)) + [0, 0, 2, 2]
    >>> training = Training(n_epochs=20, lr=0.02)
    >>> source = DeepSourceOnly("small:mlp?hidden=16", bottleneck=8, training=training)
    >>> source = source.fit(X, X[:, 0] > 0, target=Domain(X))
    >>> model = CoTTA(source, n_views=4)
    >>> model.fit(Xt).score(Xt, Xt[:, 0] > 0) > 0.7
    True
    """

    _constraints: ClassVar = {
        **ONLINE_RULES,
        **STEP_RULES,
        "decay": Interval(float, 0, 1),
        "restore": Interval(float, 0, 1),
        "threshold": Interval(float, 0, 1),
        "n_views": Interval(int, 1),
        "strength": Interval(float, 0),
    }
    _test_params: ClassVar = {"source": "shifted", "n_views": 3, "batch_size": 30}

    def __init__(
        self,
        source: Any,
        classes: Any = None,
        decay: float = 0.999,
        restore: float = 0.01,
        threshold: float = 0.92,
        n_views: int = 32,
        strength: float = 0.5,
        lr: float = 1e-3,
        optimizer: str = "adam",
        batch_size: int = 64,
        batch_share: float = 1.0,
        roll_back: float = 0.5,
        device: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.classes = classes
        self.decay = decay
        self.restore = restore
        self.threshold = threshold
        self.n_views = n_views
        self.strength = strength
        self.lr = lr
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.batch_share = batch_share
        self.roll_back = roll_back
        self.device = device
        self.random_state = random_state

    def _set_off(self) -> None:
        self.student_ = self.source_network_.copy()

    def _objective(self, fit: Fit) -> Objective:
        options = self.threshold, self.n_views, self.strength
        return _Student(fit.network, self.network_, self.source_network_, *options)

    def _learn(self, fit: Fit) -> dict[str, float]:
        fit.place.put(self.student_)
        fit.network = self.student_
        logged = super()._learn(fit)
        nets = (self.network_, self.student_, self.source_network_)
        with torch.no_grad():
            for teacher, student, source in zip(*(net.parameters() for net in nets)):
                teacher.lerp_(student, 1 - self.decay)
                returns = torch.rand(student.shape).to(student.device) < self.restore
                student.copy_(torch.where(returns, source, student))
        return logged


class _Student(Objective):
    """Cross-entropy of the student's answers with the teacher's."""

    def __init__(
        self, network: Network, teacher: Network, source: Network, threshold: float, n_views: int, strength: float
    ) -> None:
        super().__init__()
        self.network, self.teacher, self.source = network, teacher, source
        self.threshold, self.n_views, self.strength = threshold, n_views, strength

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.network.parameters()))]

    def predict_step(self, x: Any) -> Tensor:
        found: Tensor = self.teacher(x)
        return found

    def frozen(self) -> Sequence[nn.Module]:
        return [layer for net in (self.network, self.teacher, self.source) for layer in dropouts(net)]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        x = batch["target"].x
        with torch.no_grad():
            q, averaged = self._said(x)
        log_p = self.network(x).float().log_softmax(dim=1)
        return {"loss": -(q * log_p).sum(dim=1).mean(), "averaged": averaged}

    def _said(self, x: Any) -> tuple[Tensor, Tensor]:
        """The teacher's probabilities, and whether they are averaged over views."""
        q = self.teacher(x).float().softmax(dim=1)
        with without_moving_statistics(self.source):
            sure = self.source(x).float().softmax(dim=1).amax(dim=1).mean()
        if sure >= self.threshold:
            return q, torch.zeros((), device=q.device)
        with without_moving_statistics(self.teacher):
            views = [self.teacher(strong_view(x, self.strength)).float().softmax(dim=1) for _ in range(self.n_views)]
        return torch.stack(views).mean(dim=0), torch.ones((), device=q.device)
