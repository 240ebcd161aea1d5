"""EWC: elastic weight consolidation; weights that the Fisher information calls important for old tasks move little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...core.constraints import Either, Interval, Nothing, Options
from ...engine.fine_tuning.supervised import Supervised
from ...engine.lifelong.estimator import CONTINUAL_RULES, ContinualNetwork, TaskFit
from ...engine.lifelong.terms import Anchored, mean_over_rows, tensors_of
from ...engine.training.freezing import FreezePlan
from ...engine.training.settings import Training
from ...ops.nn.continual import grow_importance, log_shares, merge_quadratics, row_fisher

CARD = {
    "class": "EWC",
    "protocol": "Continual",
    "settings": ("supervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Kirkpatrick, Pascanu, Rabinowitz et al. Overcoming Catastrophic Forgetting in Neural Networks. PNAS 2017.",
    "url": "https://arxiv.org/abs/1612.00796",
}

__all__ = ["EWC"]


class EWC(ContinualNetwork):
    """Pull each weight back to where earlier tasks left it, by how much their likelihood depends on it.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        What computes features. "auto" is a small network for vectors, series or small images; else a name such as
        "timm:resnet18", or a module of one's own, which is copied.
    reg : float in [0, inf), default=100.0
        Strength of the pull (lambda); 0 is naive fine-tuning.
    decay : float in [0, 1], default=None
        None keeps one penalty a task, as the first paper. A number is online EWC: one penalty at the last weights, with the
        earlier Fisher information times this (gamma); 0 is naive fine-tuning.
    fisher : {"exact", "sampled", "empirical"}, default="exact"
        Expectation over the classes as the network believes in them; one class a row drawn from that; or the row's own label.
    fisher_rows : int in [1, inf), default=500
        Rows of a task from which the Fisher information is estimated.
    heads : {"shared", "separate"}, default="shared"
        "shared": all classes that have come share one set of outputs (domain- and class-incremental). "separate": every task has
        outputs of its own, and `predict` should be told the task (task-incremental).
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
    importance_ : dict of str to tensor
        Sum of the Fisher information over the tasks, by the name of a parameter.
    anchor_ : dict of str to tensor
        Where each parameter is pulled to.

    Notes
    -----
    Minimises ``loss + reg/2 * sum_t sum_i F_ti (w_i - w*_ti)^2`` (eq. 3 of the paper), with ``w*_t`` the weights
    after task t and ``F_t`` the diagonal of the Fisher information there, a mean over rows. The sum of quadratics is
    one quadratic, ``sum_i A_i (w_i - u_i)^2`` plus a constant with ``A = sum_t F_t`` and ``u = sum_t F_t w*_t / A``,
    and only this is kept: memory does not grow with the tasks, and the gradient is that of the paper. With `decay` it
    is online EWC: the pull is that of ``decay A``, and after the task ``A <- decay A + F_t``, ``u <- w*_t`` (Schwarz et
    al., eqs. 8 and 9), so that 0 is naive fine-tuning. They also bring every task's ``F_t`` to one norm, since their
    policies differ in how sure they are; here it stays as it is. Outputs that are new have no importance yet. "exact" is
    the definition of the Fisher information and costs a backward pass a class; "empirical" is what many programs compute
    instead.

    References
    ----------
    Kirkpatrick, Pascanu, Rabinowitz et al. Overcoming Catastrophic Forgetting in Neural Networks. PNAS 114, 2017.
    Huszar. Note on the Quadratic Penalties in Elastic Weight Consolidation. PNAS 115, 2018.
    Schwarz, Czarnecki, Luketina et al. Progress & Compress. ICML 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, EWC
    >>> from transferkit import Training
    >>> X = np.random.default_rng(0).normal(size=(120, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> z = np.where(X[:, 1] > 0, "up", "down")
    >>> model = EWC(heads="separate", training=Training(n_epochs=15, lr=0.01))
    >>> model = model.partial_fit(Domain(X, y, name="sides")).partial_fit(Domain(X, z, name="heights"))
    >>> model.classes_.tolist()
    ['down', 'left', 'right', 'up']
    >>> model.score(X, z, task="heights") > 0.8
    True
    """

    _constraints: ClassVar = {
        **CONTINUAL_RULES,
        "reg": Interval(float, 0),
        "decay": Either(Nothing(), Interval(float, 0, 1)),
        "fisher": Options("exact", "sampled", "empirical"),
        "fisher_rows": Interval(int, 1),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        reg: float = 100.0,
        decay: float | None = None,
        fisher: str = "exact",
        fisher_rows: int = 500,
        heads: str = "shared",
        plan: str | Mapping[str, Any] | FreezePlan = "full",
        batch_norm: str = "train",
        head: str = "linear",
        dropout: float = 0.0,
        training: Training | None = None,
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.reg = reg
        self.decay = decay
        self.fisher = fisher
        self.fisher_rows = fisher_rows
        self.heads = heads
        self.plan = plan
        self.batch_norm = batch_norm
        self.head = head
        self.dropout = dropout
        self.training = training
        self.random_state = random_state

    def _terms(self, fit: TaskFit) -> Sequence[Anchored]:
        factor = self.reg / 2 * (1 if self.decay is None else self.decay)
        return () if fit.first else [Anchored(fit.network, self.anchor_, self.importance_, factor)]

    def _finish(self, fit: TaskFit, objective: Supervised) -> None:
        groups = torch.as_tensor(fit.labels.groups, device=fit.place.device)

        def of_row(outputs: Tensor, params: list[nn.Parameter], y: int, draw: float) -> list[Tensor]:
            own = torch.tensor([y], device=outputs.device)
            return row_fisher(log_shares(outputs[None], own, groups)[0], params, self.fisher, y, draw)

        here = tensors_of(fit.network)
        found = grow_importance(mean_over_rows(fit, self.fisher_rows, of_row), here)
        if fit.first:
            fit.kept["anchor_"], fit.kept["importance_"] = here, found
            return
        anchor, importance = grow_importance(self.anchor_, here), grow_importance(self.importance_, here)
        if self.decay is None:
            fit.kept["anchor_"], fit.kept["importance_"] = merge_quadratics(anchor, importance, here, found)
        else:
            fit.kept["anchor_"] = here
            fit.kept["importance_"] = {name: self.decay * importance[name] + found[name] for name in here}
