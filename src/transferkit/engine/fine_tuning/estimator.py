"""Networks carried over: the source is a trained model, and labelled rows of the target train it on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

from torch import nn

from ...core.constraints import Either, Fulfils, Interval, Nothing, Options, RandomState, Rule
from ...core.protocols import Array
from ...ops.nn.edits import apply_edit, merge_edits
from ...ops.nn.heads import HEADS
from ..answers.labels import KINDS, Labels, as_values, find_labels
from ..backbones import load_backbone
from ..inputs.rows import Rows
from ..networks.backbone import Backbone
from ..networks.estimator import Fit, NetworkEstimator, split_rows
from ..training.device import find_place
from ..training.freezing import BATCH_NORM, FreezePlan, make_plan
from ..training.objective import Objective
from ..training.settings import Training
from .forgetting import forgetting

__all__ = ["NETWORK_RULES", "PLAN_RULES", "Fit", "NetworkTransfer"]

# What every deep estimator's `_constraints` begins with.
NETWORK_RULES: Mapping[str, Rule] = {
    "source": Fulfils(
        "be a backbone's name such as 'timm:resnet18', a torch Module or a Backbone",
        lambda v: isinstance(v, (str, nn.Module, Backbone)) and v != "",
    ),
    "head": Options(*HEADS),
    "dropout": Interval(float, 0, 1, closed="left"),
    "training": Either(Nothing(), Fulfils("be a Training", lambda v: isinstance(v, Training))),
    "task": Options(*KINDS),
    "random_state": RandomState(),
}
# And, where the user may choose what trains when:
PLAN_RULES: Mapping[str, Rule] = {
    "plan": Fulfils("be a freeze plan", lambda v: isinstance(v, (str, FreezePlan, Mapping))),
    "lr_decay": Interval(float, 0, 1, closed="right"),
    "batch_norm": Options(*BATCH_NORM),
}

_FORGETTING_ROWS = 200


class NetworkTransfer(NetworkEstimator):
    """A trained network carried over to labelled target rows (protocol ModelTransfer).

    A subclass writes ``_objective``, and, where it needs to, ``_edits`` or ``_edit``, ``_plan``, ``_streams`` and
    ``_finish``. One whose labels are not one a row writes ``_check_input``, ``_rows``, ``_read_labels``, ``_judge`` and the
    methods of use too.
    """

    source: Any
    _constraints: ClassVar[Mapping[str, Rule]] = NETWORK_RULES

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit on labelled rows of the target.

        Parameters
        ----------
        X : Samples, list of str, array, tensor or map-style torch Dataset
            Target rows of the kind that the backbone takes.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Classes; a table of 0 and 1 for several labels a row; or numbers.

        Returns
        -------
        self : object
            The fitted method.

        Raises
        ------
        ParamError, DomainError, TrainingError
            Naming what cannot be used, or why the training stopped.
        """
        where = f"{type(self).__name__}.fit"
        training = self._checked_training(where)
        X = self._check_input(where, X)
        return self._run(training, lambda seed: self._begin(where, X, y, training, seed))

    def _begin(self, where: str, X: Any, y: Any, training: Training, seed: int) -> Fit:
        """Backbone, labels, rows and the network before training."""
        place = find_place(training.device, training.precision, training.channels_last)
        backbone = self._load(X)
        rows = self._rows(where, X, backbone)
        labels, values = self._read_labels(where, y, X, rows)
        train, held = split_rows(where, rows, values, labels, training, seed)
        network = self._network(backbone, labels)
        return Fit(
            network,
            backbone,
            labels,
            rows.take(train),
            rows.take(held),
            place,
            training,
            seed,
            values[train],
            values[held],
        )

    # What a method may say ----------------------------------------------------------------------------------------

    def _backbone_options(self) -> dict[str, Any]:
        """Options of `load_backbone` that follow from the parameters."""
        return {"pool": "none"} if self.head == "conv" else {}

    def _load(self, X: Any) -> Backbone:
        """The source model."""
        options = self._backbone_options()
        if isinstance(self.source, nn.Module):
            options["sample"] = X[0]
        return load_backbone(self.source, **options)

    def _read_labels(self, where: str, y: Any, X: Any, rows: Rows) -> tuple[Labels, Array]:
        """What the labels are, and their values; sets ``rows.y``."""
        labels, values = find_labels(where, y, len(rows), self.task), as_values(y)
        rows.y = labels.encode(values)
        return labels, values

    def _edits(self) -> Sequence[Mapping[str, Any]]:
        """Changes of the body's structure, as `transferkit.ops.nn.edits` takes them; then nothing else of the body trains."""
        return ()

    def _edit(self, fit: Fit) -> None:
        """Change the network's structure before it is trained."""
        names = [
            n for k, edit in enumerate(self._edits()) for n in apply_edit(fit.network.body, edit, seed=fit.seed + k)
        ]
        fit.network.edits = [dict(edit) for edit in self._edits()]
        fit.only = frozenset(f"body.{name}" for name in names) if fit.network.edits else None

    def _plan(self, fit: Fit) -> FreezePlan:
        """Which part trains when: as `plan`, `lr_decay` and `batch_norm` say, where the method has them."""
        found = make_plan(
            fit.network.groups,
            getattr(self, "plan", "full"),
            n_epochs=fit.training.n_epochs,
            lr_decay=getattr(self, "lr_decay", 1.0),
            body_lr_scale=fit.training.body_lr_scale if fit.only is None else 1.0,
            batch_norm=getattr(self, "batch_norm", "frozen"),
        )
        return found if fit.only is None else replace(found, only=fit.only)

    def _streams(self, fit: Fit) -> Mapping[str, Rows]:
        """Further streams of rows beside the target's."""
        return {}

    def _finish(self, fit: Fit, objective: Objective) -> None:
        """After the training: fold what was added into plain layers, note what was found in ``fit.notes``."""
        if fit.network.edits:
            fit.network.edits = merge_edits(fit.network.body)

    def _all_streams(self, fit: Fit) -> Mapping[str, Rows]:
        return {"target": fit.rows, **self._streams(fit)}

    def _look_back(self, fit: Fit) -> None:
        if "forgetting" not in fit.notes:  # a method that has source data measures it there
            options = {"place": fit.place, "limit": _FORGETTING_ROWS}
            fit.notes["forgetting"] = forgetting(fit.backbone, fit.network.body, fit.rows, **options)
