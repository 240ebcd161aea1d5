"""TIM: class centres that make the mutual information of a task's queries and their predicted classes large."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ...core.constraints import Either, Interval, Nothing, Options
from ...engine.answers.labels import Labels
from ...engine.meta.estimator import MetaEstimator, MetaFit
from ...engine.meta.feature_learner import FeatureLearner
from ...engine.meta.pretraining import pretrain
from ...engine.meta.rules import POOLED_RULES
from ...engine.meta.task_learner import State
from ...engine.networks.network import Network
from ...engine.training.settings import Training
from ...ops.nn.adam_steps import adam_steps
from ...ops.nn.entropy import class_entropy
from ...ops.nn.prototypes import class_means, squared_distances

CARD = {
    "class": "TIM",
    "protocol": "MetaLearner",
    "settings": ("few_label", "multi_source"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Boudiaf, Masud, Rony, Dolz et al. Transductive Information Maximization for Few-Shot Learning. NeurIPS 2020.",
    "url": "https://arxiv.org/abs/2008.11297",
}

__all__ = ["TIM"]

_STEPS = {"adm": 150, "gradient": 1000}


class TIM(MetaEstimator):
    """On frozen features a task's classifier is right on the support, sure of every query, and gives all classes alike often.

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
    solver : {"adm", "gradient"}, default="adm"
        Alternating closed-form steps, or Adam.
    n_adapt_steps : int in [0, inf), default=None
        Steps of the solver; None is the paper's: 150 alternating ones, or 1000 of Adam.
    lr : float in (0, inf), default=1e-4
        Step length of Adam.
    sharpness : float in (0, inf), default=15.0
        What the squared distances to the centres are multiplied by, halved.
    support_weight : float in [0, inf), default=0.1
        Of the support's cross-entropy.
    entropy_weight : float in [0, inf), default=0.1
        Of the entropy of single queries, which is to be small.
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
    With features z of unit length, ``p_ik = softmax_k(-sharpness / 2 * |w_k - z_i|^2)`` (eq. 2), and the w, which begin at the
    means of the support, minimise ``support_weight * CE(support) - H(mean of p) + entropy_weight * mean of H(p_i)``, the latter two
    over the queries (eq. 4).
    "gradient" does so by Adam (TIM-GD). "adm" (TIM-ADM, eq. 5 and proposition 1) adds labels q of the queries, and in turn

    ``q_ik ~ p_ik^(1 + a) / sqrt(sum_i p_ik^(1 + a))`` with the entropy weight a, and

    ``w_k = [s sum_S (y_ik z_i + p_ik (w_k - z_i)) + sum_Q (q_ik z_i + p_ik (w_k - z_i))] / [s sum_S y_ik + sum_Q q_ik]``,
    where the sums are means over support and queries, and ``s = support_weight / (1 + a)``.

    That classes are alike frequent among the queries is an aim of the loss: where they are not, it may cost accuracy.

    A predictor looks at all rows that one call gives it, and answers for them together: ask for the whole batch at once. A
    single row works, too, with nothing but the support beside it.

    References
    ----------
    Boudiaf, Masud, Rony, Dolz, Piantanida & Ben Ayed. Transductive Information Maximization for Few-Shot Learning. NeurIPS 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import TIM, Domain
    >>> from transferkit import Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(np.arange(8), 12)
    >>> points = rng.normal(size=(8, 4))[y] + 0.1 * rng.normal(size=(96, 4))
    >>> settings = {"n_way": 3, "n_query": 5, "training": Training(2, 8)}
    >>> learner = TIM("small:mlp?hidden=16", **settings, random_state=0)
    >>> learner.fit([Domain(points, y)]).adapt(Domain(points[[0, 12]], ["ant", "bee"])).classes_.tolist()
    ['ant', 'bee']
    """

    _constraints: ClassVar = {
        **POOLED_RULES,
        "solver": Options("adm", "gradient"),
        "n_adapt_steps": Either(Nothing(), Interval(int, 0)),
        "lr": Interval(float, 0, closed="neither"),
        "sharpness": Interval(float, 0, closed="neither"),
        "support_weight": Interval(float, 0),
        "entropy_weight": Interval(float, 0),
    }
    _kinds: ClassVar = ("classification",)
    _more_classes: ClassVar = True
    _episodic: ClassVar = False

    _test_params: ClassVar = {"n_adapt_steps": 10}

    def __init__(
        self,
        backbone: Any = "auto",
        n_way: int = 5,
        k_shot: int = 1,
        n_query: int = 15,
        by: str = "auto",
        rotations: bool = False,
        solver: str = "adm",
        n_adapt_steps: int | None = None,
        lr: float = 1e-4,
        sharpness: float = 15.0,
        support_weight: float = 0.1,
        entropy_weight: float = 0.1,
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
        self.solver = solver
        self.n_adapt_steps = n_adapt_steps
        self.lr = lr
        self.sharpness = sharpness
        self.support_weight = support_weight
        self.entropy_weight = entropy_weight
        self.training = training
        self.task = task
        self.random_state = random_state

    def _before(self, fit: MetaFit) -> None:
        fit.network.head = pretrain(fit, fit.training, key=f"TIM {self._settings()}")

    def _learner(self, network: Network, labels: Labels, n_support: int) -> _Informed:
        return _Informed(network, labels, n_support, self.get_params(deep=False))


class _Informed(FeatureLearner):
    whole = True

    def __init__(self, network: Network, labels: Labels, n_support: int, given: dict[str, Any]) -> None:
        super().__init__(network, labels, n_support)
        self.solver, self.lr, self.sharpness = given["solver"], given["lr"], given["sharpness"]
        self.n_steps = _STEPS[self.solver] if given["n_adapt_steps"] is None else given["n_adapt_steps"]
        self.support_weight, self.entropy_weight = given["support_weight"], given["entropy_weight"]

    def learn(self, z: Tensor, y: Tensor, n_classes: int) -> State:
        return {"support": functional.normalize(z, dim=-1), "of_class": functional.one_hot(y, n_classes).to(z.dtype)}

    def respond(self, state: State, z: Tensor) -> Tensor:
        of_class, n = state["of_class"], state["support"].shape[1]
        both = _in_span(torch.cat([state["support"], functional.normalize(z, dim=-1)], dim=1))
        support, z = both[:, :n], both[:, n:]
        w = class_means(support, of_class.argmax(-1), of_class.shape[-1])
        if self.solver == "gradient":
            w = adam_steps(lambda at: self.loss(at["w"], support, of_class, z).sum(), {"w": w}, self.n_steps, self.lr)[
                "w"
            ]
        else:
            for _ in range(self.n_steps):
                w = self.centres(w, self.guesses(w, z), support, of_class, z)
        return self.logits(w, z)

    def logits(self, w: Tensor, z: Tensor) -> Tensor:
        return -self.sharpness / 2 * squared_distances(z, w)

    def loss(self, w: Tensor, support: Tensor, of_class: Tensor, z: Tensor) -> Tensor:
        """Eq. 4, of shape (n_tasks,)."""
        right = (of_class * self.logits(w, support).log_softmax(-1)).sum(-1).mean(1)
        log_p = self.logits(w, z).log_softmax(-1)
        alone = -(log_p.exp() * log_p).sum(-1).mean(1)
        together = class_entropy(log_p.exp(), dim=1)
        return -self.support_weight * right - together + self.entropy_weight * alone

    def guesses(self, w: Tensor, z: Tensor) -> Tensor:
        """Labels q of the queries."""
        p = self.logits(w, z).softmax(-1) ** (1 + self.entropy_weight)
        q = p / p.sum(1, keepdim=True).sqrt().clamp(min=torch.finfo(p.dtype).tiny)
        return q / q.sum(-1, keepdim=True)

    def centres(self, w: Tensor, q: Tensor, support: Tensor, of_class: Tensor, z: Tensor) -> Tensor:
        """Proposition 1: one step to where the gradient of the loss with these labels is zero."""
        parts = []
        known = self.support_weight / (1 + self.entropy_weight)
        for weight, rows, labels in ((known, support, of_class), (1.0, z, q)):
            p = self.logits(w, rows).softmax(-1)
            moved = (labels - p).transpose(1, 2) @ rows + p.sum(1)[..., None] * w
            parts.append((weight * moved / rows.shape[1], weight * labels.mean(1)[..., None]))
        above, below = (torch.stack(both).sum(0) for both in zip(*parts))
        return above / below


def _in_span(rows: Tensor) -> Tensor:
    """Rows by their coordinates in their own span, where that is smaller: distances stay, and so does all that follows."""
    if rows.shape[1] >= rows.shape[2]:
        return rows
    found: Tensor = torch.linalg.qr(rows.transpose(1, 2), mode="r").R
    return found.transpose(1, 2)
