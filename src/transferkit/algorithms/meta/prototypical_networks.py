"""Prototypical networks: a class is the mean of its rows in a learned space, and the nearest mean wins."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from ...engine.answers.labels import Labels
from ...engine.meta.estimator import META_RULES, MetaEstimator
from ...engine.meta.feature_learner import FeatureLearner
from ...engine.meta.task_learner import State
from ...engine.networks.network import Network
from ...engine.training.settings import Training
from ...ops.nn.prototypes import class_means, squared_distances

CARD = {
    "class": "PrototypicalNetworks",
    "protocol": "MetaLearner",
    "settings": ("few_label", "multi_source"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Snell, Swersky & Zemel. Prototypical Networks for Few-Shot Learning. NeurIPS 2017.",
    "url": "https://arxiv.org/abs/1703.05175",
}

__all__ = ["PrototypicalNetworks"]


class PrototypicalNetworks(MetaEstimator):
    """The body is trained so that rows lie nearer to the mean of their own class's support than to that of any other.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The network's body, as `transferkit.engine.backbones.load_backbone` takes it; "auto" is a small one for vectors, series
        and small images.
    n_way : int in [2, inf), default=5
        Classes of an episode, where episodes are drawn by classes; a new task may have more.
    k_shot : int in [1, inf), default=1
        Support rows a class of an episode.
    n_query : int in [1, inf), default=15
        Query rows a class of an episode.
    by : {"auto", "classes", "domains"}, default="auto"
        What a task is: a few classes of one domain, with new classes in a new task; or one domain, with the classes that all
        have. "auto" is by domains for several domains with the same classes.
    rotations : bool, default=False
        Whether each class of square images rotated by 90, 180 and 270 degrees counts as a class more.
    n_episodes : int in [1, inf), default=1000
        Tasks an epoch; every epoch has new ones. ``training.batch_size`` is of tasks, too.
    training : Training, default=None
        Settings of the loop; None is ``Training()``.
    task : {"auto", "classification", "regression"}, default="auto"
        What the labels are; numbers with a fractional part are refused.
    random_state : int, RandomState or None, default=None
        Of first weights and episodes.

    Attributes
    ----------
    network_ : Network
        The trained body; the head is not used.
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
    With the body ``f``, the prototype ``c_k = mean of f(x_i)`` over the support of class k (eq. 1), and
    ``p(y = k | x) = softmax_k(-|f(x) - c_k|^2)`` (eq. 2); the loss is the cross-entropy of the queries. The distance is the
    squared Euclidean one, which the paper finds best. The paper's training with more classes than a new task has is
    `n_way` here and ``evaluate(n_way=...)`` or any support there. The rows of all tasks of an update go through the body together.

    References
    ----------
    Snell, Swersky & Zemel. Prototypical Networks for Few-Shot Learning. NeurIPS 2017, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import PrototypicalNetworks, Domain
    >>> from transferkit import Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(np.arange(8), 12)
    >>> points = rng.normal(size=(8, 4))[y] + 0.1 * rng.normal(size=(96, 4))
    >>> settings = {"n_way": 3, "n_query": 5, "n_episodes": 32, "training": Training(2, 8)}
    >>> learner = PrototypicalNetworks("small:mlp?hidden=16", **settings, random_state=0)
    >>> learner.fit([Domain(points, y)]).adapt(Domain(points[[0, 12]], ["ant", "bee"])).classes_.tolist()
    ['ant', 'bee']
    """

    _constraints: ClassVar = {**META_RULES}
    _kinds: ClassVar = ("classification",)
    _more_classes: ClassVar = True

    def __init__(
        self,
        backbone: Any = "auto",
        n_way: int = 5,
        k_shot: int = 1,
        n_query: int = 15,
        by: str = "auto",
        rotations: bool = False,
        n_episodes: int = 1000,
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
        self.training = training
        self.task = task
        self.random_state = random_state

    def _learner(self, network: Network, labels: Labels, n_support: int) -> _Prototypes:
        return _Prototypes(network, labels, n_support)


class _Prototypes(FeatureLearner):
    def learn(self, z: Tensor, y: Tensor, n_classes: int) -> State:
        return {"prototypes": class_means(z, y, n_classes)}

    def respond(self, state: State, z: Tensor) -> Tensor:
        return -squared_distances(z, state["prototypes"])
