"""Source-free adaptation: a trained classifier and unlabelled rows of the target, and not one row of the source.

How to add a method
-------------------
Write ``_objective(fit)``, an `Objective` on the stream "target", which has no labels. ``fit.network`` is a copy of the source's
network with its classifier, ``fit.rows`` the target, ``fit.training`` the settings; `whole_pass` gives features and outputs of all
rows. What an objective computes of the whole target must be a buffer, so that a resumed training goes on with it. A part that
must not move is left out of the step's parameters, and named by ``frozen()`` where it has statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.utils import Tags
from torch import Tensor

from ...core.constraints import Either, Fulfils, Nothing, Rule
from ...core.errors import DomainError, ParamError
from ...core.protocols import Array
from ..adaptation.target_scores import some_rows
from ..answers.labels import Labels
from ..inputs.rows import Rows
from ..networks.estimator import Fit, NetworkEstimator
from ..networks.inference import outputs_of
from ..networks.network import Network
from ..training.device import Place, find_place
from ..training.freezing import FreezePlan, make_plan
from ..training.objective import Objective
from ..training.settings import Training
from .collapse import note_collapse, scores_of
from .source_model import SOURCE_RULES, clone_with_source, read_source, target_rows

__all__ = ["SOURCE_FREE_RULES", "SourceFree", "answer_scores", "whole_pass"]

SOURCE_FREE_RULES: Mapping[str, Rule] = {
    **SOURCE_RULES,
    "training": Either(Nothing(), Fulfils("be a Training", lambda v: isinstance(v, Training))),
}


class SourceFree(NetworkEstimator):
    """A trained classifier adapted to unlabelled rows of the target (protocol ModelTransfer)."""

    source: Any
    classes: Any
    head = "linear"
    dropout = 0.0
    task = "classification"
    _constraints: ClassVar[Mapping[str, Rule]] = SOURCE_FREE_RULES

    def fit(self, X: Any, y: Any = None) -> Self:
        """Adapt the source model to rows of the target.

        Parameters
        ----------
        X : Samples, list of str, array, data frame, tensor or map-style torch Dataset
            Target rows of the kind that the source model takes.
        y : ignored
            No label is looked at; it is there so that the method fits where scikit-learn passes one.

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
        if training.validation > 0:
            raise ParamError(f"{where}: training.validation must be 0: there are no labels. Got {training.validation}.")
        X = self._check_input(where, X)
        return self._run(training, lambda seed: self._begin(where, X, training, seed))

    def _begin(self, where: str, X: Any, training: Training, seed: int) -> Fit:
        place = find_place(training.device, training.precision, training.channels_last)
        network, labels = read_source(where, self.source, self.classes, X[0])
        rows = target_rows(where, X, network)
        if len(rows) < 2:
            raise DomainError(f"{where}: X must have two rows at least. Got {len(rows)}.")
        none = np.empty(0)
        fit = Fit(network, network.backbone, labels, rows, rows.take(np.arange(0)), place, training, seed, none, none)
        place.put(network)
        fit.notes["scores_before"], shares = answer_scores(network, labels, some_rows(rows), place)
        fit.notes["target_shares_before"] = shares.tolist()
        return fit

    def _plan(self, fit: Fit) -> FreezePlan:
        """All trains, a large body slower than what follows it; batch normalisation follows the batches."""
        is_small = (fit.backbone.spec or {}).get("family") == "small"
        scale = 1.0 if is_small else fit.training.body_lr_scale
        return make_plan(fit.network.groups, n_epochs=fit.training.n_epochs, body_lr_scale=scale, batch_norm="train")

    def _all_streams(self, fit: Fit) -> Mapping[str, Rows]:
        return {"target": fit.rows}

    def _validation(self, fit: Fit, objective: Objective) -> Callable[[], dict[str, float]]:
        rows = some_rows(fit.rows)
        return lambda: answer_scores(fit.network, fit.labels, rows, fit.place)[0]

    def _look_back(self, fit: Fit) -> None:
        rows = some_rows(fit.rows)
        scores, shares = answer_scores(fit.network, fit.labels, rows, fit.place)
        note_collapse(type(self).__name__, fit.notes, scores, shares, len(rows), "rows")

    def __sklearn_clone__(self) -> Any:
        return clone_with_source(self)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        return tags


def answer_scores(
    network: Network, labels: Labels, rows: Rows, place: Place, batch_size: int = 64
) -> tuple[dict[str, float], Array]:
    """`scores_of` a network's answers to unlabelled rows."""
    return scores_of(labels.proba(outputs_of(network, network.forward, rows, place, batch_size)))


def whole_pass(network: Network, rows: Rows, place: Place, batch_size: int = 64) -> tuple[Tensor, Tensor]:
    """Features and outputs of all rows in evaluation mode, on the network's device."""

    def both(x: Any) -> Tensor:
        z = network.features(x)
        return torch.cat([z.float(), network.head(z).float()], dim=1)

    found = torch.from_numpy(outputs_of(network, both, rows, place, batch_size)).to(place.device)
    return found[:, : network.n_features], found[:, network.n_features :]
