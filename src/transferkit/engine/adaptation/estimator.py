"""Deep domain adaptation: a network trained on a labelled source and an unlabelled target at once.

How to add a method
-------------------
Most are one term beside the source's loss: write ``_term(fit)``, which gives a `DomainTerm`, a function or Module that
turns the `Joint` of a batch (features and outputs of both domains, the share of the training that is done) into
``{"loss": ..., parts to log}``. `Alignment` adds it `trade_off` times; see ``algorithms/adversarial/dann.py`` (a
term with a network of its own) and ``algorithms/discrepancy/mcc.py`` (without one). The other hooks, from the least to the most:

``_kinds``          tasks that the method is for; anything else is refused in the words of `y`
``_target_labels``  "none": not one target label reaches the method; "may" or "must": rows with a known label are the stream
                    "known" of every batch (and ``fit.known``); the stream "target" has no labels in any case
``_term``           the method's part of the loss
``_objective``      an `Objective` of one's own: several `Step` s (MCD), other forward passes (`joint_pass` is the plain one)
``_streams``        other streams of rows, as one a source domain (``fit.groups`` says which rows are whose); each batch has as
                    many rows of every stream, and an epoch is one pass over the longest
``_network``        another network than body, bottleneck and head
``_plan``           other learning rates, or parts that stand still
``_finish``         after the training: what the report should know, into ``fit.notes``; weights that predict, into the network

Prediction is that of ``fit.network``; what a term or an objective holds besides is gone after the fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from torch import nn

from ...core.constraints import Either, Fulfils, Interval, Nothing, Options, RandomState, Rule
from ...core.errors import DomainError, ParamError
from ...core.protocols import Array, Domain
from ...ops.nn.bottleneck import Bottleneck
from ...ops.nn.heads import HEADS, Head
from ..answers.labels import KINDS, Labels, as_values, find_labels
from ..backbones import load_backbone
from ..backbones.small_models import small_name
from ..inputs.inputs import as_rows
from ..inputs.rows import Rows
from ..networks.backbone import Backbone
from ..networks.estimator import Fit, NetworkEstimator, split_rows
from ..networks.network import Network
from ..training.device import find_place
from ..training.freezing import FreezePlan, make_plan
from ..training.objective import Objective
from ..training.settings import Training
from .alignment import Alignment, DomainTerm
from .target_scores import collapse, some_rows, target_scores, tell_of_collapse

__all__ = ["ADAPTATION_RULES", "TRADE_OFF", "DomainFit", "NetworkAdaptation"]

# What the `_constraints` of every method begin with, and that of the weight of its term.
ADAPTATION_RULES: Mapping[str, Rule] = {
    "backbone": Fulfils(
        "be 'auto', a backbone's name such as 'small:mlp' or 'timm:resnet18', a torch Module or a Backbone",
        lambda v: isinstance(v, (str, nn.Module, Backbone)) and v != "",
    ),
    "bottleneck": Either(Nothing(), Interval(int, 1)),
    "head": Options(*(h for h in HEADS if h != "conv")),
    "dropout": Interval(float, 0, 1, closed="left"),
    "training": Either(Nothing(), Fulfils("be a Training", lambda v: isinstance(v, Training))),
    "task": Options(*KINDS),
    "random_state": RandomState(),
}
TRADE_OFF: Rule = Interval(float, 0)


@dataclass(eq=False, kw_only=True)
class DomainFit(Fit):
    """What a method's objective is built from: `rows` and `held` are the source's.

    Attributes
    ----------
    target : Rows
        All rows of the target, without labels.
    known : Rows or None
        Rows of the target whose label may be used, with it; None where there are none, or the method takes none.
    groups : int64 array of shape (len(rows),)
        The source domain of each row, counted from 0.
    """

    target: Rows
    known: Rows | None
    groups: Array


class NetworkAdaptation(NetworkEstimator):
    """A network adapted from a labelled source to an unlabelled target (protocol Transfer).

    A subclass writes ``_term``, or ``_objective``; what else it may write is at the top of this file.
    """

    backbone: Any
    bottleneck: int | None
    trade_off: float = 1.0
    _constraints: ClassVar[Mapping[str, Rule]] = ADAPTATION_RULES
    _kinds: ClassVar[tuple[str, ...]] = ("classification",)
    _target_labels: ClassVar[Literal["none", "may", "must"]] = "none"
    _accept_sparse: ClassVar[bool] = False

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        """Fit on labelled rows of the source and rows of the target.

        Parameters
        ----------
        X : Samples, list of str, array, data frame, tensor or map-style torch Dataset
            Source rows of the kind that the backbone takes.
        y : array-like of shape (n_samples,)
            Their labels.
        target : Domain
            The target; not one of its labels is looked at, but where the method is made for a few that are `known`.
        groups : array-like of shape (n_samples,), optional
            The source domain of each row.

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
        if not isinstance(target, Domain):
            raise DomainError(
                f"{where}: target must be a Domain, as in target=Domain(X_target). Got {type(target).__name__}."
            )
        self.__dict__.pop("feature_names_in_", None)  # of an earlier fit
        names = _names(X)
        rows, rows_t = self._check_input(where, X), self._check_input(where, target.X, "target.X")
        if names is not None and _names(target.X) not in (None, names):
            raise DomainError(f"{where}: target.X must have the feature names of X. Got {_names(target.X)[:5]}.")
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        begin = (where, rows, y, rows_t, target, groups, training)
        return self._run(training, lambda seed: self._begin(*begin, seed))

    def _begin(
        self, where: str, X: Any, y: Any, Xt: Any, target: Domain, groups: Any, training: Training, seed: int
    ) -> DomainFit:
        """Backbone, labels, rows of both domains and the network before training."""
        place = find_place(training.device, training.precision, training.channels_last)
        backbone = self._load(where, X)
        rows, rows_t = as_rows(where, X, backbone), as_rows(where, Xt, backbone, "target.X")
        shape, shape_t = (getattr(v, "shape", (0,))[1:] for v in (X, Xt))
        if shape != shape_t and backbone.kind in ("vectors", "series"):
            raise DomainError(f"{where}: target.X must have rows of the source's shape {shape}. Got {shape_t}.")
        labels, values = find_labels(where, y, len(rows), self.task), as_values(y)
        if labels.kind not in self._kinds:
            raise DomainError(f"{where}: y must be for {' or '.join(self._kinds)}. Got labels for {labels.kind}.")
        rows.y = labels.encode(values)
        number = np.zeros(len(rows), np.int64) if groups is None else _numbered(where, groups, len(rows))
        train, held = split_rows(where, rows, values, labels, training, seed)
        return DomainFit(
            self._network(backbone, labels),
            backbone,
            labels,
            rows.take(train),
            rows.take(held),
            place,
            training,
            seed,
            values[train],
            values[held],
            target=rows_t,
            known=self._known(where, rows_t, target, labels),
            groups=number[train],
        )

    def _known(self, where: str, rows: Rows, target: Domain, labels: Labels) -> Rows | None:
        """The target's rows with a label that may be used, for a method that takes them."""
        if self._target_labels == "none":
            return None
        if not target.mask.any():
            if self._target_labels == "must":
                raise DomainError(f"{where}: target must have a few known labels. Got none.")
            return None
        found = rows.take(target.known_rows)
        try:
            found.y = labels.encode(as_values(target.known_y))
        except (DomainError, ValueError) as err:
            raise DomainError(
                f"{where}: target.y must hold labels as the source's where it is known. Got: {err}"
            ) from err
        return found

    # What a method may say ----------------------------------------------------------------------------------------

    def _load(self, where: str, X: Any) -> Backbone:
        """The backbone, built for the first row where it is a small one or the user's own."""
        source = self.backbone
        if source == "auto":
            try:
                source = small_name(X[0])
            except ParamError as err:
                raise ParamError(f"{where}: {err}") from err
        from_sample = isinstance(source, nn.Module) or (isinstance(source, str) and source.startswith("small:"))
        return load_backbone(source, **({"sample": X[0]} if from_sample else {}))

    def _network(self, backbone: Backbone, labels: Labels) -> Network:
        """Body, bottleneck and head before training."""
        neck = None if self.bottleneck is None else Bottleneck(backbone.n_features, self.bottleneck)
        width = backbone.n_features if self.bottleneck is None else self.bottleneck
        return Network(backbone, Head(width, labels.n_outputs, self.head, self.dropout), neck)

    def _objective(self, fit: DomainFit) -> Objective:
        return Alignment(fit.network, fit.labels, self._term(fit), self.trade_off)

    def _term(self, fit: DomainFit) -> DomainTerm:
        """What the method adds to the source's loss."""
        raise NotImplementedError(f"{type(self).__name__} must write _term or _objective.")

    def _plan(self, fit: DomainFit) -> FreezePlan:
        """All trains, a pretrained body slower than what is new; batch normalisation follows the batches."""
        is_new = (fit.backbone.spec or {}).get("family") == "small"
        scale = 1.0 if is_new else fit.training.body_lr_scale
        return make_plan(fit.network.groups, n_epochs=fit.training.n_epochs, body_lr_scale=scale, batch_norm="train")

    def _streams(self, fit: DomainFit) -> Mapping[str, Rows]:
        """Where batches come from, by name."""
        known = {} if fit.known is None else {"known": fit.known}
        return {"source": fit.rows, "target": fit.target, **known}

    def _all_streams(self, fit: DomainFit) -> Mapping[str, Rows]:
        return dict(sorted(self._streams(fit).items(), key=lambda item: -len(item[1])))

    # What is watched ----------------------------------------------------------------------------------------------

    def _validation(self, fit: DomainFit, objective: Objective) -> Callable[[], dict[str, float]]:
        judged = super()._validation(fit, objective)
        source, target = some_rows(fit.rows), some_rows(fit.target)

        def scores() -> dict[str, float]:
            found, _ = target_scores(
                fit.network, fit.labels, source, target, fit.place, max(64, fit.training.batch_size)
            )
            return found if judged is None else {**found, "validation": judged()}

        return scores

    def _look_back(self, fit: DomainFit) -> None:
        source, target = some_rows(fit.rows), some_rows(fit.target)
        scores, shares = target_scores(fit.network, fit.labels, source, target, fit.place)
        wrong = collapse(fit.labels, source, len(target), scores["source/score"], shares)
        fit.notes |= {"scores": scores, "target_shares": shares.tolist(), **wrong}
        tell_of_collapse(type(self).__name__, fit.notes)

    # Use ----------------------------------------------------------------------------------------------------------

    def transform(self, X: Any, domain: str = "target") -> Any:
        """What the head gets, of shape (n_samples, n_features).

        Rows of both domains go through the network that predicts; `domain`, "target" or "source", changes nothing. It is
        there because other methods move the rows of one domain only.
        """
        if domain not in ("target", "source"):
            raise ParamError(f"{type(self).__name__}.transform: domain must be 'target' or 'source'. Got {domain!r}.")
        return super().transform(X)

    def _check_input(self, where: str, X: Any, name: str = "X") -> Any:
        names, own = _names(X), getattr(self, "feature_names_in_", None)
        if names is not None and own is not None and names != own.tolist():
            raise DomainError(f"{where}: {name} must have the feature names of fit. Got {names[:5]}.")
        return super()._check_input(where, X, name)


def _names(X: Any) -> list[str] | None:
    """Column names of a data frame, where all are text."""
    found = list(X.columns) if hasattr(X, "columns") else []
    return found if found and all(isinstance(n, str) for n in found) else None


def _numbered(where: str, groups: Any, n: int) -> Array:
    array = np.asarray(groups)
    if array.shape != (n,):
        raise DomainError(
            f"{where}: groups must name the source domain of each of the {n} rows. Got shape {array.shape}."
        )
    return np.unique(array, return_inverse=True)[1].astype(np.int64)
