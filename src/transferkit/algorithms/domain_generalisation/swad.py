"""SWAD: the weights of all updates are averaged, over the valley of the loss on held rows of the sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ...core.constraints import Interval
from ...core.errors import ParamError
from ...core.protocols import Array
from ...engine.adaptation.estimator import ADAPTATION_RULES, DomainFit, NetworkAdaptation
from ...engine.adaptation.several_sources import SourceLosses, Sources, source_streams
from ...engine.inputs.rows import Rows
from ...engine.networks.inference import outputs_of
from ...engine.training.loss_valley import LossValley
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training

CARD = {
    "class": "SWAD",
    "protocol": "Transfer",
    "settings": ("unsupervised", "multi_source"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Cha et al. SWAD: Domain Generalization by Seeking Flat Minima. NeurIPS 2021.",
    "url": "https://arxiv.org/abs/2102.08604",
}

__all__ = ["SWAD"]


class SWAD(NetworkAdaptation):
    """Average the weights of every update from where the loss on held rows is least to where it has risen.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, as for `DANN`: a small network or a pretrained one by name, or a torch Module; "auto" is a small one.
    bottleneck : int in [1, inf) or None, default=256
        Width of the layer between body and head; None is no such layer.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps features to classes.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    held : float in (0, 1), default=0.2
        Share of each source's rows that judge the valley and are not trained on; DomainBed's. At least one, where two are left.
    n_start : int in [1, inf), default=3
        Epochs of which the first must be the best for the valley to begin there; the paper's N_s.
    n_end : int in [1, inf), default=6
        Epochs that must all be above the limit for it to end before them; the paper's N_e.
    ratio : float in [1, inf), default=1.3
        The limit, over the mean loss of the first `n_start` epochs of the valley; the paper's r.
    training : Training, default=None
        Epochs (passes over the longest domain), learning rate, batch size (rows of each domain) and all else; None is
        ``Training()``.
    task : {"auto", "classification", "multilabel", "regression"}, default="auto"
        What the labels are; "auto" decides from them.
    random_state : int, RandomState or None, default=0
        Seed of the first weights, the batches and the augmentation.

    Attributes
    ----------
    network_ : Network
        Body, bottleneck and head, trained.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        Of the sources.
    history_ : list of dict
        One row an epoch: ``train/task``, ``valley/loss`` (the mean over the sources of the loss on their held rows,
        without averaging), ``valley/limit`` (0 before the valley) and the label-free scores that `DANN` lists, of the
        weights that are not averaged.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        The body's name, and the SHA-256 of its first weights.
    facts_ : dict
        What the report shows, with the last scores, the target's class shares, ``collapsed`` and ``diverged``.
    n_features_in_ : int
        Width of the rows, where they are vectors.
    feature_names_in_ : array of shape (n_features_in_,)
        Column names, where the rows are a data frame.

    Notes
    -----
    Algorithm 1: the network descends on the mean of the sources' losses, and the weights that stay are the mean of
    those after every update of the valley. The held rows are asked once an epoch where the paper asks every 50 to 500
    updates, and an epoch's updates are in the mean together. Without a valley they are the mean of the last epoch, as
    in the authors' code, and where the valley has no end all updates from its start count. The statistics of batch
    normalisation are averaged with the weights. The paper has a constant rate: ``Training(schedule="constant")``;
    ``training.average`` must stay None. Where no row can be held, all rows judge. The target has no part in the
    training: its rows serve only for the label-free scores in ``history_``, and any other target gives the same
    network. The cost of a step is one forward and backward pass of the sources' rows; the memory, ``max(n_start, n_end)
    + 2`` copies of the weights.

    References
    ----------
    Cha, Chun, Lee, Cho, Park, Lee & Park. SWAD: Domain Generalization by Seeking Flat Minima. NeurIPS 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import SWAD, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt, groups = rng.normal(size=(90, 4)), rng.normal(size=(60, 4)), np.arange(90) % 3
    >>> y, X[:, 2] = X[:, 0] > 0, X[:, 2] + groups - 1
    >>> model = SWAD("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt), groups=groups).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "held": Interval(float, 0, 1, closed="neither"),
        "n_start": Interval(int, 1),
        "n_end": Interval(int, 1),
        "ratio": Interval(float, 1),
    }
    _kinds: ClassVar = ("classification", "multilabel", "regression")

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        held: float = 0.2,
        n_start: int = 3,
        n_end: int = 6,
        ratio: float = 1.3,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.held = held
        self.n_start = n_start
        self.n_end = n_end
        self.ratio = ratio
        self.training = training
        self.task = task
        self.random_state = random_state

    def _split(self, fit: DomainFit) -> list[tuple[Array, Array]]:
        """For each source, the rows that are trained on and those that are held."""
        found = []
        for k, rows in enumerate(source_streams(fit).values()):
            order = np.random.default_rng([fit.seed, k]).permutation(len(rows))
            n = max(0, min(max(1, int(self.held * len(rows))), len(rows) - 2))
            found.append((np.sort(order[n:]), np.sort(order[:n])))
        return found

    def _streams(self, fit: DomainFit) -> Mapping[str, Rows]:
        parts = zip(source_streams(fit).items(), self._split(fit))
        return {name: rows.take(own) for (name, rows), (own, _) in parts}

    def _judges(self, fit: DomainFit) -> list[Rows]:
        streams = list(source_streams(fit).values())
        held = [rows.take(own) for rows, (_, own) in zip(streams, self._split(fit)) if len(own)]
        return held or streams

    def _objective(self, fit: DomainFit) -> Objective:
        if fit.training.average is not None:
            raise ParamError(
                f"{type(self).__name__}.fit: training.average must be None: the method averages by itself."
                f" Got {fit.training.average!r}."
            )
        valley = LossValley(fit.network, self.n_start, self.n_end, self.ratio)
        return _Watched(SourceLosses(fit.network, fit.labels, _mean), valley)

    def _validation(self, fit: DomainFit, objective: Objective) -> Callable[[], dict[str, float]]:
        watched, judges = super()._validation(fit, objective), self._judges(fit)
        valley: Any = objective.get_submodule("valley")

        def scores() -> dict[str, float]:
            losses = []
            for rows in judges:
                assert rows.y is not None
                outputs = outputs_of(
                    objective, objective.predict_step, rows, fit.place, max(64, fit.training.batch_size)
                )
                losses.append(fit.labels.loss(torch.as_tensor(outputs), rows.y).item())
            valley.judge(fit.network, float(np.mean(losses)))
            return {**watched(), "valley/loss": float(np.mean(losses)), "valley/limit": valley.limit}

        return scores

    def _finish(self, fit: DomainFit, objective: Objective) -> None:
        valley: Any = objective.get_submodule("valley")
        valley.give(fit.network)
        fit.notes |= {"averaged": int(valley.facts[0]), "valley_ended": valley.has_ended}


class _Watched(Objective):
    """The mean of the losses; before every update the valley takes in the weights that the one before has left."""

    def __init__(self, inner: SourceLosses, valley: LossValley) -> None:
        super().__init__()
        self.inner, self.valley = inner, valley
        self._seen: float | None = None

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.inner.parameters()))]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        if progress != self._seen:  # an update that is cut into pieces asks with every piece
            self._seen = progress
            self.valley.take(self.inner.network, moves=True)
        return self.inner.steps()[0].loss(batch, progress)

    def predict_step(self, x: Any) -> Tensor:
        return self.inner.predict_step(x)


def _mean(sources: Sources, progress: float) -> Mapping[str, Tensor]:
    return {"loss": sources.losses.mean()}
