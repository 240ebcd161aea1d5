"""Meta-SGD: MAML that learns a step length for every weight as well."""

from __future__ import annotations

from typing import Any, ClassVar

from ...engine.answers.labels import Labels
from ...engine.meta.estimator import GRADIENT_RULES, META_RULES, MetaEstimator
from ...engine.meta.inner_loop import GradientLearner
from ...engine.networks.network import Network
from ...engine.training.settings import Training

CARD = {
    "class": "MetaSGD",
    "protocol": "MetaLearner",
    "settings": ("few_label", "multi_source"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Li, Zhou, Chen & Li. Meta-SGD: Learning to Learn Quickly for Few-Shot Learning. 2017.",
    "url": "https://arxiv.org/abs/1707.09835",
}

__all__ = ["MetaSGD"]


class MetaSGD(MetaEstimator):
    """Weights and the step length of each of their entries are trained so that one step on a support learns its task.

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
        What all step lengths start from.
    n_inner_steps : int in [1, inf), default=1
        Steps in training; the paper takes one.
    n_adapt_steps : int in [1, inf), default=None
        Steps for a new task; None is as many as in training.
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
        ``rates.K`` is the step length of each entry of the K-th weight of the network.
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
    ``theta' = theta - alpha * grad L_S(theta)``, entry by entry (eq. 1), and the update is along the gradient of the mean query
    loss ``L_Q(theta')`` with respect to theta and alpha (eq. 2). A step length may become negative, as in the paper. All start at
    `inner_lr`, where the paper draws them at random: then the first update is MAML's. They have no weight decay.

    References
    ----------
    Li, Zhou, Chen & Li. Meta-SGD: Learning to Learn Quickly for Few-Shot Learning. arXiv 1707.09835, 2017, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, MetaSGD
    >>> from transferkit import Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(np.arange(8), 12)
    >>> points = rng.normal(size=(8, 4))[y] + 0.1 * rng.normal(size=(96, 4))
    >>> learner = MetaSGD("small:mlp?hidden=16", n_way=3, n_query=5, n_episodes=32, training=Training(2, 8), random_state=0)
    >>> learner.fit([Domain(points, y)]).adapt(Domain(points[[0, 12]], ["ant", "bee"])).classes_.tolist()
    ['ant', 'bee']
    """

    _constraints: ClassVar = {**META_RULES, **GRADIENT_RULES}

    _test_params: ClassVar = {"inner_lr": 0.5}

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
        n_inner_steps: int = 1,
        n_adapt_steps: int | None = None,
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
        self.batch_norm = batch_norm
        self.batched = batched
        self.training = training
        self.task = task
        self.random_state = random_state

    def _learner(self, network: Network, labels: Labels, n_support: int) -> GradientLearner:
        return GradientLearner(
            network,
            labels,
            n_support,
            rate=self.inner_lr,
            n_steps=self.n_inner_steps,
            n_test_steps=self.n_adapt_steps or self.n_inner_steps,
            statistics=self._statistics(network),
            learned_rates=True,
            batched=self.batched,
        )
