"""Implicit MAML: the meta-gradient at the solution of the inner problem, whatever the way there."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.func import grad, vjp

from ...core.constraints import Interval
from ...engine.answers.labels import Labels
from ...engine.meta.estimator import GRADIENT_RULES, META_RULES, MetaEstimator
from ...engine.meta.inner_loop import TaskNetwork, Weights, descend, has_gradient
from ...engine.meta.task_learner import State, TaskLearner, rows_of
from ...engine.networks.network import Network
from ...engine.training.objective import Batch
from ...engine.training.settings import Training
from ...ops.nn.conjugate_gradients import conjugate_gradients

CARD = {
    "class": "IMAML",
    "protocol": "MetaLearner",
    "settings": ("few_label", "multi_source"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Rajeswaran, Finn, Kakade & Levine. Meta-Learning with Implicit Gradients. NeurIPS 2019.",
    "url": "https://arxiv.org/abs/1909.04630",
}

__all__ = ["IMAML"]


class IMAML(MetaEstimator):
    """A task's weights solve its support, held near the shared ones; the shared ones follow the gradient of that solution.

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
    inner_lr : float in (0, inf), default=0.1
        Step length of the descent on a support.
    n_inner_steps : int in [1, inf), default=16
        Steps that solve the inner problem in training.
    n_adapt_steps : int in [1, inf), default=None
        Steps for a new task; None is as many as in training.
    reg : float in (0, inf), default=2.0
        How strongly the weights of a task are held near the shared ones: ``lambda`` of the paper.
    n_cg_steps : int in [1, inf), default=5
        Steps of conjugate gradients.
    batch_norm : {"auto", "support", "batch", "frozen"}, default="auto"
        Statistics of batch normalisation: those of the task's support; those of whatever rows go through, as the authors' code
        has it, so that predictions depend on each other; or those that the body came with. "auto" is "support" for a body that
        begins without weights, else "frozen".
    batched : bool, default=True
        Whether the tasks of an update go through the network at once (`torch.func.vmap`). False is for networks with
        operations that cannot.
    training : Training, default=None
        Settings of the loop; None is ``Training()``.
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
    The inner problem is ``min over phi of L_S(phi) + reg / 2 * ||phi - theta||^2`` (eq. 3), here by `n_inner_steps` of gradient
    descent. At its solution the gradient of the query loss with respect to theta is ``(I + H / reg)^-1 grad L_Q(phi)`` with the
    Hessian H of L_S at phi (lemma 1); `n_cg_steps` of conjugate gradients solve it by products with H alone (section 3.2). Memory
    does not grow with the inner steps. The gradient is the true one as far as the inner problem is solved. The authors' code
    descends on L_S alone, with one step of the pull at the end, and damps the system to ``2 v + H v / (reg + 10)``; here both are
    the paper's, so where H has an eigenvalue below ``-reg`` the system is not positive definite: take a larger `reg`.

    References
    ----------
    Rajeswaran, Finn, Kakade & Levine. Meta-Learning with Implicit Gradients. NeurIPS 2019, algorithms 1 and 2.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import IMAML, Domain
    >>> from transferkit import Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(np.arange(8), 12)
    >>> points = rng.normal(size=(8, 4))[y] + 0.1 * rng.normal(size=(96, 4))
    >>> learner = IMAML("small:mlp?hidden=16", n_way=3, n_query=5, n_episodes=32, training=Training(2, 8), random_state=0)
    >>> learner.fit([Domain(points, y)]).adapt(Domain(points[[0, 12]], ["ant", "bee"])).classes_.tolist()
    ['ant', 'bee']
    """

    _constraints: ClassVar = {
        **META_RULES,
        **GRADIENT_RULES,
        "reg": Interval(float, 0, closed="neither"),
        "n_cg_steps": Interval(int, 1),
    }

    _test_params: ClassVar = {"n_inner_steps": 4, "inner_lr": 0.2, "reg": 0.5, "n_cg_steps": 2}

    def __init__(
        self,
        backbone: Any = "auto",
        n_way: int = 5,
        k_shot: int = 1,
        n_query: int = 15,
        by: str = "auto",
        rotations: bool = False,
        n_episodes: int = 1000,
        inner_lr: float = 0.1,
        n_inner_steps: int = 16,
        n_adapt_steps: int | None = None,
        reg: float = 2.0,
        n_cg_steps: int = 5,
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
        self.reg = reg
        self.n_cg_steps = n_cg_steps
        self.batch_norm = batch_norm
        self.batched = batched
        self.training = training
        self.task = task
        self.random_state = random_state

    def _learner(self, network: Network, labels: Labels, n_support: int) -> TaskLearner:
        n_steps = (self.n_inner_steps, self.n_adapt_steps or self.n_inner_steps)
        run = TaskNetwork(network, self._statistics(network))
        return _Implicit(run, labels, n_support, self.inner_lr, n_steps, self.reg, self.n_cg_steps, self.batched)


class _Implicit(TaskLearner):
    def __init__(
        self, run: TaskNetwork, labels: Labels, n_support: int, rate: float, n_steps: tuple[int, int], reg: float,
        n_cg_steps: int, batched: bool,
    ) -> None:  # fmt: skip
        super().__init__(run.network, labels, n_support, batched=batched)
        self.run, self.rate, self.n_steps, self.reg, self.n_cg_steps = run, rate, n_steps, reg, n_cg_steps
        self.whole = run.statistics == "batch" and bool(run.norms)

    def adapt(self, x: Any, y: Tensor, n_classes: int) -> State:
        start = {name: p.detach() for name, p in self.network.named_parameters()}

        def inner(weights: Weights) -> Tensor:
            apart = sum((((w - start[k]) ** 2).sum() for k, w in weights.items()), torch.zeros((), device=y.device))
            return self.labels.loss(self.run(weights, x), y) + self.reg / 2 * apart

        rates = dict.fromkeys(start, self.rate)
        found: State = {"weights": descend(inner, start, rates, self.n_steps[not self.training], first_order=True)}
        if self.run.norms and self.run.statistics == "support":
            found["support"] = x
        return found

    def answer(self, state: State, x: Any) -> Tensor:
        return self.run(state["weights"], x, state.get("support"))

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        stream = batch["tasks"]
        assert stream.y is not None
        with torch.no_grad():  # torch.func takes its own gradients
            outputs, slopes = self.over_tasks(self._task, stream.x, stream.y)
            parts = self.parts(outputs, stream.y[:, self.n_support :])
        named = dict(self.network.named_parameters())
        mean = [slopes[name].mean(0) for name in named]
        return {**parts, "loss": has_gradient(parts["loss"], list(named.values()), mean)}

    def _task(self, x: Any, y: Tensor) -> tuple[Tensor, Weights]:
        """Answers to the queries of one task, and its gradient with respect to the shared weights."""
        n = self.n_support
        support, queries = rows_of(x, slice(n)), rows_of(x, slice(n, None))
        state = self.adapt(support, y[:n], self.labels.n_outputs)
        phi = state["weights"]

        def outer(weights: Weights) -> Tensor:
            return self.labels.loss(self.answer({**state, "weights": weights}, queries), y[n:])

        def inner(weights: Weights) -> Tensor:
            return self.labels.loss(self.run(weights, support), y[:n])

        slope = grad(outer)(phi)
        # The Hessian is symmetric: its product with v is that of v with the Jacobian of the gradient.
        _, pulled = vjp(grad(inner), phi)

        def system(v: Weights) -> Weights:
            (product,) = pulled(v)
            return {k: v[k] + product[k] / self.reg for k in v}

        return self.answer(state, queries), conjugate_gradients(system, slope, self.n_cg_steps)
