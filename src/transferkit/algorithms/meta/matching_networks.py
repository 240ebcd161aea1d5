"""Matching networks: a query's class is a vote of the support, weighted by how alike the rows are in a learned space."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ...core.constraints import Interval
from ...engine.answers.labels import Labels
from ...engine.meta.estimator import META_RULES, MetaEstimator
from ...engine.meta.feature_learner import FeatureLearner
from ...engine.meta.task_learner import State
from ...engine.networks.network import Network
from ...engine.training.settings import Training
from ...ops.nn.full_context import FullContext

CARD = {
    "class": "MatchingNetworks",
    "protocol": "MetaLearner",
    "settings": ("few_label", "multi_source"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Vinyals, Blundell, Lillicrap, Kavukcuoglu & Wierstra. Matching Networks for One Shot Learning. NeurIPS 2016.",
    "url": "https://arxiv.org/abs/1606.04080",
}

__all__ = ["MatchingNetworks"]


class MatchingNetworks(MetaEstimator):
    """The body is trained so that a vote of the support, weighted by cosine attention, gives queries their class.

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
    n_context_steps : int in [0, inf), default=0
        How often a query reads the support before it is compared (full-context embeddings); 0 compares the features as they are.
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
        What is learned beside the network: the LSTMs of full-context embeddings.
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
    ``p(y | x) = sum_i a(x, x_i) y_i`` (eq. 1) with the attention ``a = softmax_i(cos(f(x), g(x_i)))`` (section 2.1.1); the loss is
    ``-log p`` of the queries. Without context, f and g are the same body. With it, g is a bidirectional LSTM over the support and
    f an LSTM with attention to it (appendix A; `transferkit.ops.nn.full_context`); the support is read class after class, in
    training and later, while the paper leaves the order open. Cosines are as they are, as in the paper, so that no class can get
    all of the attention; the well-known program of Chen et al. (2019) cuts them at 0 and multiplies them by 100.

    References
    ----------
    Vinyals, Blundell, Lillicrap, Kavukcuoglu & Wierstra. Matching Networks for One Shot Learning. NeurIPS 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import MatchingNetworks, Domain
    >>> from transferkit import Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(np.arange(8), 12)
    >>> points = rng.normal(size=(8, 4))[y] + 0.1 * rng.normal(size=(96, 4))
    >>> settings = {"n_way": 3, "n_query": 5, "n_episodes": 32, "training": Training(2, 8)}
    >>> learner = MatchingNetworks("small:mlp?hidden=16", **settings, random_state=0)
    >>> learner.fit([Domain(points, y)]).adapt(Domain(points[[0, 12]], ["ant", "bee"])).classes_.tolist()
    ['ant', 'bee']
    """

    _constraints: ClassVar = {**META_RULES, "n_context_steps": Interval(int, 0)}
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
        n_context_steps: int = 0,
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
        self.n_context_steps = n_context_steps
        self.training = training
        self.task = task
        self.random_state = random_state

    def _learner(self, network: Network, labels: Labels, n_support: int) -> _Matching:
        return _Matching(network, labels, n_support, self.n_context_steps)


class _Matching(FeatureLearner):
    def __init__(self, network: Network, labels: Labels, n_support: int, n_steps: int) -> None:
        super().__init__(network, labels, n_support)
        self.context = FullContext(network.n_features, n_steps) if n_steps else None

    def learn(self, z: Tensor, y: Tensor, n_classes: int) -> State:
        of_class = (y[..., None] == torch.arange(n_classes, device=y.device)).to(z.dtype)
        return {"support": z if self.context is None else self.context.support(z), "of_class": of_class}

    def respond(self, state: State, z: Tensor) -> Tensor:
        support = state["support"]
        if self.context is not None:
            z = self.context.queries(z, support)
        cosines = functional.normalize(z, dim=-1) @ functional.normalize(support, dim=-1).transpose(1, 2)
        return (
            cosines.softmax(dim=-1) @ state["of_class"]
        ).log()  # every class has a row, and so some of the attention
