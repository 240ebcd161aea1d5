"""NAME: what it does in one sentence (this line is the one that lists show)."""

# Copy to algorithms/<paradigm>/<id>.py and the test to tests/algorithms/<paradigm>/test_<id>.py. Nothing else changes.
from __future__ import annotations

from typing import Any, ClassVar

from transferkit.core.base import ESTIMATOR, FeatureTransfer
from transferkit.core.constraints import Interval
from transferkit.core.protocols import Array
from transferkit.core.validation import TransferData

CARD = {
    "class": "MeanShift",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),  # see catalogue.SETTINGS
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),  # importable modules beyond the core
    "cost": "n",  # how fit grows with the rows: n, n^2, n^3
    "scaling": "domain",  # optional: its published protocol standardises each domain by itself
    "with_pairs": (),  # optional: further tasks that it does between feature spaces whose rows are paired
    "portfolio": ({},),  # optional: the settings that `transferkit run` tries
    "paper": "Authors. Title. Venue Year.",
    "url": "https://",
}

__all__ = ["MeanShift"]


class MeanShift(FeatureTransfer):
    """The idea in one sentence.

    Parameters
    ----------
    step : float in [0, 1], default=1.0
        How far the source's mean moves towards the target's.
    estimator : estimator, default=None
        Fitted in the common space. None is logistic regression for classes and ridge regression for numbers.

    Attributes
    ----------
    shift_ : array of shape (n_features,)
        What is added to source rows.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    The objective, and where we differ from the paper and why.

    References
    ----------
    The paper, with the equations that are implemented.

    Examples
    --------
    A doctest of less than two seconds.
    """

    _constraints: ClassVar = {"step": Interval(float, 0, 1), "estimator": ESTIMATOR}
    _test_params: ClassVar = {}  # cheap settings for tests/test_every_algorithm.py
    _known_failures: ClassVar = {}  # common test -> reason

    def __init__(self, step: float = 1.0, estimator: Any = None) -> None:
        self.step = step
        self.estimator = estimator

    def _fit_map(self, data: TransferData) -> Array:
        self.shift_ = self.step * (data.Xt.mean(axis=0) - data.Xs.mean(axis=0))
        return data.Xs + self.shift_

    def _map(self, X: Array, domain: str) -> Array:
        return X + self.shift_ if domain == "source" else X
