"""`--tune-proposal`: the numbers of the one proposal, tuned by cross-validation of a few target labels anew in every fit."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from inspect import signature
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state

from ..core.compose import TransferPipeline
from ..core.constraints import Either, EstimatorLike, Fulfils, Interval, Nothing, RandomState, Rule, check_params
from ..core.errors import TransferError
from ..core.protocols import Array, Domain
from ..ops.evidence.findings import finding
from ..ops.folds import deal_folds
from .studies import ETA, check_search, new_study

__all__ = ["LabelSearch", "says_of", "space_of"]

FOLDS = 3
DEALS = ETA  # of the labels to folds; a setting is judged on the first, and if it is promising on all
WIDE = 1000  # a weight is tried at up to so many times what it is, and at as small a part of it
# Numbers that say how exactly or how far to go, and not what is learned.
_LEFT = frozenset({"tol", "limit_max", "clip", "max_weight", "level", "threshold"})
_WHOLE = frozenset({"n_components", "n_neighbors"})  # of the whole numbers, those that shape what is learned

Space = Mapping[str, tuple[float, float, str]]


class LabelSearch(BaseEstimator):
    """A Transfer method whose numbers are tuned, as a part of its fit, on the target labels that this fit is shown.

    Whoever hides labels from the fit hides them from the choice of the numbers too. So a test by cross-validation of the
    labels that refits it (`PairedShots`) is as valid as without tuning, however many settings are tried: it is nested.

    Parameters
    ----------
    method : Transfer
        Unfitted. As it is, it is the first setting, which another has to beat.
    space : mapping of str to (low, high, kind)
        What to tune, by the name that ``method.set_params`` takes. The kind is ``"log"``, ``"linear"`` or ``"whole"``.
    n_trials : int in [1, inf), default=20
        Settings tried, the first among them.
    seconds : float in (0, inf) or None, default=None
        After this time no setting is begun any more.
    random_state : int, RandomState or None, default=None
        Of the sampler and of the folds.

    Attributes
    ----------
    method_ : fitted Transfer method
        The one to use, fitted with all known labels.
    facts_ : dict
        ``tried`` and ``dropped`` settings, ``params`` (what differs from the first setting; empty where that stays), and the
        mean loss of the ``first`` and of the ``best`` setting on labels that they were not given; None where it has none.

    Notes
    -----
    The loss of a label is the Brier score, or for numbers the absolute error: it tells settings apart that make the same
    mistakes. The labels are dealt to three folds. A setting outside the best third of those before it is dropped after that,
    the others are judged on two more deals (Optuna's sampler TPE, asynchronous successive halving). The best setting replaces
    the first one if its loss is smaller by a standard error of the labels' mean differences.

    References
    ----------
    Varma & Simon. Bias in Error Estimation When Using Cross-Validation for Model Selection. BMC Bioinformatics 7, 2006.
    Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht & Talwalkar. A System for Massively Parallel Hyperparameter
    Tuning. MLSys 2020.
    """

    _constraints: ClassVar[Mapping[str, Rule]] = {
        "method": EstimatorLike("fit", "predict"),
        "space": Fulfils("be a mapping of parameters to (low, high, kind)", lambda v: isinstance(v, Mapping)),
        "n_trials": Interval(int, 1),
        "seconds": Either(Nothing(), Interval(float, 0, closed="neither")),
        "random_state": RandomState(),
    }

    def __init__(
        self,
        method: Any,
        space: Space,
        n_trials: int = 20,
        seconds: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.method = method
        self.space = space
        self.n_trials = n_trials
        self.seconds = seconds
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        """Tune on the known labels of `target`, then fit with all of them."""
        check_params(self)
        rng = check_random_state(self.random_state)
        judge = _Judge(X, y, target, groups, rng)
        changed: dict[str, Any] = {}
        self.facts_: dict[str, Any] = {"tried": 1, "dropped": 0, "params": {}, "first": None, "best": None}
        if judge.n_labels > 1 and self.n_trials > 1:
            changed = self._search(judge, rng)
        self.method_ = clone(self.method).set_params(**changed).fit(X, y, target=target, groups=groups)
        return self

    def predict(self, X: Any) -> Array:
        """Labels or values for rows of the target, of shape (n_samples,)."""
        found: Array = self.method_.predict(X)
        return found

    def _search(self, judge: _Judge, rng: np.random.RandomState) -> dict[str, Any]:
        optuna = check_search("tune_proposal")
        ended = optuna.trial.TrialState
        study = new_study(optuna, "minimize", rng.randint(2**31 - 1), halving=True)
        limit = np.inf if self.seconds is None else time.monotonic() + self.seconds
        first = best = judge.losses(self.method, range(DEALS))
        params: dict[str, Any] = {}
        tried, dropped = 1, 0
        while tried < self.n_trials and time.monotonic() < limit:
            tried += 1
            trial = study.ask()
            drawn = {name: _draw(trial, name, *bounds) for name, bounds in self.space.items()}
            method = clone(self.method).set_params(**drawn)
            losses = judge.losses(method, [0])
            trial.report(float(losses.mean()), 1)
            if trial.should_prune() or not np.isfinite(losses).all():
                study.tell(trial, state=ended.PRUNED)
                dropped += 1
                continue
            losses = np.vstack([losses, judge.losses(method, range(1, DEALS))])
            study.tell(trial, float(losses.mean()))
            if losses.mean() < best.mean():
                best, params = losses, drawn
        if not _clearly_smaller(best, first):
            best, params = first, {}
        shown = {name.removeprefix("method__"): value for name, value in params.items()}
        means = [float(v.mean()) if np.isfinite(v).all() else None for v in (first, best)]
        self.facts_ = {"tried": tried, "dropped": dropped, "params": shown, "first": means[0], "best": means[1]}
        return params


def _clearly_smaller(new: Array, old: Array) -> bool:
    """By a standard error over the labels; anything is better than what cannot be fitted."""
    if not np.isfinite(old).all():
        return bool(np.isfinite(new).all())
    gains = (old - new).mean(axis=0)
    return bool(gains.mean() > gains.std(ddof=1) / np.sqrt(len(gains)))


class _Judge:
    """Losses of settings on the known labels of the target, each by a fit that was not shown it."""

    def __init__(self, X: Any, y: Any, target: Domain, groups: Any, rng: np.random.RandomState) -> None:
        self.X, self.y, self.target, self.groups = X, y, target, groups
        self.labels, self.n_labels = target.known_y, len(target.known_rows)
        folds = min(FOLDS, self.n_labels)
        values, places = np.unique(self.labels, return_inverse=True)
        codes = None if 2 * len(values) > self.n_labels else places  # numbers, or classes with one label
        self.deals = [deal_folds(codes, folds, rng, n=self.n_labels) for _ in range(DEALS)] if folds > 1 else []

    def losses(self, method: Any, deals: Sequence[int]) -> Array:
        """Of shape (n_deals, n_labels); infinite where a fit fails, or answers what is no number."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a setting is judged by what it reached
            try:
                found = np.stack([self._deal(method, self.deals[k]) for k in deals])
                return np.where(np.isfinite(found), found, np.inf)
            except (TransferError, ValueError, ArithmeticError):
                return np.full((len(deals), self.n_labels), np.inf)

    def _deal(self, method: Any, folds: Array) -> Array:
        rows, found = self.target.known_rows, np.empty(self.n_labels)
        for fold in np.unique(folds):
            test = folds == fold
            known = self.target.mask.copy()
            known[rows[test]] = False
            fitted = clone(method).fit(self.X, self.y, target=replace(self.target, known=known), groups=self.groups)
            found[test] = _loss(fitted, self.target.take(rows[test]).X, self.labels[test])
        return found


def _loss(fitted: Any, X: Any, y: Array) -> Array:
    """The Brier score, also of a classifier that gives no probabilities but 0 and 1; of numbers the absolute error."""
    if not hasattr(fitted, "classes_"):
        return np.abs(fitted.predict(X) - y)
    truth = fitted.classes_ == y[:, None]
    has_proba = hasattr(fitted, "predict_proba")
    proba = fitted.predict_proba(X) if has_proba else fitted.classes_ == fitted.predict(X)[:, None]
    found: Array = ((np.asarray(proba, dtype=np.float64) - truth) ** 2).sum(axis=1)
    return found


def _draw(trial: Any, name: str, low: float, high: float, kind: str) -> float:
    if kind == "whole":
        return int(trial.suggest_int(name, int(low), int(high), log=True))
    return float(trial.suggest_float(name, low, high, log=kind == "log"))


# What to tune ----------------------------------------------------------------------------------------------------------


def space_of(method: Any) -> dict[str, tuple[float, float, str]]:
    """The numbers of a method, and of the plain model inside it, that shape what is learned, with the range to try.

    By the method's own rules: a weight from a thousandth of what it is to a thousand times that, a share anywhere between its
    bounds, a number of components or neighbours up to four times more or fewer. What the method settles from its data
    (``None``, ``"cv"``) is left to it.
    """
    if isinstance(method, TransferPipeline):
        return {f"method__{name}": bounds for name, bounds in space_of(method.method).items()}
    usual = {name: parameter.default for name, parameter in signature(type(method)).parameters.items()}
    found = {}
    for name, value in method.get_params(deep=False).items():
        number = value if _is_number(value) else usual.get(name) if isinstance(value, str) else None
        bounds = _range(name, number, type(method)._constraints[name]) if _is_number(number) else None
        if bounds is not None:
            found[name] = bounds
    inner = method.get_params(deep=False).get("estimator")
    return {**found, **({} if inner is None else _inside(inner))}


def _is_number(value: Any) -> bool:
    return Interval(float).holds(value)


def _range(name: str, value: Any, rule: Rule) -> tuple[float, float, str] | None:
    rules = rule.rules if isinstance(rule, Either) else (rule,)
    own = next((r for r in rules if isinstance(r, Interval)), None)
    if own is None or name in _LEFT:
        return None
    low = -np.inf if own.low is None else own.low
    if own.kind is int:
        return (max(1.0, low, value // 4), 4.0 * value, "whole") if name in _WHOLE else None
    if own.high is not None:
        if own.low is None:
            return None
        edge = 0.01 * (own.high - own.low)  # a bound may be outside what is allowed
        return own.low + edge, own.high - edge, "linear"
    value = value or 1.0
    return (max(value / WIDE, low), value * WIDE, "log") if value > 0 else None


def _inside(estimator: Any) -> dict[str, tuple[float, float, str]]:
    """What holds a plain model back: the penalty of a linear one, the leaves of a forest."""
    name, model = estimator.steps[-1] if hasattr(estimator, "steps") else ("", estimator)
    params, place = model.get_params(deep=False), f"estimator__{name}__" if name else "estimator__"
    found: dict[str, tuple[float, float, str]] = {}
    for weight in ("C", "alpha"):
        if _is_number(params.get(weight)) and params[weight] > 0:
            found[place + weight] = (params[weight] / WIDE, params[weight] * WIDE, "log")
    if "min_samples_leaf" in params:
        found[place + "min_samples_leaf"] = (1, 20, "whole")
    return found


def says_of(tuning: Mapping[str, Any]) -> dict[str, Any]:
    """What the search did, as the last of the checks of the test."""
    if tuning["params"]:
        chosen = ", ".join(f"{name.rpartition('__')[2]} = {value:.3g}" for name, value in tuning["params"].items())
        found = f"of {tuning['tried']} settings, {chosen} was taken"
    else:
        found = f"none of {tuning['tried']} settings was better than the first by a standard error"
    says = (
        f"The proposal's numbers were tuned on the known target labels: {found}. Every fold of the test tuned them anew, without"
        " the labels that it tests with."
    )
    gain = tuning["first"] - tuning["best"] if tuning["params"] and tuning["first"] is not None else 0.0
    return finding("tuning", gain, None, bool(tuning["params"]), says)
