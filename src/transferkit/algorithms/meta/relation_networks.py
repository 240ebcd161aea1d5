"""Relation networks: a learned comparison tells how much a query and a class belong together."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ...core.constraints import Interval
from ...engine.answers.labels import Labels
from ...engine.inputs.rows import move
from ...engine.meta.estimator import META_RULES, MetaEstimator
from ...engine.meta.feature_learner import FeatureLearner
from ...engine.meta.task_learner import State
from ...engine.networks.network import Network
from ...engine.training.settings import Training
from ...ops.nn.prototypes import class_means
from ...ops.nn.relation import Relation

CARD = {
    "class": "RelationNetworks",
    "protocol": "MetaLearner",
    "settings": ("few_label", "multi_source"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Sung, Yang, Zhang, Xiang, Torr & Hospedales. Learning to Compare: Relation Network for Few-Shot Learning. CVPR 2018.",
    "url": "https://arxiv.org/abs/1711.06025",
}

__all__ = ["RelationNetworks"]


class RelationNetworks(MetaEstimator):
    """Body and comparison are trained together: pairs of a query and a class get 1 where they belong together, else 0.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The network's body, as `transferkit.engine.backbones.load_backbone` takes it; "auto" is a small one for vectors, series
        and small images. One that gives maps, as
        ``"small:conv4?layers=2&pool=none"``, is compared by convolutions.
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
    width : int in [1, inf), default=8
        Of the comparison's hidden layer.
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
        What is learned beside the network: the comparison.
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
    The relation ``r = sigmoid(g(join(f(class), f(x))))`` (eq. 1) is trained by the mean squared error to 1 for a query's own class
    and 0 for the others (eq. 2). g is `transferkit.ops.nn.relation.Relation`: convolutions where the body gives maps, as in the
    paper's few-shot experiments, and dense layers where it gives vectors, as in its zero-shot ones.

    Of several shots the paper adds up the embeddings; here it is their mean, which is that sum up to a factor that g's first layer
    can take on, so that a support of another size than in training is of the same scale. ``predict_proba`` gives the relations
    divided by their sum.

    References
    ----------
    Sung, Yang, Zhang, Xiang, Torr & Hospedales. Learning to Compare: Relation Network for Few-Shot Learning. CVPR 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import RelationNetworks, Domain
    >>> from transferkit import Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(np.arange(8), 12)
    >>> points = rng.normal(size=(8, 4))[y] + 0.1 * rng.normal(size=(96, 4))
    >>> settings = {"n_way": 3, "n_query": 5, "n_episodes": 32, "training": Training(2, 8)}
    >>> learner = RelationNetworks("small:mlp?hidden=16", **settings, random_state=0)
    >>> learner.fit([Domain(points, y)]).adapt(Domain(points[[0, 12]], ["ant", "bee"])).classes_.tolist()
    ['ant', 'bee']
    """

    _constraints: ClassVar = {**META_RULES, "width": Interval(int, 1)}
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
        width: int = 8,
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
        self.width = width
        self.training = training
        self.task = task
        self.random_state = random_state

    def _learner(self, network: Network, labels: Labels, n_support: int) -> _Relations:
        return _Relations(network, labels, n_support, self.width)


class _Relations(FeatureLearner):
    def __init__(self, network: Network, labels: Labels, n_support: int, width: int) -> None:
        super().__init__(network, labels, n_support)
        preprocess = network.backbone.preprocess
        was_training = network.training
        with torch.no_grad():
            network.eval()
            x = preprocess.finish(preprocess.collate([preprocess.prepare(preprocess.example())]), training=False)
            place = next((p.device for p in network.parameters()), torch.device("cpu"))
            self.compare = Relation(network.features(move(x, place)).shape[1:], width)
            network.train(was_training)

    def learn(self, z: Tensor, y: Tensor, n_classes: int) -> State:
        return {"prototypes": class_means(z, y, n_classes)}

    def respond(self, state: State, z: Tensor) -> Tensor:
        known = state["prototypes"]
        pairs = (z.shape[0], z.shape[1], known.shape[1], *z.shape[2:])
        a, b = known[:, None].expand(pairs).flatten(0, 2), z[:, :, None].expand(pairs).flatten(0, 2)
        return functional.logsigmoid(self.compare(a, b)).view(pairs[:3])

    def parts(self, outputs: Tensor, y: Tensor) -> dict[str, Tensor]:
        wanted = functional.one_hot(y, outputs.shape[-1]).to(outputs.dtype)
        return {**super().parts(outputs, y), "loss": functional.mse_loss(outputs.exp(), wanted)}
