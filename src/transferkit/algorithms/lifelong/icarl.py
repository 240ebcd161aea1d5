"""iCaRL: nearest mean of exemplars that herding has chosen, over features that are trained with distillation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...core.errors import ParamError
from ...core.protocols import Array
from ...engine.inputs.rows import Rows
from ...engine.lifelong.estimator import CONTINUAL_RULES, MEMORY_SIZE, ContinualNetwork, TaskFit
from ...engine.lifelong.memory import Joined, Memory, raw_rows
from ...engine.networks.inference import outputs_of
from ...engine.networks.network import Network
from ...engine.training.freezing import FreezePlan
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.memory import herding

CARD = {
    "class": "ICaRL",
    "protocol": "Continual",
    "settings": ("supervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Rebuffi, Kolesnikov, Sperl & Lampert. iCaRL: Incremental Classifier and Representation Learning. CVPR 2017.",
    "url": "https://arxiv.org/abs/1611.07725",
}

__all__ = ["ICaRL"]


class ICaRL(ContinualNetwork):
    """Keep the rows nearest each class' mean, distil old outputs, and classify by the nearest mean.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        What computes features. "auto" is a small network for vectors, series or small images; else a name such as
        "timm:resnet18", or a module of one's own, which is copied.
    memory_size : int in [1, inf), default=500
        Rows that are kept at most.
    plan : str, mapping or FreezePlan, default="full"
        What trains when; see `FineTuning`. "head" keeps a pretrained body as it is.
    batch_norm : {"train", "frozen", "off"}, default="train"
        Whether batch normalisation of the body follows the batches, keeps its statistics, or is left alone altogether.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps features to outputs; it gets an output for each new class.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    training : Training, default=None
        Epochs a task, learning rate and all else; None is ``Training()``. Every task begins a new schedule, and has a folder of
        its own under ``training.folder``.
    random_state : int, RandomState or None, default=0
        Seed of first weights, batches and whatever else is drawn.

    Attributes
    ----------
    network_ : Network
        Body and head.
    outputs_ : Outputs
        Which class, of which task, each output stands for.
    classes_ : array of shape (n_classes,)
        All classes that have come, sorted.
    history_ : list of dict
        One row an epoch of every task, with ``task`` and the mean of every part of the loss.
    n_updates_, n_fits_, seed_ : int
        Updates and calls of `partial_fit` so far, and the seed of the whole stream.
    facts_ : dict
        What the report shows of the last training; ``memory`` is how many rows are kept.
    n_features_in_ : int
        Width of the rows, where they are vectors.
    memory_ : Memory
        At most `memory_size` exemplars, with equal numbers a class, in the order of choice.
    means_ : array of shape (n_outputs, n_features)
        Mean of the features of each class' exemplars, of length 1; NaN for a class without any.

    Notes
    -----
    New rows and exemplars together are trained on with a binary cross-entropy an output, summed over the outputs: for
    new classes towards the label, for old ones towards what the network said before the task (algorithm 3). Then each
    class keeps ``memory_size // n_classes`` rows by herding (algorithm 4), old classes the first of those they had
    (algorithm 5). A row gets the class whose exemplars' mean feature is nearest, features and means scaled to length
    1 (algorithm 1): the outputs only train the features. Classes that come again get their labels, and choose anew
    among their exemplars and new rows. Old outputs are those for rows that are not augmented, and the means are of the
    exemplars alone, where the authors' code takes in their mirror images. As the paper's it is class-incremental:
    outputs are shared.

    References
    ----------
    Rebuffi, Kolesnikov, Sperl & Lampert. iCaRL: Incremental Classifier and Representation Learning. CVPR 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, ICaRL
    >>> from transferkit import Training
    >>> X = np.random.default_rng(0).normal(size=(120, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> z = np.where(X[:, 1] > 0, "up", "down")
    >>> model = ICaRL(training=Training(n_epochs=15, lr=0.01))
    >>> model = model.partial_fit(Domain(X, y, name="sides")).partial_fit(Domain(X, z, name="heights"))
    >>> model.classes_.tolist()
    ['down', 'left', 'right', 'up']
    >>> model.score(X, z, task="heights") > 0.8
    True
    """

    _constraints: ClassVar = {
        **{k: v for k, v in CONTINUAL_RULES.items() if k not in ("heads",)},
        "memory_size": MEMORY_SIZE,
    }

    def __init__(
        self,
        backbone: Any = "auto",
        memory_size: int = 500,
        plan: str | Mapping[str, Any] | FreezePlan = "full",
        batch_norm: str = "train",
        head: str = "linear",
        dropout: float = 0.0,
        training: Training | None = None,
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.memory_size = memory_size
        self.plan = plan
        self.batch_norm = batch_norm
        self.head = head
        self.dropout = dropout
        self.training = training
        self.random_state = random_state

    def _begin_task(self, fit: TaskFit) -> None:
        if self.memory_size < len(fit.outputs):
            raise ParamError(
                f"ICaRL.partial_fit: memory_size must hold a row of each class ({len(fit.outputs)}). Got {self.memory_size}."
            )
        memory = self._memory()
        if len(memory):
            assert fit.rows.y is not None
            new = raw_rows(fit.rows, np.arange(len(fit.rows)))
            y = torch.cat([fit.rows.y, torch.as_tensor(memory.y)])
            fit.rows = Rows(Joined(new, memory.X), fit.rows.preprocess, y)

    def _objective(self, fit: TaskFit) -> Objective:
        old = self._pass(fit, fit.network.forward, fit.rows)[:, : fit.n_known] if fit.n_known else None
        assert fit.rows.y is not None
        # Outputs of classes whose rows come again are new ones, too.
        fresh = np.ones(len(fit.outputs), bool)
        fresh[: fit.n_known] = np.isin(np.arange(fit.n_known), self._new(fit))
        return _Distilled(fit.network, None if old is None else torch.from_numpy(old), fresh)

    def _new(self, fit: TaskFit) -> Array:
        """The outputs of the new rows, which stand before the exemplars."""
        assert fit.rows.y is not None
        return fit.rows.y.numpy()[: len(fit.rows) - len(self._memory())]

    @staticmethod
    def _pass(fit: TaskFit, forward: Any, rows: Rows) -> Array:
        fit.place.put(fit.network)
        return outputs_of(fit.network, forward, rows, fit.place, max(64, fit.training.batch_size), fit.training.workers)

    def _finish(self, fit: TaskFit, objective: Objective) -> None:
        assert fit.rows.y is not None
        y, new = fit.rows.y.numpy(), self._new(fit)
        Z = _unit(self._pass(fit, fit.network.features, fit.rows))
        share = self.memory_size // len(fit.outputs)
        came = set(new.tolist())
        chosen, means = [], np.full((len(fit.outputs), Z.shape[1]), np.nan, Z.dtype)
        for k in range(len(fit.outputs)):
            own = np.flatnonzero(y == k)  # of an old class its exemplars, in the order of choice
            own = own[herding(Z[own], share)] if k in came else own[:share]
            if len(own):  # else all its rows judge the epochs
                means[k] = _unit(Z[own].mean(axis=0, keepdims=True))[0]
            chosen.append(own)
        places = np.concatenate(chosen)
        fit.kept["memory_"] = Memory(raw_rows(fit.rows, places), y[places], {}, self._memory().seen + len(new))
        fit.kept["means_"] = means

    def _raw_outputs(self, X: Any, method: str) -> Array:
        Z = _unit(self._outputs(X, method, "features").astype(np.float64))
        squares = np.square(Z).sum(axis=1)[:, None] + np.square(self.means_.astype(np.float64)).sum(axis=1)
        return np.nan_to_num(2 * Z @ self.means_.T - squares, nan=-np.inf)


def _unit(Z: Array) -> Array:
    """Rows of length 1."""
    return Z / np.maximum(np.linalg.norm(Z, axis=1, keepdims=True), 1e-12)


class _Distilled(Objective):
    """A yes or no for each output: the label for classes of the task, the old answer for all others."""

    def __init__(self, network: Network, old: Tensor | None, fresh: Array) -> None:
        super().__init__()
        self.network = network
        # They follow from the network and the rows, so a checkpoint can do without them.
        self.register_buffer("old", None if old is None else torch.sigmoid(old), persistent=False)
        self.register_buffer("fresh", torch.as_tensor(fresh), persistent=False)

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.parameters()))]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        stream = batch["target"]
        outputs = self.network(stream.x).float()
        wanted = functional.one_hot(stream.y, outputs.shape[1]).float()
        if self.old is not None:
            before = functional.pad(self.old[stream.rows], (0, outputs.shape[1] - self.old.shape[1]))
            wanted = torch.where(self.fresh, wanted, before)
        each = functional.binary_cross_entropy_with_logits(outputs, wanted, reduction="none")
        known = each[:, ~self.fresh].sum(1).mean()
        task = each[:, self.fresh].sum(1).mean()
        return {"loss": task + known, "task": task, "known": known}

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)
