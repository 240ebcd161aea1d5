"""SetFit: pairs of the few labelled rows teach the network which belong together; then a logistic head on its features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ...core.constraints import Either, Interval, Options
from ...core.errors import DomainError
from ...core.protocols import Array
from ...engine.features.probe import fit_probe
from ...engine.fine_tuning.estimator import NETWORK_RULES, PLAN_RULES, Fit, NetworkTransfer
from ...engine.inputs.pairs import Pairs, pair_rows
from ...engine.inputs.ragged import by_length, take_rows
from ...engine.inputs.rows import Rows
from ...engine.networks.inference import outputs_of
from ...engine.networks.network import Network
from ...engine.training.freezing import FreezePlan
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.contrast import alike, cosine_loss, draw_pairs, supcon_loss
from ...ops.nn.heads import Head

CARD = {
    "class": "SetFit",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Tunstall et al. Efficient Few-Shot Learning Without Prompts. NeurIPS 2022 workshop ENLSP.",
    "url": "https://arxiv.org/abs/2209.11055",
}

__all__ = ["SetFit"]

_SAMPLING = ("rows", "classes", "oversampling", "undersampling", "unique")


class SetFit(NetworkTransfer):
    """Make many pairs of few labelled rows, train the source model until its features tell which are of one class, fit a head.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model, best one whose features were made to be compared, such as ``"sentence:all-MiniLM-L6-v2"``; see
        `FineTuning`.
    loss : {"cosine", "supcon"}, default="cosine"
        "cosine": squared difference of a pair's cosine from 1 (same class) or 0. "supcon": supervised contrastive loss
        over single rows of a batch, no pairs; an epoch is then one pass over the rows.
    sampling : {"rows", "classes", "oversampling", "undersampling", "unique"}, default="rows"
        Which pairs an epoch has. "rows": for every row `iterations` pairs of its class and as many with another class;
        "classes": so many for every class (the paper's formula). "unique": all pairs there are, a row with itself
        included; "undersampling": as many of each kind as the rarer kind has; "oversampling": as the more frequent has.
    iterations : int in [1, inf), default=20
        The paper's R, for "rows" and "classes".
    temperature : float in (0, inf), default=0.07
        For "supcon": lower looks harder at the most similar rows.
    reg : float in (0, inf) or "cv", default=1.0
        L2 penalty of the logistic head; "cv" chooses it by cross-validation within the training rows.
    plan : str, mapping or FreezePlan, default="full"
        What of the source model trains when; see `FineTuning`. The head is fitted at the end in any case.
    lr_decay : float in (0, 1], default=1.0
        Learning rate of each part as a multiple of that of the part after it.
    batch_norm : {"frozen", "train", "off"}, default="frozen"
        Whether batch normalisation keeps its statistics, follows the batches, or is left alone altogether.
    training : Training, default=None
        Of the source model. None is the paper's: one epoch (with "supcon" `iterations` of them) in batches of 16 pairs,
        AdamW at 2e-5 with a tenth of warm-up and linear decay.
    task : {"auto", "classification", "multilabel"}, default="auto"
        "auto" decides from the labels. Rows with several labels belong together if they share one.
    random_state : int, RandomState or None, default=0
        Seed of the pairs, the batches and the augmentation.

    Attributes
    ----------
    network_ : Network
        The trained body and the logistic head.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        For a classification.
    n_pairs_ : int
        Pairs in an epoch; 0 with "supcon".
    history_ : list of dict
        One row an epoch of the contrastive training.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        The source model's name, and the SHA-256 of its weights.
    facts_ : dict
        What the report shows.
    n_features_in_ : int
        Width of the rows, where they are vectors.

    Notes
    -----
    The first phase minimises the mean over pairs of ``(cos(f(x_i), f(x_j)) - [y_i = y_j])^2``, the second is logistic
    regression on the features, both on the same labels. With C classes of n_c rows, n in all, an epoch has ``2 R C`` pairs for
    "classes" (section 3.1), ``2 R n`` for "rows" (as the authors' library makes them), and of the P = sum n_c (n_c + 1) / 2
    pairs of one class and N of two, ``P + N``, ``2 min(P, N)`` and ``2 max(P, N)`` for the others, also the library's. "supcon"
    is eq. 2 of Khosla et al. on one view a row; rows without another of their class in the batch are left out. A row draws
    itself as a partner only if it is alone in its class. Where we differ: the head standardises the features; a text that is
    in several pairs of a batch passes through the network once, with the same dropout, wherever nothing is augmented.

    References
    ----------
    Tunstall, Reimers, Jo, Bates, Korat, Wasserblat & Pereg. Efficient Few-Shot Learning Without Prompts. 2022.
    Khosla et al. Supervised Contrastive Learning. NeurIPS 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from transferkit import SetFit
    >>> from transferkit import Training
    >>> X = np.random.default_rng(0).normal(size=(20, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> model = SetFit(nn.Linear(4, 16), iterations=5, training=Training(n_epochs=2, lr=0.01)).fit(X, y)
    >>> model.n_pairs_, model.score(X, y) > 0.9
    (200, True)
    """

    _constraints: ClassVar = {
        **{name: NETWORK_RULES[name] for name in ("source", "training", "random_state")},
        **PLAN_RULES,
        "loss": Options("cosine", "supcon"),
        "sampling": Options(*_SAMPLING),
        "iterations": Interval(int, 1),
        "temperature": Interval(float, 0, closed="neither"),
        "reg": Either(Interval(float, 0, closed="neither"), Options("cv")),
        "task": Options("auto", "classification", "multilabel"),
    }
    head, dropout = "linear", 0.0
    _test_params: ClassVar = {"iterations": 2}

    def __init__(
        self,
        source: Any,
        loss: str = "cosine",
        sampling: str = "rows",
        iterations: int = 20,
        temperature: float = 0.07,
        reg: float | str = 1.0,
        plan: str | Mapping[str, Any] | FreezePlan = "full",
        lr_decay: float = 1.0,
        batch_norm: str = "frozen",
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.loss = loss
        self.sampling = sampling
        self.iterations = iterations
        self.temperature = temperature
        self.reg = reg
        self.plan = plan
        self.lr_decay = lr_decay
        self.batch_norm = batch_norm
        self.training = training
        self.task = task
        self.random_state = random_state

    def _train(self, fit: Fit) -> dict[str, Any]:
        if fit.labels.kind == "regression":
            raise DomainError("SetFit.fit: y must hold classes, or 0 and 1 for several labels. Got numbers.")
        training, rows, self.n_pairs_ = fit.training, fit.rows, 0
        if self.training is None:
            epochs = 1 if self.loss == "cosine" else self.iterations
            training = Training(n_epochs=epochs, batch_size=16, lr=2e-5, schedule="linear")
        if self.loss == "cosine":
            assert rows.y is not None
            pairs, same = draw_pairs(rows.y, self.sampling, self.iterations, np.random.default_rng(fit.seed))
            rows, self.n_pairs_ = pair_rows(fit.rows, pairs, torch.as_tensor(same, dtype=torch.float32)), len(pairs)
        facts = super()._train(replace(fit, rows=rows, training=training))
        fit.network.head = self._probe(fit)
        return {**facts, "n_pairs": self.n_pairs_}

    def _objective(self, fit: Fit) -> Objective:
        # Where nothing is augmented, a row is the same in every pair.
        augmented = fit.training.augment and fit.backbone.kind in ("images", "audio")
        pairs = fit.rows.X if self.loss == "cosine" and not augmented else None
        return _Contrast(fit.network, self.loss, self.temperature, pairs)

    def _plan(self, fit: Fit) -> FreezePlan:
        fit.training.body_lr_scale = 1.0  # the body is all that trains: the head has no part in the first phase
        plan = super()._plan(fit)
        return replace(plan, parts=tuple(replace(p, from_epoch=inf) if p.group == "head" else p for p in plan.parts))

    def _judge(self, fit: Fit, objective: Objective) -> float:
        """Score of the head that the features have earned by now."""
        paired = fit.rows.preprocess
        head = self._probe(replace(fit, rows=paired.rows if isinstance(paired, Pairs) else fit.rows))
        with torch.inference_mode():
            outputs = head(torch.from_numpy(self._embed(fit, fit.held))).numpy()
        return fit.labels.score(fit.y_held, fit.labels.predict(outputs))

    def _probe(self, fit: Fit) -> Head:
        return fit_probe(self._embed(fit, fit.rows), fit.y, fit.labels, reg=self.reg, seed=fit.seed)

    def _embed(self, fit: Fit, rows: Rows) -> Array:
        body, t = fit.network.body, fit.training
        return outputs_of(body, lambda x: by_length(body, x), rows, fit.place, max(64, t.batch_size), t.workers)


class _Contrast(Objective):
    """The first phase: features that are alike within a class.

    Parameters
    ----------
    network : Network
    loss : {"cosine", "supcon"}
    temperature : float
    pairs : int array of shape (n_pairs, 2) or None
        Row numbers, if a row that is in several pairs of a batch may pass through the network once for all of them.
    """

    def __init__(self, network: Network, loss: str, temperature: float, pairs: Array | None) -> None:
        super().__init__()
        self.network, self.loss, self.temperature, self.pairs = network, loss, temperature, pairs

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.network.body.parameters()))]

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        stream = batch["target"]
        assert stream.y is not None
        if self.loss == "supcon":
            return {"loss": supcon_loss(by_length(self.network.body, stream.x), alike(stream.y), self.temperature)}
        if self.pairs is None:
            z = by_length(self.network.body, stream.x)
        else:
            _, first, place = np.unique(
                self.pairs[stream.rows.cpu().numpy()].ravel(), return_index=True, return_inverse=True
            )
            z = by_length(self.network.body, take_rows(stream.x, torch.as_tensor(first, device=stream.rows.device)))
            z = z[torch.as_tensor(place, device=z.device)]
        return {"loss": cosine_loss(*Pairs.split(z), stream.y)}
