"""PT-MAP: features are made more Gaussian by a power, and class centres found with the queries by optimal transport."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ...core.constraints import Interval
from ...engine.answers.labels import Labels
from ...engine.meta.estimator import MetaEstimator, MetaFit
from ...engine.meta.feature_learner import FeatureLearner
from ...engine.meta.pretraining import pretrain
from ...engine.meta.rules import POOLED_RULES
from ...engine.meta.task_learner import State
from ...engine.networks.network import Network
from ...engine.training.settings import Training
from ...ops.nn.prototypes import class_means, squared_distances

CARD = {
    "class": "PTMAP",
    "protocol": "MetaLearner",
    "settings": ("few_label", "multi_source"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Hu, Gripon & Pateux. Leveraging the Feature Distribution in Transfer-based Few-Shot Learning. ICANN 2021.",
    "url": "https://arxiv.org/abs/2006.03806",
}

__all__ = ["PTMAP"]

_EPS = 1e-6
_MAX_ITER = 1000  # of Sinkhorn
_TOL = 1e-4  # error of a query's mass; single precision reaches no 1e-6


class PTMAP(MetaEstimator):
    """Queries are shared out among the classes in equal parts by optimal transport to class centres that move along with them.

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
    power : float in (0, inf), default=0.5
        What features are raised to; 1 leaves them.
    sharpness : float in (0, inf), default=10.0
        Of the plan: what squared distances are multiplied by.
    step : float in (0, 1], default=0.2
        How far a centre goes towards the new mean.
    n_adapt_steps : int in [0, inf), default=20
        Times that the centres move.
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
    Features f become ``(f + 1e-6)^power`` of unit length (eq. 1), less their mean over the task, of unit length again. From the
    means of the support, again and again: a plan P with ``P_ik ~ exp(-sharpness * |f_i - c_k|^2)`` that gives every query a mass
    of 1 and every class the same share of the queries (Sinkhorn; eqs. 3 to 5), and
    ``c_k += step * (mean of class k's support and the queries weighted by P - c_k)`` (eqs. 6 and 7). The answer is the last P.
    The power is of the absolute value with the sign put back, which for the features of a network that ends in a ReLU is the
    paper's. The authors' QR decomposition before leaves distances as they are, and is left out. Their code takes the mean of the
    support from the support and that of the queries from the queries; here both have one mean, as a single query would be its own.

    That classes are alike frequent among the queries is taken for known: where they are not, this costs accuracy. Fewer
    queries than classes cannot be shared out: they get ``softmax_k(-sharpness * |f_i - c_k|^2)``, each by itself.

    A predictor looks at all rows that one call gives it, and answers for them together: ask for the whole batch at once. A
    single row works, too, with nothing but the support beside it.

    References
    ----------
    Hu, Gripon & Pateux. Leveraging the Feature Distribution in Transfer-based Few-Shot Learning. ICANN 2021, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import PTMAP, Domain
    >>> from transferkit import Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(np.arange(8), 12)
    >>> points = rng.normal(size=(8, 4))[y] + 0.1 * rng.normal(size=(96, 4))
    >>> settings = {"n_way": 3, "n_query": 5, "training": Training(2, 8)}
    >>> learner = PTMAP("small:mlp?hidden=16", **settings, random_state=0)
    >>> learner.fit([Domain(points, y)]).adapt(Domain(points[[0, 12]], ["ant", "bee"])).classes_.tolist()
    ['ant', 'bee']
    """

    _constraints: ClassVar = {
        **POOLED_RULES,
        "power": Interval(float, 0, closed="neither"),
        "sharpness": Interval(float, 0, closed="neither"),
        "step": Interval(float, 0, 1, closed="right"),
        "n_adapt_steps": Interval(int, 0),
    }
    _kinds: ClassVar = ("classification",)
    _more_classes: ClassVar = True
    _episodic: ClassVar = False

    def __init__(
        self,
        backbone: Any = "auto",
        n_way: int = 5,
        k_shot: int = 1,
        n_query: int = 15,
        by: str = "auto",
        rotations: bool = False,
        power: float = 0.5,
        sharpness: float = 10.0,
        step: float = 0.2,
        n_adapt_steps: int = 20,
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
        self.power = power
        self.sharpness = sharpness
        self.step = step
        self.n_adapt_steps = n_adapt_steps
        self.training = training
        self.task = task
        self.random_state = random_state

    def _before(self, fit: MetaFit) -> None:
        fit.network.head = pretrain(fit, fit.training, key=f"PTMAP {self._settings()}")

    def _learner(self, network: Network, labels: Labels, n_support: int) -> _Transported:
        return _Transported(network, labels, n_support, self.power, self.sharpness, self.step, self.n_adapt_steps)


class _Transported(FeatureLearner):
    whole = True

    def __init__(
        self,
        network: Network,
        labels: Labels,
        n_support: int,
        power: float,
        sharpness: float,
        step: float,
        n_steps: int,
    ) -> None:
        super().__init__(network, labels, n_support)
        self.power, self.sharpness, self.step, self.n_steps = power, sharpness, step, n_steps

    def learn(self, z: Tensor, y: Tensor, n_classes: int) -> State:
        return {"support": z, "of_class": functional.one_hot(y, n_classes).to(z.dtype)}

    def respond(self, state: State, z: Tensor) -> Tensor:
        of_class, n = state["of_class"], state["support"].shape[1]
        both = _gaussian(torch.cat([state["support"], z], dim=1), self.power)
        support, queries = both[:, :n], both[:, n:]
        centres = class_means(support, of_class.argmax(-1), of_class.shape[-1])
        for _ in range(self.n_steps):
            plan = _plan(-self.sharpness * squared_distances(queries, centres)).exp()
            shares = torch.cat([of_class, plan], dim=1)
            means = shares.transpose(1, 2) @ both / shares.sum(1)[..., None]
            centres = centres + self.step * (means - centres)
        return _plan(-self.sharpness * squared_distances(queries, centres))


def _gaussian(z: Tensor, power: float) -> Tensor:
    """Features of a task, raised to a power, on the unit sphere around their mean."""
    z = functional.normalize(z.sign() * (z.abs() + _EPS) ** power, dim=-1)
    return functional.normalize(z - z.mean(dim=1, keepdim=True), dim=-1)


def _plan(log_plan: Tensor) -> Tensor:
    """The logarithm of the plan: every row has a mass of 1, and every column the same."""
    n, k = log_plan.shape[1:]
    if n < k:
        return log_plan.log_softmax(dim=-1)
    log_plan = log_plan.log_softmax(dim=-1)
    kernel = log_plan.exp()
    tiny = torch.finfo(kernel.dtype).tiny  # a class that is far from every query
    rows = torch.ones_like(kernel[..., :1])
    for _ in range(_MAX_ITER):
        columns = n / k / (kernel.transpose(1, 2) @ rows).clamp(min=tiny)
        mass = kernel @ columns
        error = (rows * mass - 1).abs().max()
        rows = 1 / mass.clamp(min=tiny)
        if error < _TOL:
            break
    return log_plan + rows.log() + columns.transpose(1, 2).log()
