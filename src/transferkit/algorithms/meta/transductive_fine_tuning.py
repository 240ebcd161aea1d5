"""Transductive fine-tuning: the whole network is tuned on a task's support, and made sure of its queries."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from ...core.constraints import Boolean, Interval
from ...engine.answers.labels import Labels
from ...engine.meta.estimator import MetaEstimator, MetaFit
from ...engine.meta.feature_learner import ABSENT
from ...engine.meta.pretraining import pretrain
from ...engine.meta.rules import POOLED_RULES
from ...engine.meta.task_learner import State, TaskLearner
from ...engine.networks.network import Network
from ...engine.training.settings import Training
from ...ops.nn.adam_steps import adam_steps
from ...ops.nn.entropy import mean_entropy
from ...ops.nn.prototypes import class_means

CARD = {
    "class": "TransductiveFineTuning",
    "protocol": "MetaLearner",
    "settings": ("few_label", "multi_source"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Dhillon, Chaudhari, Ravichandran & Soatto. A Baseline for Few-Shot Image Classification. ICLR 2020.",
    "url": "https://arxiv.org/abs/1909.02729",
}

__all__ = ["TransductiveFineTuning"]


class TransductiveFineTuning(MetaEstimator):
    """A plain classifier of all classes gets a head for the task, and is tuned on the support's labels and the queries' entropy.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The network's body, as `transferkit.engine.backbones.load_backbone` takes it; "auto" is a small one for vectors, series
        and small images.
    n_way : int in [2, inf), default=5
        Classes of an episode of ``evaluate``, where episodes are drawn by classes; a new task may have more.
    k_shot : int in [1, inf), default=1
        Support rows a class of an episode.
    n_query : int in [1, inf), default=15
        Query rows a class of an episode.
    by : {"auto", "classes", "domains"}, default="auto"
        What a task is: a few classes of one domain, with new classes in a new task; or one domain, with the classes that all
        have. "auto" is by domains for several domains with the same classes.
    rotations : bool, default=False
        Whether each class of square images rotated by 90, 180 and 270 degrees counts as a class more.
    lr : float in (0, inf), default=5e-5
        Step length of Adam in a task.
    n_adapt_steps : int in [0, inf), default=25
        Steps in a task; with 0 the head stays where it began.
    batched : bool, default=True
        Whether the tasks of ``evaluate`` are tuned side by side, each with a copy of the network (`torch.func.vmap`). False takes
        less memory, and networks with operations that cannot.
    training : Training, default=None
        Settings of the training on all classes; None is ``Training()``. Classes held back by ``validation`` are not learned.
    task : {"auto", "classification", "regression"}, default="auto"
        What the labels are; numbers with a fractional part are refused.
    random_state : int, RandomState or None, default=None
        Of first weights and batches.

    Attributes
    ----------
    network_ : Network
        The trained body, and the classifier of all classes of the tasks that it was trained with.
    extra_ : dict of str to tensor
        What is learned beside the network: nothing here.
    labels_ : Labels
        Of an episode.
    by_ : {"classes", "domains"}
        What a task is.
    classes_ : array of shape (n_classes,)
        By domains, the classes of all tasks.
    n_features_in_ : int
        For vectors.
    backbone_name_, fingerprint_ : str
        The body, and a hash of the weights that it came with.
    facts_ : dict
        What a report shows: device, the pretraining, how many pools of classes.

    Notes
    -----
    The features of a row are the pretrained classifier's logits after a ReLU, ``z = relu(logits(x))``, and the new head gives
    ``w . z / |z| + b``. It begins at the support: ``w_k`` is the direction of the mean of class k's z, and ``b = 0`` (section 3.1).
    Then body, classifier and head go down ``mean over the support of -log p(y | x) + mean over the queries of H(p(. | x))`` (eq. 8)
    by Adam without weight decay. A step takes the whole support and all queries; the number of steps is that of the paper's
    epochs. The authors' code makes two steps of it, the support's and then the queries', of augmented rows, while batch
    normalisation follows them; here it keeps its statistics.

    The tuning happens in ``predict``: a predictor looks at all rows that one call gives it, and answers for them together, so
    ask for the whole batch at once. A single row works, too, with nothing but the support beside it.

    References
    ----------
    Dhillon, Chaudhari, Ravichandran & Soatto. A Baseline for Few-Shot Image Classification. ICLR 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import TransductiveFineTuning, Domain
    >>> from transferkit import Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(np.arange(8), 12)
    >>> points = rng.normal(size=(8, 4))[y] + 0.1 * rng.normal(size=(96, 4))
    >>> settings = {"n_way": 3, "n_query": 5, "training": Training(2, 8)}
    >>> learner = TransductiveFineTuning("small:mlp?hidden=16", **settings, random_state=0)
    >>> learner.fit([Domain(points, y)]).adapt(Domain(points[[0, 12]], ["ant", "bee"])).classes_.tolist()
    ['ant', 'bee']
    """

    _constraints: ClassVar = {
        **POOLED_RULES,
        "lr": Interval(float, 0, closed="neither"),
        "n_adapt_steps": Interval(int, 0),
        "batched": Boolean(),
    }
    _kinds: ClassVar = ("classification",)
    _more_classes: ClassVar = True
    _episodic: ClassVar = False

    _test_params: ClassVar = {"n_adapt_steps": 5}

    def __init__(
        self,
        backbone: Any = "auto",
        n_way: int = 5,
        k_shot: int = 1,
        n_query: int = 15,
        by: str = "auto",
        rotations: bool = False,
        lr: float = 5e-5,
        n_adapt_steps: int = 25,
        batched: bool = True,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.backbone = backbone
        self.n_way = n_way
        self.k_shot = k_shot
        self.n_query = n_query
        self.by = by
        self.rotations = rotations
        self.lr = lr
        self.n_adapt_steps = n_adapt_steps
        self.batched = batched
        self.training = training
        self.task = task
        self.random_state = random_state

    def _before(self, fit: MetaFit) -> None:
        fit.network.head = pretrain(fit, fit.training, key=f"TransductiveFineTuning {self._settings()}")

    def _learner(self, network: Network, labels: Labels, n_support: int) -> _Tuned:
        return _Tuned(network, labels, n_support, self.lr, self.n_adapt_steps, self.batched)


class _Tuned(TaskLearner):
    whole = True

    def __init__(
        self, network: Network, labels: Labels, n_support: int, lr: float, n_steps: int, batched: bool
    ) -> None:
        super().__init__(network, labels, n_support, batched=batched)
        self.lr, self.n_steps = lr, n_steps

    def adapt(self, x: Any, y: Tensor, n_classes: int) -> State:
        absent = (y[:, None] != torch.arange(n_classes, device=y.device)).all(0)
        return {"support": x, "y": y, "absent": absent}

    def answer(self, state: State, x: Any) -> Tensor:
        support, y, absent = state["support"], state["y"], state["absent"]
        start = dict(self.network.named_parameters())
        means = class_means(self._features(start, support), y, len(absent))
        start |= {"w": functional.normalize(means, dim=-1), "b": torch.zeros_like(means[:, 0])}

        def logits(weights: dict[str, Tensor], x: Any) -> Tensor:
            found = self._features(weights, x) @ weights["w"].T + weights["b"]
            return found.masked_fill(absent, ABSENT)

        def loss(weights: dict[str, Tensor]) -> Tensor:
            return functional.cross_entropy(logits(weights, support), y) + mean_entropy(logits(weights, x))

        return logits(adam_steps(loss, start, self.n_steps, self.lr), x)

    def _features(self, weights: dict[str, Tensor], x: Any) -> Tensor:
        own = {name: value for name, value in weights.items() if name not in ("w", "b")}
        return functional.normalize(functional_call(self.network, own, (x,)).relu(), dim=-1)
