"""Watch the watchers: for every check of source-free methods between graphs, one that must fail it for one thing alone."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import bad_estimators
import graph_free_checks
from common_checks import Subject, check_constraints, check_docstring
from transferkit import SOGA, TransferWarning, catalogue


class TakesMore(SOGA):
    def fit(self, X, y=None, *, edges=None, more=None):
        """One argument too many."""
        return super().fit(X, y, edges=edges)


class LooksAtLabels(SOGA):
    def fit(self, X, y=None, *, edges=None):
        """Too curious."""
        super().fit(X, edges=edges)
        if y is not None:
            with torch.no_grad():
                self.network_.head.bias[int(np.asarray(y)[0])] += 1
        return self


class GivesLogits(SOGA):
    def predict_proba(self, X, edges=None):
        """Not normalised."""
        return np.exp(self.decision_function(X, edges))


class LearnsInSecret(SOGA):
    def _finish(self, fit, objective):
        self.secret_ = 1


class TouchesTheSource(SOGA):
    def _finish(self, fit, objective):
        getattr(self.source, "network_", self.source).eval()


class Draws(SOGA):
    def _finish(self, fit, objective):
        with torch.no_grad():
            fit.network.head.bias += torch.as_tensor(np.random.default_rng().normal(size=3), dtype=torch.float32)


class SaysNothingUseful(SOGA):
    def fit(self, X, y=None, *, edges=None):
        """Any error is one word."""
        try:
            return super().fit(X, edges=edges)
        except Exception as err:
            raise type(err)("wrong") from err


class WantsEdges(SOGA):
    def fit(self, X, y=None, *, edges=None):
        """Not without."""
        if not np.size(edges):
            raise TypeError("no edges")
        return super().fit(X, edges=edges)


class IsNotWatched(SOGA):
    def _validation(self, fit, objective):
        return None


class GivesOneClass(SOGA):
    def _finish(self, fit, objective):
        with torch.no_grad():
            fit.network.head.bias[0] += 1e4


BAD = (
    ("check_graph_free_protocol", TakesMore, "fit must take"),
    ("check_graph_free_of_labels", LooksAtLabels, "labels must not be looked at"),
    ("check_graph_free_answers", GivesLogits, "Not equal to tolerance"),
    ("check_graph_free_attributes", LearnsInSecret, "undocumented attributes"),
    ("check_graph_free_nothing_changed", TouchesTheSource, "the source changed"),
    ("check_graph_free_repeatable", Draws, "the same seed"),
    ("check_graph_free_errors", SaysNothingUseful, "^wrong$|wrong"),
    ("check_graph_free_odd", WantsEdges, "no edges"),
    ("check_graph_free_history", IsNotWatched, "known without labels"),
    ("check_graph_free_transfers", GivesOneClass, "against the source's network"),
    ("check_graph_free_no_harm", GivesOneClass, "without a shift"),
)


@pytest.mark.parametrize(("name", "cls", "why"), BAD, ids=[f"{name}-{cls.__name__}" for name, cls, _ in BAD])
def test_a_bad_method_fails(name: str, cls: type, why: str, tmp_path: Any, monkeypatch: Any) -> None:
    bad_estimators.pass_as_ours(cls, monkeypatch)
    card = replace(catalogue.card_of("soga"), cls=cls.__name__)
    check = getattr(graph_free_checks, name)
    given = {"folder": tmp_path} if "folder" in inspect.signature(check).parameters else {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*(collapsed|diverged)", TransferWarning)
        with pytest.raises((Exception, pytest.fail.Exception), match=why):
            check(Subject(card, cls), **given)


def test_every_check_has_a_method_that_must_fail_it() -> None:
    shared = {check_constraints, check_docstring}
    own = {c.__name__ for c in graph_free_checks.GRAPH_FREE_CHECKS if c not in shared}
    assert own == {name for name, *_ in BAD}
