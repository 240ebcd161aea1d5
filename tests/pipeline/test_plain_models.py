"""The choice of the plain model survives a model that ends its process."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from transferkit import Domain, TrainingError, TransferWarning
from transferkit.pipeline import plain_models
from transferkit.pipeline.plain_models import select_estimator
from transferkit.pipeline.prepare import Prepared


class Killer(ClassifierMixin, BaseEstimator):
    """Takes its process with it; as a forest in the list of plain models."""

    def __init__(self, n_estimators=0, min_samples_leaf=0, random_state=None):
        self.n_estimators = n_estimators
        self.min_samples_leaf = min_samples_leaf
        self.random_state = random_state

    def fit(self, X, y):
        os.kill(os.getpid(), signal.SIGKILL)


def world():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)) + 3 * (np.arange(60) % 2)[:, None], np.arange(60) % 2
    return Prepared.of_arrays(Domain(X, y, name="a"), Domain(X, name="b"))


def test_a_model_that_ends_its_process_is_left_out(monkeypatch):
    monkeypatch.setattr(plain_models, "ExtraTreesClassifier", Killer)
    monkeypatch.setattr(plain_models, "Parallel", lambda **_: _breaks_at_the_last)
    with pytest.warns(TransferWarning, match="Killer ended the process that judged it"):
        found, score = select_estimator(world(), 0, jobs=2)
    assert isinstance(found.steps[-1][1], LogisticRegression)
    assert score > 0.9


def test_where_all_end_theirs_it_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr(plain_models, "_scores_alone", lambda model, X, y, splits, scoring: np.full(3, -np.inf))
    monkeypatch.setattr(plain_models, "Parallel", lambda **_: _broken)
    with pytest.raises(TrainingError, match="every process that judges a plain model"):
        select_estimator(world(), 0, jobs=2)


def _breaks_at_the_last(calls):
    """As a pool of processes does."""
    *before, _ = calls
    for function, args, kwargs in before:
        yield function(*args, **kwargs)
    raise plain_models.BrokenExecutor


def _broken(calls):
    raise plain_models.BrokenExecutor
