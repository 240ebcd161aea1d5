"""For every check of methods that carry a network over, one that must fail it; each differs from a good one in one thing."""

from __future__ import annotations

import random
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from transferkit import ParamError
from transferkit.core.constraints import Interval
from transferkit.engine.fine_tuning.estimator import NETWORK_RULES, Fit, NetworkTransfer
from transferkit.engine.fine_tuning.supervised import Supervised
from transferkit.engine.training.settings import Training


class GoodNetwork(NetworkTransfer):
    """Train all of the source model on the target's labels.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model.
    head : str, default="linear"
        From features to outputs.
    dropout : float in [0, 1), default=0.0
        Share of the features that is dropped.
    training : Training, default=None
        Settings of the loop.
    task : str, default="auto"
        What the labels are.
    random_state : int, RandomState or None, default=0
        Seed.

    Attributes
    ----------
    network_, labels_, classes_, history_, n_updates_, backbone_name_, fingerprint_, facts_, n_features_in_ : object
        What was learned.

    Notes
    -----
    Minimises the mean loss of the rows.

    References
    ----------
    None but the common checks themselves.

    Examples
    --------
    >>> GoodNetwork("timm:resnet18").head
    'linear'
    """

    _constraints: ClassVar = NETWORK_RULES

    def __init__(
        self,
        source: Any,
        head: str = "linear",
        dropout: float = 0.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.head = head
        self.dropout = dropout
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: Fit) -> Supervised:
        return Supervised(fit.network, fit.labels)


class NetworkRenamesRows(GoodNetwork):
    def fit(self, rows, y=None):
        """X has another name."""
        return super().fit(rows, y)


class NetworkLacksConstraint(GoodNetwork):
    _constraints: ClassVar = {k: v for k, v in NETWORK_RULES.items() if k != "random_state"}


class NetworkDefaultOutOfRange(GoodNetwork):
    _constraints: ClassVar = {**NETWORK_RULES, "dropout": Interval(float, 0.5, 1)}


class NetworkLacksText(GoodNetwork):
    __doc__ = GoodNetwork.__doc__.replace("        The trained model.\n", "")


class NetworkCopiesItsSource(GoodNetwork):
    def __init__(self, source, head="linear", dropout=0.0, training=None, task="auto", random_state=0):
        super().__init__(source, head, dropout, training, task, random_state)
        self.training = Training(**training.get_params()) if training else None


class NetworkPredictsAnything(GoodNetwork):
    def predict(self, X):
        """No class."""
        return np.full(len(X), -7)


class NetworkGivesLogits(GoodNetwork):
    def predict_proba(self, X):
        """Not normalised."""
        return np.exp(self.decision_function(X))


class NetworkTakesNumbersForClasses(GoodNetwork):
    def fit(self, X, y=None):
        """Numbers become classes."""
        y = np.asarray(y)
        return super().fit(X, np.round(y).astype(int) if y.dtype.kind == "f" else y)


class NetworkLearnsInSecret(GoodNetwork):
    def _finish(self, fit, objective):
        self.secret_ = 1


class NetworkTrainsTheSource(GoodNetwork):
    def _objective(self, fit):
        if isinstance(self.source, nn.Module):
            with torch.no_grad():
                next(self.source.parameters()).add_(1.0)
        return super()._objective(fit)


class NetworkFreezesTheSource(GoodNetwork):
    def _objective(self, fit):
        if isinstance(self.source, nn.Module):
            self.source.eval().requires_grad_(False)
        return super()._objective(fit)


class NetworkScalesInPlace(GoodNetwork):
    def fit(self, X, y=None):
        """Changes the rows."""
        if isinstance(X, np.ndarray) and X.dtype.kind == "f":
            X /= 2
        return super().fit(X, y)


class NetworkReturnsNothing(GoodNetwork):
    def fit(self, X, y=None):
        """Not self."""
        super().fit(X, y)


class NetworkGoesOn(GoodNetwork):
    def _network(self, backbone, labels):
        made = super()._network(backbone, labels)
        if hasattr(self, "network_"):
            made.body.load_state_dict(self.network_.body.state_dict())
        return made


class NetworkDraws(GoodNetwork):
    def _objective(self, fit):
        with torch.no_grad():
            fit.network.head.out.weight.mul_(1 + np.random.normal())  # noqa: NPY002
        return super()._objective(fit)


class NetworkSeedsAll(GoodNetwork):
    def _objective(self, fit):
        random.seed(0)
        return super()._objective(fit)


class NetworkSetsThreads(GoodNetwork):
    def _train(self, fit):
        torch.set_float32_matmul_precision("medium")
        return super()._train(fit)


_ELSEWHERE: dict[int, Any] = {}


class NetworkKeepsItElsewhere(GoodNetwork):
    def _finish(self, fit, objective):
        _ELSEWHERE[id(self)] = True

    def _outputs(self, X, method, forward="forward"):
        return super()._outputs(X, method, forward) + (0 if id(self) in _ELSEWHERE else 9)


class NetworkLooksAround(GoodNetwork):
    def _outputs(self, X, method, forward="forward"):
        found = super()._outputs(X, method, forward)
        return found - found.mean(axis=0) / 2


class NetworkWantsFloat32(GoodNetwork):
    def fit(self, X, y=None):
        """No other type."""
        if getattr(X, "dtype", None) != np.float32:
            raise TypeError("float32 only")
        return super().fit(X, y)


class NetworkWantsNumbersAsLabels(GoodNetwork):
    def fit(self, X, y=None):
        """No text."""
        return super().fit(X, None if y is None else np.asarray(y).astype(float).astype(int))


class NetworkWantsManyRows(GoodNetwork):
    def fit(self, X, y=None):
        """Not few."""
        if len(X) < 4:
            raise ValueError("too few rows")
        return super().fit(X, y)


class NetworkDividesByZero(GoodNetwork):
    def _outputs(self, X, method, forward="forward"):
        return super()._outputs(X, method, forward) * (np.nan if self.n_updates_ < 5 else 1)


class NetworkTakesShortLabels(GoodNetwork):
    def fit(self, X, y=None):
        """Fills up."""
        if y is not None and hasattr(X, "__len__"):
            y = np.resize(np.asarray(y), (len(X), *np.shape(y)[1:]))
        return super().fit(X, y)


class NetworkChecksNoParameter(GoodNetwork):
    _constraints: ClassVar = {
        **NETWORK_RULES,
        "random_state": type("Any", (), {"text": "be", "holds": lambda self, v: True})(),
    }


class NetworkSwallowsTheName(GoodNetwork):
    def fit(self, X, y=None):
        """No near names."""
        try:
            return super().fit(X, y)
        except ParamError as err:
            raise ParamError(str(err).replace("resnet18", "?")) from err


class NetworkLearnsNothing(GoodNetwork):
    def _finish(self, fit, objective):
        with torch.no_grad():
            fit.network.head.out.weight.zero_()


class NetworkForgets(GoodNetwork):
    def _edit(self, fit):
        for module in fit.network.body.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()


BAD: list[tuple[str, str, type, str]] = [
    ("ModelTransfer", name, cls, why)
    for name, cls, why in (
        ("check_protocol", NetworkRenamesRows, "must have the signature"),
        ("check_constraints", NetworkLacksConstraint, "one entry a parameter"),
        ("check_constraints", NetworkDefaultOutOfRange, "default of dropout must be"),
        ("check_docstring", NetworkLacksText, "source must have a text"),
        ("check_clone", NetworkCopiesItsSource, "modifies parameter training"),
        ("check_network_tasks", NetworkPredictsAnything, "must predict classes"),
        ("check_network_tasks", NetworkGivesLogits, "Not equal to tolerance"),
        ("check_network_tasks", NetworkTakesNumbersForClasses, "numbers became classes"),
        ("check_network_attributes", NetworkLearnsInSecret, "undocumented attributes"),
        ("check_network_nothing_changed", NetworkTrainsTheSource, "source model changed"),
        ("check_network_nothing_changed", NetworkFreezesTheSource, "source model changed"),
        ("check_network_nothing_changed", NetworkScalesInPlace, "inputs changed"),
        ("check_network_nothing_changed", NetworkReturnsNothing, "must return self"),
        ("check_network_refit", NetworkGoesOn, "a refit must start fresh"),
        ("check_network_repeatable", NetworkDraws, "the same seed"),
        ("check_network_globals", NetworkDraws, "global state changed"),
        ("check_network_globals", NetworkSeedsAll, "global state changed"),
        ("check_network_globals", NetworkSetsThreads, "global state changed"),
        ("check_network_round_trip", NetworkKeepsItElsewhere, "must predict what the saved one did"),
        ("check_network_inputs", NetworkLooksAround, "must not depend on those beside"),
        ("check_network_inputs", NetworkWantsFloat32, "float32 only"),
        ("check_network_labels", NetworkWantsNumbersAsLabels, "could not convert"),
        ("check_network_small", NetworkWantsManyRows, "too few rows"),
        ("check_network_small", NetworkDividesByZero, "not finite"),
        ("check_network_errors", NetworkTakesShortLabels, "DID NOT RAISE"),
        ("check_network_parameters", NetworkChecksNoParameter, "cannot be used to seed"),
        ("check_network_parameters", NetworkSwallowsTheName, "resnet18"),
        ("check_network_learns", NetworkLearnsNothing, "on its own rows"),
        ("check_network_transfers", NetworkForgets, "has learned nothing"),
    )
]
GOOD: dict[str, type] = {"ModelTransfer": GoodNetwork}
