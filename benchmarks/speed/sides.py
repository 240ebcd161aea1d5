"""How each library is called: a fit returns the function that predicts the target's labels."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from problems import Problem
from sklearn.base import clone, is_regressor
from sklearn.linear_model import LogisticRegression

from transferkit import Domain

Predict = Callable[[], np.ndarray]
Fit = Callable[[Problem], Predict]
INNER = LogisticRegression(max_iter=1000)
# What each side is installed as. Two of skada's methods need torch besides.
PEERS = {"skada": "skada", "POT": "ot", "ADAPT": "adapt"}


@dataclass(frozen=True)
class Case:
    """A method, the problem it is timed on, how the settings agree, the fit of each side, and a floor under ours."""

    name: str
    problem: str
    match: str
    sides: Mapping[str, Fit]
    floor: tuple[str, Fit] | None = None  # a part of ours that cannot be left out, in words and as it is timed

    @property
    def timed(self) -> Mapping[str, Fit]:
        """What is timed: the sides, and the floor beside them."""
        return self.sides if self.floor is None else {**self.sides, "floor": self.floor[1]}


def ours(model: Any, p: Problem, labels: bool = False, **fit: Any) -> Predict:
    """Fit a transferkit method; with `labels` it sees the known target labels."""
    target = Domain(p.Xt, p.yt, known=p.known) if labels else Domain(p.Xt)
    model.fit(p.X, p.y, target=target, **fit)
    return lambda: model.predict(p.Xt)


def skada(name: str, p: Problem, inner: Any = INNER, groups: Any = None, **params: Any) -> Predict:
    """Fit a method of skada: domains are numbers, those of targets negative, and hidden labels -1 or NaN."""
    library = importlib.import_module("skada")
    if name.endswith("Reweight"):
        inner = clone(inner).set_fit_request(sample_weight=True)
    sources = np.ones(len(p.X), int) if groups is None else groups + 1
    domain = np.concatenate([sources, np.full(len(p.Xt), -9)])
    hidden = np.full(len(p.Xt), np.nan if is_regressor(inner) else -1)
    model = getattr(library, name)(inner, **params)
    model.fit(np.vstack([p.X, p.Xt]), np.concatenate([p.y, hidden]), sample_domain=domain)
    # The machine of DASVM takes no domains.
    told = {} if name == "DASVMClassifier" else {"sample_domain": np.full(len(p.Xt), -9)}
    return lambda: model.predict(p.Xt, **told)


def pot(name: str, p: Problem, **params: Any) -> Predict:
    """Fit a plan of POT, move the source along it and fit the classifier there."""
    transport = getattr(importlib.import_module("ot.da"), name)(**params)
    transport.fit(Xs=p.X, ys=p.y, Xt=p.Xt)
    model = clone(INNER).fit(transport.transform(Xs=p.X), p.y)
    return lambda: model.predict(p.Xt)


def adapt(name: str, p: Problem, inner: Any = INNER, labels: bool = False, **params: Any) -> Predict:
    """Fit a method of ADAPT that starts from rows of the source."""
    for family in ("instance_based", "feature_based", "parameter_based"):
        library = importlib.import_module(f"adapt.{family}")
        if hasattr(library, name):
            break
    known = {"Xt": p.Xt[p.known], "yt": p.yt[p.known]} if labels else {"Xt": p.Xt}
    model = getattr(library, name)(clone(inner), verbose=0, random_state=0, **known, **params)
    model.fit(p.X, p.y)
    return lambda: np.ravel(model.predict(p.Xt))


def adapt_source(name: str, p: Problem, inner: Any = INNER, **params: Any) -> Predict:
    """Fit a method of ADAPT that starts from a model of the source."""
    library = importlib.import_module("adapt.parameter_based")
    source = clone(inner).fit(p.X, p.y)
    model = getattr(library, name)(source, verbose=0, random_state=0, **params)
    model.fit(p.Xt[p.known], p.yt[p.known])
    return lambda: np.ravel(model.predict(p.Xt))
