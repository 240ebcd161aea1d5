"""Test-time adaptation: a trained classifier that goes on adapting, batch by batch, to the unlabelled rows it is asked about.

How to add a method
-------------------
Write ``_objective(fit)``, an `Objective` on the stream "target" whose steps move what the method moves; it is carried out
``n_steps`` times a batch, and the optimizer's state is carried on. A method without gradients writes ``_learn(fit)`` instead, which
changes ``self.network_`` and gives numbers for the history. What is carried from batch to batch is in ``self.state_`` (numbers and
tensors, which the store keeps). `OnlineAdaptation` watches over all of them: where the answers collapse it goes back to the
source model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self
from warnings import warn

import numpy as np
import torch
from sklearn.utils import Tags, check_random_state

from ...core.constraints import Fulfils, Interval, Options, Rule, check_params
from ...core.errors import DomainError, TransferWarning
from ...core.protocols import Array
from ...ops.nn.moving_statistics import moving_statistics
from ..inputs.rows import Rows
from ..networks.estimator import Fit, NetworkEstimator
from ..networks.network import Network
from ..training.device import find_place
from ..training.freezing import FreezePlan, make_plan
from ..training.loop import Loop
from ..training.objective import Objective
from ..training.optimizers import load_state
from ..training.settings import OPTIMIZERS, Training
from .collapse import shares_collapse
from .estimator import answer_scores
from .source_model import SOURCE_RULES, clone_with_source, read_source, target_rows

__all__ = ["ONLINE_RULES", "STEP_RULES", "OnlineAdaptation"]

# What the `_constraints` of every method begin with, and of those that take gradient steps.
ONLINE_RULES: Mapping[str, Rule] = {
    **SOURCE_RULES,
    "batch_size": Interval(int, 1),
    "device": Fulfils("be 'auto' or a device such as 'cpu' or 'cuda:0'", lambda v: isinstance(v, str) and bool(v)),
}
STEP_RULES: Mapping[str, Rule] = {
    "lr": Interval(float, 0, closed="neither"),
    "optimizer": Options(*OPTIMIZERS),
    "batch_share": Interval(float, 0, 1, closed="right"),
    "roll_back": Interval(float, 0, 1),
}
_KEPT = 0.9  # of the counts of classes named so far, with every batch


class OnlineAdaptation(NetworkEstimator):
    """A trained classifier adapted to one unlabelled batch after the other (protocol ModelTransfer, with ``partial_fit``)."""

    source: Any
    classes: Any
    batch_size: int
    device: str
    head = "linear"
    dropout = 0.0
    task = "classification"
    n_steps: int = 1
    lr: float = 1e-3
    optimizer: str = "adam"
    batch_share: float = 1.0
    roll_back: float = 0.0
    _constraints: ClassVar[Mapping[str, Rule]] = ONLINE_RULES
    _least: ClassVar[int] = 2  # rows that batch normalisation needs

    @property
    def training(self) -> Training:  # type: ignore[override]
        """Settings of the loop for a batch."""
        return Training(
            n_epochs=self.n_steps, batch_size=max(self.batch_size, 2), lr=self.lr, optimizer=self.optimizer, body_lr_scale=1.0,
            weight_decay=0.0, schedule="constant", warmup=0.0, augment=False, device=self.device, progress=False,
        )  # fmt: skip

    def fit(self, X: Any, y: Any = None) -> Self:
        """Begin with the source model, and adapt to the rows in their order.

        Parameters
        ----------
        X : Samples, list of str, array, data frame, tensor or map-style torch Dataset
            Target rows of the kind that the source model takes.
        y : ignored
            No label is looked at; it is there so that the method fits where scikit-learn passes one.

        Returns
        -------
        self : object
            The adapted method.

        Raises
        ------
        ParamError, DomainError, TrainingError
            Naming what cannot be used, or why a step could not be done.
        """
        return self._take(X, "fit", anew=True)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Go on with further rows; before any fit, as `fit`.

        Parameters
        ----------
        X : Samples, list of str, array, data frame, tensor or map-style torch Dataset
            Target rows.
        y : ignored
            As in `fit`.

        Returns
        -------
        self : object
            The adapted method.

        Raises
        ------
        ParamError, DomainError, TrainingError
            As `fit`.
        """
        return self._take(X, "partial_fit", anew=not hasattr(self, "network_"))

    def _take(self, X: Any, method: str, *, anew: bool) -> Self:
        where = f"{type(self).__name__}.{method}"
        check_params(self)
        X = self._check_input(where, X)
        if len(X) < self._least:
            raise DomainError(f"{where}: X must have {self._least} rows at least. Got {len(X)}.")
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            if anew:
                rows = self._begin(where, X)
            else:
                rows = target_rows(where, X, self.network_)
            starts = list(range(0, len(rows), self.batch_size))
            if len(starts) > 1 and len(rows) - starts[-1] < self._least:
                starts.pop()  # the last rows join those before
            for start, stop in zip(starts, [*starts[1:], len(rows)]):
                self._adapt(rows.take(np.arange(start, stop)))
        return self

    def _begin(self, where: str, X: Any) -> Rows:
        network, labels = read_source(where, self.source, self.classes, X[0])
        rows = target_rows(where, X, network)
        self._check_source(where, network)
        place = find_place(self.device, "auto", True)
        place.put(network)
        self.network_, self.source_network_, self.labels_ = network, network.copy(), labels
        assert labels.classes is not None
        self.classes_ = labels.classes
        self.backbone_name_, self.fingerprint_ = network.backbone.name, network.backbone.fingerprint
        self.n_batches_ = self.n_roll_backs_ = 0
        self.history_: list[dict[str, Any]] = []
        self.facts_: dict[str, Any] = {
            "backbone": self.backbone_name_, "weights": self.fingerprint_, "device": str(place.device),
            "precision": place.precision,
        }  # fmt: skip
        self.state_: dict[str, Any] = {"seed": int(check_random_state(self.random_state).randint(2**31 - 1))}
        self._set_off()
        if network.backbone.kind == "vectors":
            self.n_features_in_ = int(rows[0].shape[0])
        elif hasattr(self, "n_features_in_"):
            del self.n_features_in_
        return rows

    def _adapt(self, rows: Rows) -> None:
        place = find_place(self.device, "auto", True)
        for network in (self.network_, self.source_network_):
            place.put(network)
        seed = int(np.random.SeedSequence([self.state_["seed"], self.n_batches_]).generate_state(1)[0])
        torch.manual_seed(seed)
        none, backbone = np.empty(0), self.network_.backbone
        fit = Fit(self.network_, backbone, self.labels_, rows, rows, place, self.training, seed, none, none)
        fit.training.batch_size = len(rows)
        row: dict[str, Any] = {"batch": self.n_batches_ + 1, **self._learn(fit)}
        scores, shares = answer_scores(self.network_, self.labels_, rows, place)
        _, before = answer_scores(self.source_network_, self.labels_, rows, place)
        collapsed = self._count("counts", shares, rows), self._count("counts_before", before, rows)
        back = shares_collapse(*collapsed, self.roll_back)
        if back:
            warn(
                f"{type(self).__name__}: answers to the last batches have collapsed: {collapsed[0].max() / collapsed[0].sum():.0%}"
                f" are one class, {collapsed[1].max() / collapsed[1].sum():.0%} by the source model, which is gone back to.",
                TransferWarning,
                stacklevel=4,
            )
        if back or self.state_.pop("recover", False):
            self._go_back()
        self.n_batches_ += 1
        self.history_.append({**row, **scores, "rolled_back": int(back)})
        self.facts_ |= {"batches": self.n_batches_, "roll_backs": self.n_roll_backs_, "scores": scores}

    def _count(self, name: str, shares: Array, rows: Rows) -> Array:
        found: Array = _KEPT * self.state_.get(name, 0.0) + shares * len(rows)
        self.state_[name] = found
        return found

    def _go_back(self) -> None:
        """To the source model, and forget what was carried on."""
        self.network_.load_state_dict(self.source_network_.state_dict())
        self.n_roll_backs_ += 1
        self.state_ = {"seed": self.state_["seed"]}
        self._set_off()

    # What a method may say ----------------------------------------------------------------------------------------

    def _check_source(self, where: str, network: Network) -> None:
        """Refuse a source model that the method cannot adapt."""

    def _set_off(self) -> None:
        """Put into ``state_`` what there is before the first batch."""

    def _learn(self, fit: Fit) -> dict[str, float]:
        """Adapt to a batch: ``n_steps`` updates of the objective."""
        objective = self._objective(fit)
        loop = Loop(
            objective, self._all_streams(fit), fit.training, network=fit.network, groups=fit.network.groups,
            plan=self._plan(fit), seed=fit.seed,
        )  # fmt: skip
        if "optimizer" in self.state_:
            load_state(loop.optimizer, self.state_["optimizer"])
        with moving_statistics(self.network_, self.batch_share):
            trained = loop.run()
        self.state_["optimizer"] = loop.optimizer.state_dict()
        return {k: v for k, v in trained.history[-1].items() if k not in ("epoch", "lr")}

    def _objective(self, fit: Fit) -> Objective:
        raise NotImplementedError(f"{type(self).__name__} must write _objective or _learn.")

    def _plan(self, fit: Fit) -> FreezePlan:
        return make_plan(fit.network.groups, n_epochs=fit.training.n_epochs, batch_norm="train")

    def _all_streams(self, fit: Fit) -> Mapping[str, Rows]:
        return {"target": fit.rows}

    def __sklearn_clone__(self) -> Any:
        return clone_with_source(self)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        return tags
