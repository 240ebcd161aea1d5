"""Watch the watchers: for every check of source-free and test-time methods, one that must fail it for one thing alone."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import bad_estimators
import source_free_checks
from common_checks import CLASS_CHECKS, Subject
from transferkit import SHOT, Tent, TransferWarning, catalogue
from transferkit.engine.source_free.estimator import SOURCE_FREE_RULES


class LooksAtLabels(SHOT):
    def fit(self, X, y=None):
        """Too curious."""
        found = super().fit(X)
        if y is not None:
            with torch.no_grad():
                self.network_.head.out.bias[int(np.asarray(y)[0])] += 1
        return found


class WantsAnEstimator(SHOT):
    def fit(self, X, y=None):
        """More than the network."""
        if not hasattr(self.source, "history_"):
            raise TypeError("an estimator only")
        return super().fit(X)


class GivesLogits(SHOT):
    def predict_proba(self, X):
        """Not normalised."""
        return np.exp(self.decision_function(X))


class LearnsInSecret(SHOT):
    def _finish(self, fit, objective):
        self.secret_ = 1


class TrainsTheSource(SHOT):
    def _objective(self, fit):
        if hasattr(self.source, "network_"):
            self.source.network_.eval()
        return super()._objective(fit)


class ClonesUnfitted(SHOT):
    def __sklearn_clone__(self):
        copied = super().__sklearn_clone__()
        del copied.source.network_
        return copied


class GoesOn(SHOT):
    def _begin(self, where, X, training, seed):
        fit = super()._begin(where, X, training, seed)
        if hasattr(self, "network_"):
            fit.network.load_state_dict(self.network_.state_dict())
        return fit


class Draws(SHOT):
    def _begin(self, where, X, training, seed):
        fit = super()._begin(where, X, training, seed)
        with torch.no_grad():
            fit.network.head.out.weight.mul_(1 + np.random.normal())  # noqa: NPY002
        return fit


_ELSEWHERE: set[int] = set()


class KeepsItElsewhere(SHOT):
    def _finish(self, fit, objective):
        _ELSEWHERE.add(id(self))

    def _outputs(self, X, method, forward="forward"):
        return super()._outputs(X, method, forward) + (0 if id(self) in _ELSEWHERE else 9)


class WantsFloat64(SHOT):
    def fit(self, X, y=None):
        """No other type."""
        if getattr(X, "dtype", None) != np.float64:
            raise TypeError("float64 arrays only")
        return super().fit(X)


class WantsManyRows(SHOT):
    def fit(self, X, y=None):
        """Not few."""
        if hasattr(X, "__len__") and len(X) < 4:
            raise ValueError("too few rows")
        return super().fit(X)


class SaysNothingUseful(SHOT):
    def _check_input(self, where, X, name="X"):
        if X is None:
            raise TypeError("wrong")
        return super()._check_input(where, X, name)


class ChecksNoParameter(SHOT):
    _constraints: ClassVar = {
        **SOURCE_FREE_RULES,
        "trade_off": type("Any", (), {"text": "be", "holds": lambda self, v: True})(),
    }


class DoesNothing(SHOT):
    def _finish(self, fit, objective):
        fit.network.load_state_dict(self.source.network_.state_dict())


class DoesHarm(SHOT):
    def _finish(self, fit, objective):
        with torch.no_grad():
            fit.network.head.out.weight.neg_()


class IsNotWatched(SHOT):
    def _validation(self, fit, objective):
        return None


class CountsUpdates(SHOT):
    def _objective(self, fit):
        objective, calls = super()._objective(fit), []
        loss = objective._loss

        def counted(batch, progress):
            calls.append(0)
            return {k: v * (1 + len(calls)) for k, v in loss(batch, progress).items()}

        objective._loss = counted
        return objective


class BeginsAnew(Tent):
    def partial_fit(self, X, y=None):
        """Forgets."""
        return self.fit(X)


class KeepsItsOptimizer(Tent):
    def _learn(self, fit):
        kept = _OPTIMIZERS.get(id(self))
        self.state_.pop("optimizer", None)
        if kept is not None and self.n_batches_:
            self.state_["optimizer"] = kept
        found = super()._learn(fit)
        _OPTIMIZERS[id(self)] = self.state_.pop("optimizer")
        return found


_OPTIMIZERS: dict[int, Any] = {}


class WritesNoHistory(Tent):
    def _adapt(self, rows):
        super()._adapt(rows)
        self.history_ = []


BAD = (
    ("check_free_of_labels", LooksAtLabels, "labels must not be looked at"),
    ("check_free_of_source_rows", WantsAnEstimator, "an estimator only"),
    ("check_free_outputs", GivesLogits, "Not equal to tolerance"),
    ("check_free_attributes", LearnsInSecret, "undocumented attributes"),
    ("check_free_nothing_changed", TrainsTheSource, "source model changed"),
    ("check_free_clone", ClonesUnfitted, "source must be fitted"),
    ("check_free_refit", GoesOn, "refit must start fresh"),
    ("check_free_repeatable", Draws, "the same seed"),
    ("check_free_globals", Draws, "global state changed"),
    ("check_free_round_trip", KeepsItElsewhere, "a loaded model must predict"),
    ("check_free_inputs", WantsFloat64, "float64 arrays only"),
    ("check_free_small", WantsManyRows, "too few rows"),
    ("check_free_errors", SaysNothingUseful, "^wrong$"),
    ("check_free_parameters", ChecksNoParameter, "unsupported operand"),
    ("check_free_transfers", DoesNothing, "against the source model"),
    ("check_free_no_harm", DoesHarm, "without a shift"),
    ("check_trained_history", IsNotWatched, "known without labels"),
    ("check_trained_resume", CountsUpdates, "a resumed fit must equal"),
    ("check_online_batches", BeginsAnew, "counted from the first"),
    ("check_online_goes_on", KeepsItsOptimizer, "a loaded model must go on"),
    ("check_online_history", WritesNoHistory, "every batch is in the history"),
)


def run(check, subject, tmp_path):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*collapsed", TransferWarning)
        check(subject, **({"folder": tmp_path} if "folder" in inspect.signature(check).parameters else {}))


@pytest.mark.parametrize(("name", "cls", "why"), BAD, ids=[f"{n}-{c.__name__}" for n, c, _ in BAD])
def test_a_bad_method_fails(name, cls, why, tmp_path, monkeypatch):
    bad_estimators.pass_as_ours(cls, monkeypatch)
    card = replace(catalogue.cards()["tent" if issubclass(cls, Tent) else "shot"], cls=cls.__name__)
    with pytest.raises((Exception, pytest.fail.Exception), match=why):
        run(getattr(source_free_checks, name), Subject(card, cls), tmp_path)


def test_every_check_has_a_method_that_must_fail_it():
    """Those of the class itself are shown with the other protocols."""
    checks = {*source_free_checks.SOURCE_FREE_CHECKS, *source_free_checks.TEST_TIME_CHECKS} - {*CLASS_CHECKS}
    assert {c.__name__ for c in checks} == {name for name, *_ in BAD}
