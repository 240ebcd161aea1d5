"""Reptile: the shared weights move towards those that each task ends at."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.func import grad

from ...core.constraints import Either, Interval, Nothing, Options
from ...engine.answers.labels import Labels
from ...engine.meta.estimator import GRADIENT_RULES, META_RULES, MetaEstimator
from ...engine.meta.inner_loop import TaskNetwork, Weights, has_gradient
from ...engine.meta.task_learner import State, TaskLearner
from ...engine.networks.network import Network
from ...engine.training.objective import Batch
from ...engine.training.settings import Training

CARD = {
    "class": "Reptile",
    "protocol": "MetaLearner",
    "settings": ("few_label", "multi_source"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Nichol, Achiam & Schulman. On First-Order Meta-Learning Algorithms. 2018.",
    "url": "https://arxiv.org/abs/1803.02999",
}

__all__ = ["Reptile"]


class Reptile(MetaEstimator):
    """Train on a task for a few steps, and move the shared weights a part of the way there.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The network's body, as `transferkit.engine.backbones.load_backbone` takes it; "auto" is a small one for vectors, series
        and small images.
    n_way : int in [2, inf), default=5
        Classes of an episode, where episodes are drawn by classes.
    k_shot : int in [1, inf), default=1
        Support rows a class of an episode; for a regression, rows.
    n_query : int in [1, inf), default=15
        Query rows a class of an episode; for a regression, rows.
    by : {"auto", "classes", "domains"}, default="auto"
        What a task is: a few classes of one domain, with new classes in a new task; or one domain, with the classes or numbers
        that all have. "auto" is by domains for a regression, and for several domains with the same classes.
    rotations : bool, default=False
        Whether each class of square images rotated by 90, 180 and 270 degrees counts as a class more.
    n_episodes : int in [1, inf), default=1000
        Tasks an epoch; every epoch has new ones. ``training.batch_size`` is of tasks, too.
    inner_lr : float in (0, inf), default=0.001
        Step length within a task.
    n_inner_steps : int in [1, inf), default=10
        Steps in training; at least two, or this is plain training on all tasks together.
    n_adapt_steps : int in [1, inf), default=50
        Steps for a new task, of which the authors take 50 to 100; None is as many as in training.
    inner_batch : int in [1, inf), default=None
        Rows of an inner step; None is all of the task.
    inner_optimizer : {"adam", "sgd"}, default="adam"
        Of the inner steps.
    batch_norm : {"auto", "support", "batch", "frozen"}, default="auto"
        Statistics of batch normalisation: those of the task's support; those of whatever rows go through, as the authors' code
        has it, so that predictions depend on each other; or those that the body came with. "auto" is "support" for a body that
        begins without weights, else "frozen".
    batched : bool, default=True
        Whether the tasks of an update go through the network at once (`torch.func.vmap`). False is for networks with
        operations that cannot.
    training : Training, default=None
        Settings of the loop; None is SGD without momentum or weight decay, with a rate that falls from 1 to 0.
    task : {"auto", "classification", "regression"}, default="auto"
        What the labels are; "auto" is a regression for numbers with a fractional part.
    random_state : int, RandomState or None, default=None
        Of first weights and episodes.

    Attributes
    ----------
    network_ : Network
        Body and head with the weights that a task starts from.
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
    history_ : list of dict
        One row an epoch.
    n_updates_ : int
        Updates that were made.
    backbone_name_, fingerprint_ : str
        The body, and a hash of the weights that it came with.
    facts_ : dict
        What a report shows: device, plan, how many pools of classes.

    Notes
    -----
    ``theta <- theta + lr * mean over tasks of (phi - theta)``, where phi is what `n_inner_steps` from theta end at: that is plain
    SGD with the rate ``training.lr`` along the gradient ``theta - phi`` (algorithm 2). No second derivative, and no queries: the
    rows of an episode, `k_shot` and `n_query` a class together, are all trained on, as the paper's "train shots"; so an episode of
    1 shot and 9 queries is its 10 train shots. With "adam" the inner steps are those of Adam without its momentum (beta1 = 0), as
    in the paper's code, but each task has moments of its own.

    References
    ----------
    Nichol, Achiam & Schulman. On First-Order Meta-Learning Algorithms. arXiv 1803.02999, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, Reptile
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(np.arange(8), 12)
    >>> points = rng.normal(size=(8, 4))[y] + 0.1 * rng.normal(size=(96, 4))
    >>> learner = Reptile("small:mlp?hidden=16", n_way=3, n_query=5, n_episodes=32, random_state=0)
    >>> learner.fit([Domain(points, y)]).adapt(Domain(points[[0, 12]], ["ant", "bee"])).classes_.tolist()
    ['ant', 'bee']
    """

    _constraints: ClassVar = {
        **META_RULES,
        **GRADIENT_RULES,
        "inner_batch": Either(Nothing(), Interval(int, 1)),
        "inner_optimizer": Options("adam", "sgd"),
    }

    _test_params: ClassVar = {"n_inner_steps": 5, "inner_lr": 0.01, "n_adapt_steps": 20}

    def __init__(
        self,
        backbone: Any = "auto",
        n_way: int = 5,
        k_shot: int = 1,
        n_query: int = 15,
        by: str = "auto",
        rotations: bool = False,
        n_episodes: int = 1000,
        inner_lr: float = 1e-3,
        n_inner_steps: int = 10,
        n_adapt_steps: int | None = 50,
        inner_batch: int | None = None,
        inner_optimizer: str = "adam",
        batch_norm: str = "auto",
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
        self.n_episodes = n_episodes
        self.inner_lr = inner_lr
        self.n_inner_steps = n_inner_steps
        self.n_adapt_steps = n_adapt_steps
        self.inner_batch = inner_batch
        self.inner_optimizer = inner_optimizer
        self.batch_norm = batch_norm
        self.batched = batched
        self.training = training
        self.task = task
        self.random_state = random_state

    def _default_training(self) -> Training:
        return Training(
            lr=1.0, body_lr_scale=1.0, optimizer="sgd", momentum=0.0, weight_decay=0.0, schedule="linear", warmup=0.0
        )

    def _learner(self, network: Network, labels: Labels, n_support: int) -> TaskLearner:
        n_steps = (self.n_inner_steps, self.n_adapt_steps or self.n_inner_steps)
        run = TaskNetwork(network, self._statistics(network))
        inner = (self.inner_lr, self.inner_batch, self.inner_optimizer)
        return _Reptile(run, labels, n_support, n_steps, inner, self.batched)


class _Reptile(TaskLearner):
    def __init__(
        self, run: TaskNetwork, labels: Labels, n_support: int, n_steps: tuple[int, int], inner: tuple[float, int | None, str],
        batched: bool,
    ) -> None:  # fmt: skip
        super().__init__(run.network, labels, n_support, batched=batched)
        self.run, self.n_steps = run, n_steps
        self.rate, self.inner_batch, self.optimizer = inner
        self.whole = run.statistics == "batch" and bool(run.norms)

    def adapt(self, x: Any, y: Tensor, n_classes: int) -> State:
        weights: Weights = {name: p.detach() for name, p in self.network.named_parameters()}
        squares = {name: torch.zeros_like(w) for name, w in weights.items()}
        n, step = len(y), self.n_steps[not self.training]
        for k, rows in enumerate(_batches(n, min(self.inner_batch or n, n), step, y.device), 1):
            part, truth = _taken(x, rows), y[rows]
            slopes = grad(lambda w, a=part, b=truth: self.labels.loss(self.run(w, a), b))(weights)
            if self.optimizer == "adam":  # beta1 = 0
                squares = {name: 0.999 * s + 0.001 * slopes[name] ** 2 for name, s in squares.items()}
                scale = 1 - 0.999**k
                slopes = {name: g / ((squares[name] / scale).sqrt() + 1e-8) for name, g in slopes.items()}
            weights = {name: w - self.rate * slopes[name] for name, w in weights.items()}
        found: State = {"weights": weights}
        if self.run.norms and self.run.statistics == "support":
            found["support"] = x
        return found

    def answer(self, state: State, x: Any) -> Tensor:
        return self.run(state["weights"], x, state.get("support"))

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        stream = batch["tasks"]
        assert stream.y is not None

        def one(x: Any, y: Tensor) -> tuple[Tensor, Weights]:
            state = self.adapt(x, y, self.labels.n_outputs)
            return self.run(state["weights"], x), state["weights"]

        with torch.no_grad():
            outputs, weights = self.over_tasks(one, stream.x, stream.y)
            parts = self.parts(outputs, stream.y)
        named = dict(self.network.named_parameters())
        slopes = [p - weights[name].mean(0) for name, p in named.items()]
        return {**parts, "loss": has_gradient(parts["loss"], list(named.values()), slopes)}


def _batches(n: int, size: int, n_steps: int, device: torch.device) -> list[Tensor]:
    """Row numbers of every step: one pass in random order after the other, cut where it comes to that."""
    passes = -(-n_steps * size // n)
    if size == n:
        return [torch.arange(n, device=device)] * n_steps
    order = torch.cat([torch.randperm(n, device=device) for _ in range(passes)])
    return [order[k * size : (k + 1) * size] for k in range(n_steps)]


def _taken(x: Any, rows: Tensor) -> Any:
    return x[rows] if isinstance(x, Tensor) else {k: v[rows] for k, v in x.items()}
