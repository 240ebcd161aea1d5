"""Meta-transfer learning: pretrained convolutions are scaled and shifted by tasks, and the classes that fail come again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from ...core.constraints import Boolean, Either, Fulfils, Nothing
from ...core.errors import ParamError
from ...engine.answers.labels import Labels
from ...engine.inputs.rows import Rows
from ...engine.meta.estimator import GRADIENT_RULES, META_RULES, MetaEstimator, MetaFit
from ...engine.meta.hard_tasks import Failures, HardEpisodes
from ...engine.meta.inner_loop import GradientLearner
from ...engine.meta.pretraining import pretrain
from ...engine.meta.rules import checked_training
from ...engine.meta.task_learner import TaskLearner
from ...engine.networks.network import Network
from ...engine.training.freezing import FreezePlan
from ...engine.training.settings import Training
from ...ops.nn.edits import apply_edit, train_only

CARD = {
    "class": "MetaTransfer",
    "protocol": "MetaLearner",
    "settings": ("few_label", "multi_source"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Sun, Liu, Chua & Schiele. Meta-Transfer Learning for Few-Shot Learning. CVPR 2019.",
    "url": "https://arxiv.org/abs/1812.02391",
}

__all__ = ["MetaTransfer"]

_EDIT = {"edit": "kernel_scale"}


class MetaTransfer(MetaEstimator):
    """A body that knows all training classes is only scaled and shifted by the tasks; a task's own steps move the head.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The network's body, as `transferkit.engine.backbones.load_backbone` takes it; "auto" is a small one for vectors, series
        and small images.
    n_way : int in [2, inf), default=5
        Classes of an episode, where episodes are drawn by classes.
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
    inner_lr : float in (0, inf), default=0.1
        Step length of the head's descent on a support.
    n_inner_steps : int in [1, inf), default=5
        Steps in training.
    n_adapt_steps : int in [1, inf), default=None
        Steps for a new task; None is as many as in training.
    hard_tasks : bool, default=True
        Whether a batch of hard tasks follows each batch of tasks. Needs ``training.workers=0``.
    pretraining : Training, default=None
        Settings of the training on all classes, without validation; None is ``Training()``.
    batched : bool, default=True
        Whether the tasks of an update go through the network at once (`torch.func.vmap`). False is for networks with
        operations that cannot.
    training : Training, default=None
        Settings of the loop; None is ``Training()``.
    task : {"auto", "classification", "regression"}, default="auto"
        What the labels are; a regression is refused, which is what "auto" sees in numbers with a fractional part.
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
    Three parts. (1) The body is trained as a classifier of all classes of the tasks, and then frozen, with its batch
    normalisation. (2) Scaling and shifting: every convolution becomes ``(W * S1) X + (b + S2)`` (eq. 5), see
    `transferkit.ops.nn.kernel_scale`. A task moves the head only (eq. 3); the query loss of its answers moves S1, S2 and the head
    that tasks start from (eqs. 4 and 6). (3) The hard-task meta-batch (section 4.3): the class of each task that did worst is
    remembered, and after each batch of tasks comes one of tasks drawn from these classes, filled up with others of the same pool
    where they are too few. Each makes an update of its own; the hard batch comes right before the next ordinary one, which is the
    paper's order. The inner steps are through the head alone, with all of its second derivatives; the authors' PyTorch program
    takes their gradients for constants, and neither of their programs has the hard-task meta-batch. The 50 steps of 0.01 there
    are 5 of 0.1 here.

    References
    ----------
    Sun, Liu, Chua & Schiele. Meta-Transfer Learning for Few-Shot Learning. CVPR 2019, algorithms 1 and 2.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, MetaTransfer
    >>> from transferkit import Training
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(np.arange(8), 12)
    >>> points = rng.normal(size=(8, 4))[y] + 0.1 * rng.normal(size=(96, 4))
    >>> settings = {"n_way": 3, "n_query": 5, "n_episodes": 32, "training": Training(2, 8), "pretraining": Training(2)}
    >>> learner = MetaTransfer("small:mlp?hidden=16", **settings, random_state=0)
    >>> learner.fit([Domain(points, y)]).adapt(Domain(points[[0, 12]], ["ant", "bee"])).classes_.tolist()
    ['ant', 'bee']
    """

    _kinds: ClassVar = ("classification",)
    _constraints: ClassVar = {
        **META_RULES,
        **{name: rule for name, rule in GRADIENT_RULES.items() if name != "batch_norm"},
        "hard_tasks": Boolean(),
        "pretraining": Either(Nothing(), Fulfils("be a Training", lambda v: isinstance(v, Training))),
    }

    _test_params: ClassVar = {"n_inner_steps": 2, "pretraining": Training(10, lr=0.02, progress=False)}

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
        n_inner_steps: int = 5,
        n_adapt_steps: int | None = None,
        hard_tasks: bool = True,
        pretraining: Training | None = None,
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
        self.hard_tasks = hard_tasks
        self.pretraining = pretraining
        self.batched = batched
        self.training = training
        self.task = task
        self.random_state = random_state

    def _before(self, fit: MetaFit) -> None:
        if self.hard_tasks and fit.training.workers:
            raise ParamError(
                f"MetaTransfer.fit: training.workers must be 0 for hard_tasks=True: what is drawn depends on the last update."
                f" Got {fit.training.workers}."
            )
        training = Training(folder=fit.training.folder, progress=fit.training.progress, device=fit.training.device)
        training = checked_training("MetaTransfer.fit", self.pretraining or training, "pretraining")
        if training.validation:
            raise ParamError(
                f"MetaTransfer.fit: pretraining.validation must be 0: all rows are learned. Got {training.validation}."
            )
        pretrain(fit, training, key=f"MetaTransfer {self._settings()}")
        scales = apply_edit(fit.network.body, _EDIT)
        fit.network.edits.append(_EDIT)
        train_only(fit.network.body, scales)

    def _plan(self, fit: MetaFit) -> FreezePlan:
        only = frozenset(n for n, p in fit.network.named_parameters() if p.requires_grad and n.startswith("body."))
        return replace(super()._plan(fit), only=only, batch_norm="frozen")

    def _streams(self, fit: MetaFit, learner: TaskLearner) -> Mapping[str, Rows]:
        if not self.hard_tasks:
            return {}
        episodes = self._episodes(fit)
        learner.failures = Failures(episodes, fit.training.batch_size * fit.training.accumulate)
        return {"hard": HardEpisodes(episodes, learner.failures.numbers)}

    def _keep(self, fit: MetaFit, learner: TaskLearner, facts: Mapping[str, Any]) -> None:
        learner.failures = None  # of the training alone
        super()._keep(fit, learner, facts)

    def _learner(self, network: Network, labels: Labels, n_support: int) -> TaskLearner:
        return GradientLearner(
            network,
            labels,
            n_support,
            rate=self.inner_lr,
            n_steps=self.n_inner_steps,
            n_test_steps=self.n_adapt_steps or self.n_inner_steps,
            statistics="frozen",
            moves=lambda name: name.startswith("head."),
            batched=self.batched,
        )
