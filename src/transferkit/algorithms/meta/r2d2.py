"""R2D2: a ridge regression on learned features, solved in closed form within every task."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...engine.answers.labels import Labels
from ...engine.meta.estimator import META_RULES, MetaEstimator
from ...engine.meta.feature_learner import FeatureLearner
from ...engine.meta.task_learner import State
from ...engine.networks.network import Network
from ...engine.training.settings import Training

CARD = {
    "class": "R2D2",
    "protocol": "MetaLearner",
    "settings": ("few_label", "multi_source"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Bertinetto, Henriques, Torr & Vedaldi. Meta-Learning with Differentiable Closed-Form Solvers. ICLR 2019.",
    "url": "https://arxiv.org/abs/1805.08136",
}

__all__ = ["R2D2"]


class R2D2(MetaEstimator):
    """The body is trained so that a ridge regression on its features, fitted to a support, is right on the queries.

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
        What is learned beside the network: the ridge's strength, and the scale and shift of its answers.
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
    With the support's features X (and a one, for an offset) and one-hot labels Y, the head is
    ``W = X' (X X' + reg I)^-1 Y`` (eq. 6, the Woodbury form: a system of as many equations as there are support rows), and the
    logits of a query are ``scale * x W + shift`` (eq. 7). The gradient of the query loss goes through the solution to the body, and
    to ``reg > 0``, scale and shift, which are learned (section 3.2), from 1, 1 and 0. Where there are more rows than features,
    the equal ``W = (X'X + reg I)^-1 X' Y`` (eq. 4) is solved. The authors' code divides X and Y by the root of the number of rows,
    so that reg counts for each row; it begins with a reg of 50, which its settings hold fixed, and a scale of 0.0001, for
    features in their thousands.

    References
    ----------
    Bertinetto, Henriques, Torr & Vedaldi. Meta-Learning with Differentiable Closed-Form Solvers. ICLR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import R2D2, Domain
    >>> from transferkit import Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(np.arange(8), 12)
    >>> points = rng.normal(size=(8, 4))[y] + 0.1 * rng.normal(size=(96, 4))
    >>> settings = {"n_way": 3, "n_query": 5, "n_episodes": 32, "training": Training(2, 8)}
    >>> learner = R2D2("small:mlp?hidden=16", **settings, random_state=0)
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

    def _learner(self, network: Network, labels: Labels, n_support: int) -> _RidgeHead:
        return _RidgeHead(network, labels, n_support)


class _RidgeHead(FeatureLearner):
    def __init__(self, network: Network, labels: Labels, n_support: int) -> None:
        super().__init__(network, labels, n_support)
        # One axis each, so that no weight decay pulls them to zero.
        self.log_reg, self.scale, self.shift = (nn.Parameter(torch.tensor([v])) for v in (0.0, 1.0, 0.0))

    def learn(self, z: Tensor, y: Tensor, n_classes: int) -> State:
        return {"weight": _ridge(_with_one(z), functional.one_hot(y, n_classes).to(z.dtype), self.log_reg.exp())}

    def respond(self, state: State, z: Tensor) -> Tensor:
        return self.scale * (_with_one(z) @ state["weight"]) + self.shift


def _with_one(z: Tensor) -> Tensor:
    return torch.cat([z, torch.ones_like(z[..., :1])], dim=-1)


def _ridge(x: Tensor, y: Tensor, reg: Tensor) -> Tensor:
    """Weights of shape (..., n_features, n_outputs) by the smaller of the two systems."""
    n, d = x.shape[-2:]
    across = x.transpose(-1, -2)
    eye = torch.eye(min(n, d), dtype=x.dtype, device=x.device)
    if n <= d:
        return across @ torch.linalg.solve(x @ across + reg * eye, y)
    return torch.linalg.solve(across @ x + reg * eye, across @ y)
