"""For every common check, an estimator that must fail it; and a good one, from which each differs in one thing only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from transferkit import Domain, DomainError
from transferkit.catalogue import Card, cards
from transferkit.core import base
from transferkit.core.base import ESTIMATOR, FeatureTransfer
from transferkit.core.constraints import Either, EstimatorLike, Interval, Nothing, RandomState, check_params


class Good(FeatureTransfer):
    """Move the source's mean towards the target's.

    Parameters
    ----------
    step : float in [0, 1], default=1.0
        How far.
    random_state : int, RandomState or None, default=None
        Nothing is drawn.
    estimator : estimator, default=None
        Fitted on the moved rows.

    Attributes
    ----------
    shift_ : array of shape (n_features,)
        What is added to source rows.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Adds ``step (mean_t - mean_s)`` to the source's rows.

    References
    ----------
    None but the common checks themselves.

    Examples
    --------
    >>> Good(step=0.5).step
    0.5
    """

    _constraints: ClassVar = {"step": Interval(float, 0, 1), "random_state": RandomState(), "estimator": ESTIMATOR}

    def __init__(self, step: float = 1.0, random_state: Any = None, estimator: Any = None) -> None:
        self.step = step
        self.random_state = random_state
        self.estimator = estimator

    def _fit_map(self, data: Any) -> Any:
        self.shift_ = self.step * (data.Xt.mean(axis=0) - data.Xs.mean(axis=0))
        return data.Xs + self.shift_

    def _map(self, X: Any, domain: str) -> Any:
        return X + self.shift_ if domain == "source" else X


class RenamesTarget(Good):
    def fit(self, X, y=None, *, target=None, groups=None):
        """Target is optional here."""
        return super().fit(X, y, target=target, groups=groups)


class LacksConstraint(Good):
    _constraints: ClassVar = {"step": Interval(float, 0, 1), "estimator": ESTIMATOR}


class DefaultOutOfRange(Good):
    _constraints: ClassVar = {**Good._constraints, "step": Interval(float, 2, 3)}


class WrongDefaultInText(Good):
    __doc__ = Good.__doc__.replace("default=1.0", "default=0.5")


class LacksText(Good):
    __doc__ = Good.__doc__.replace("    step : float in [0, 1], default=1.0\n        How far.\n", "")


class LacksReferences(Good):
    __doc__ = Good.__doc__.replace("None but the common checks themselves.", "")


class ChangesItsArgument(Good):
    def __init__(self, step=1.0, random_state=None, estimator=None):
        super().__init__(float(step) if step is not None else 1.0, random_state, estimator or None)
        self.ready = True


class PredictsAnything(Good):
    def predict(self, X):
        return np.zeros(len(X)) - 7.0


class NeedsLabelsSilently(Good):
    def fit(self, X, y=None, *, target, groups=None):
        if isinstance(target, Domain) and target.y is None:
            raise ValueError("give me labels")
        return super().fit(X, y, target=target, groups=groups)


class LearnsInSecret(Good):
    def _fit_map(self, data):
        self.secret_ = 1
        return super()._fit_map(data)


class ChangesInputs(Good):
    def fit(self, X, y=None, *, target, groups=None):
        if isinstance(target, Domain) and isinstance(target.X, np.ndarray):
            target.X[:] = target.X - target.X.mean(axis=0)
        return super().fit(X, y, target=target, groups=groups)


class ChangesParameters(Good):
    def _fit_map(self, data):
        self.step = self.step * 0.5
        return super()._fit_map(data)


class ReturnsNothing(Good):
    def fit(self, X, y=None, *, target, groups=None):
        super().fit(X, y, target=target, groups=groups)


class StartsWarm(Good):
    def _fit_map(self, data):
        old = getattr(self, "shift_", None)
        Z = super()._fit_map(data)
        if old is not None:
            self.shift_ = self.shift_ + old[: len(self.shift_)]
        return Z + self.shift_ * 0 if old is None else data.Xs + self.shift_


class DrawsFromTheGlobalGenerator(Good):
    def _fit_map(self, data):
        return super()._fit_map(data) + np.random.normal(size=data.Xs.shape)  # noqa: NPY002


_ELSEWHERE: dict[int, Any] = {}


class KeepsItElsewhere(Good):
    def _fit_map(self, data):
        _ELSEWHERE[id(self)] = data.Xt.mean(axis=0)
        return super()._fit_map(data)

    def _map(self, X, domain):
        return super()._map(X, domain) + (0 if id(self) in _ELSEWHERE else 9)


class KeepsAFunction(Good):
    def _fit_map(self, data):
        self._cached = lambda x: x
        return super()._fit_map(data)


class RefusesFloat32(Good):
    def _fit_map(self, data):
        if data.Xs.dtype != np.float64:
            raise TypeError("float64 only")
        return super()._fit_map(data)


class LosesFeatureNames(Good):
    def fit(self, X, y=None, *, target, groups=None):
        return super().fit(np.asarray(X), y, target=target, groups=groups)


class WantsNumbersAsLabels(Good):
    def fit(self, X, y=None, *, target, groups=None):
        return super().fit(X, np.asarray(y).astype(float).astype(int), target=target, groups=groups)


class TakesAnythingAsTarget(Good):
    def fit(self, X, y=None, *, target, groups=None):
        if isinstance(target, np.ndarray):
            target = Domain(target)
        return super().fit(X, y, target=target, groups=groups)


class Anything:
    text = "be anything"

    def holds(self, value):
        return True


class ChecksNoParameter(Good):
    _constraints: ClassVar = {**Good._constraints, "step": Anything()}


class ForgetsGroups(Good):
    def fit(self, X, y=None, *, target, groups=None):
        return super().fit(X, y, target=target)


class Peeks(Good):
    def fit(self, X, y=None, *, target, groups=None):
        super().fit(X, y, target=target, groups=groups)
        if isinstance(target, Domain) and target.y is not None:
            self.shift_ = self.shift_ + np.unique(np.asarray(target.y, dtype=str)[:3]).size
            self._bias = float(len(set(map(str, target.y[:20]))))
        return self

    def _map(self, X, domain):
        return super()._map(X, domain) + getattr(self, "_bias", 0.0)


class WantsManyRows(Good):
    def _fit_map(self, data):
        if len(data.Xs) < 20:
            raise ValueError("too few rows")
        return super()._fit_map(data)


class DividesByZero(Good):
    def _map(self, X, domain):
        spread = np.abs(self.shift_).max() and X.std(axis=0)
        with np.errstate(all="ignore"):
            return super()._map(X, domain) / spread


class Densifies(Good):
    def fit(self, X, y=None, *, target, groups=None):
        if hasattr(X, "toarray"):
            X, target = X.toarray(), Domain(target.X.toarray(), target.y, target.known)
        return super().fit(X, y, target=target, groups=groups)


class Mirrors(Good):
    def _map(self, X, domain):
        return super()._map(X, domain) if domain == "source" else -X


class Models:
    text = "be a sequence of fitted models"

    def holds(self, value):
        return isinstance(value, (list, tuple))


MODEL, MODELS = Either(Nothing(), EstimatorLike("predict")), Models()


class GoodGuard(BaseEstimator):
    """Prefer the candidate with the more certain predictions.

    Parameters
    ----------
    anchor : fitted classifier, default=None
        The fall-back.
    candidates : sequence of fitted classifiers, default=()
        Not needed.
    random_state : int, RandomState or None, default=None
        Nothing is drawn.

    Notes
    -----
    The score is the difference of the mean largest probabilities.

    References
    ----------
    None but the common checks themselves.

    Examples
    --------
    >>> GoodGuard().anchor is None
    True
    """

    _constraints: ClassVar = {"anchor": MODEL, "candidates": MODELS, "random_state": RandomState()}
    _test_params: ClassVar = {}

    def __init__(self, anchor: Any = None, candidates: Any = (), random_state: Any = None) -> None:
        self.anchor = anchor
        self.candidates = candidates
        self.random_state = random_state

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """The difference."""
        check_params(self, method="score")
        for name, domain in (("source", source), ("target", target)):
            if not isinstance(domain, Domain) or domain.X.shape[1] != 6 or not np.isfinite(domain.X).all():
                raise DomainError(f"{type(self).__name__}.score: {name} must be a Domain of finite rows.")
        if source.y is None:
            raise DomainError(f"{type(self).__name__}.score: source must have labels.")
        return float(
            candidate.predict_proba(target.X).max(axis=1).mean()
            - self.anchor.predict_proba(target.X).max(axis=1).mean()
        )


class GuardRenames(GoodGuard):
    def score(self, model, source, target):
        """Another name."""
        return super().score(model, source, target)


class GuardLacksConstraint(GoodGuard):
    _constraints: ClassVar = {"anchor": MODEL, "candidates": MODELS}


class GuardLacksText(GoodGuard):
    __doc__ = GoodGuard.__doc__.replace("        The fall-back.\n", "")


class GuardChangesItsArgument(GoodGuard):
    def __init__(self, anchor=None, candidates=(), random_state=None):
        super().__init__(anchor, list(candidates), random_state)


class GuardDraws(GoodGuard):
    def score(self, candidate, source, target):
        """With noise."""
        return super().score(candidate, source, target) + float(np.random.normal())  # noqa: NPY002


class GuardPrefersTheAnchor(GoodGuard):
    def score(self, candidate, source, target):
        """Everything is better than the anchor."""
        return super().score(candidate, source, target) + 2.0


class GuardChangesDomains(GoodGuard):
    def score(self, candidate, source, target):
        """In place."""
        target.X[:] = 0
        return super().score(candidate, source, target)


class GuardPeeks(GoodGuard):
    def score(self, candidate, source, target):
        """Its accuracy."""
        return super().score(candidate, source, target) + float((candidate.predict(target.X) == target.y).mean())


class GuardChecksNothing(GoodGuard):
    def score(self, candidate, source, target):
        """Whatever comes."""
        return float(candidate.predict_proba(target.X).max())


class RatesAllAlike(BaseEstimator):
    """A score without an anchor that tells nothing."""

    def score(self, candidate, source, target):
        """The same for everything."""
        return 0.0


# (protocol, check, the estimator that must fail it, words of the failure)
BAD: list[tuple[str, str, type, str]] = [
    ("Transfer", "check_protocol", RenamesTarget, "must have the signature"),
    ("Transfer", "check_constraints", LacksConstraint, "one entry a parameter"),
    ("Transfer", "check_constraints", DefaultOutOfRange, "default of step must be"),
    ("Transfer", "check_docstring", WrongDefaultInText, "documented 0.5, in the code 1.0"),
    ("Transfer", "check_docstring", LacksText, "documented parameters and signature"),
    ("Transfer", "check_docstring", LacksReferences, "References must not be empty"),
    ("Transfer", "check_clone", ChangesItsArgument, "must only store"),
    ("Transfer", "check_tasks_and_settings", PredictsAnything, "must predict"),
    ("Transfer", "check_tasks_and_settings", NeedsLabelsSilently, "give me labels"),
    ("Transfer", "check_attributes_documented", LearnsInSecret, "undocumented attributes"),
    ("Transfer", "check_nothing_changed", ChangesInputs, "inputs changed"),
    ("Transfer", "check_nothing_changed", ChangesParameters, "parameters changed"),
    ("Transfer", "check_nothing_changed", ReturnsNothing, "must return self"),
    ("Transfer", "check_refit_is_fresh", StartsWarm, "a refit must start fresh"),
    ("Transfer", "check_repeatable", DrawsFromTheGlobalGenerator, "global generator was used"),
    ("Transfer", "check_round_trip", KeepsItElsewhere, "must predict what the saved one did"),
    ("Transfer", "check_round_trip", KeepsAFunction, "_cached must hold"),
    ("Transfer", "check_dtypes", RefusesFloat32, "float64 only"),
    ("Transfer", "check_frames", LosesFeatureNames, "without feature names"),
    ("Transfer", "check_string_labels", WantsNumbersAsLabels, "could not convert"),
    ("Transfer", "check_bad_targets", TakesAnythingAsTarget, "DID NOT RAISE"),
    ("Transfer", "check_bad_parameters", ChecksNoParameter, "unsupported operand"),
    ("Transfer", "check_groups", ForgetsGroups, "DID NOT RAISE"),
    ("Transfer", "check_hidden_labels", Peeks, "hidden labels were used"),
    ("Transfer", "check_small_and_degenerate", WantsManyRows, "too few rows"),
    ("Transfer", "check_small_and_degenerate", DividesByZero, "NaN"),
    ("Transfer", "check_sparse", Densifies, "DID NOT RAISE"),
    ("Transfer", "check_transfers", Mirrors, "against source-only"),
    ("Transfer", "check_no_harm", Mirrors, "against source-only"),
    ("Selector", "check_protocol", GuardRenames, "must have the signature"),
    ("Selector", "check_constraints", GuardLacksConstraint, "one entry a parameter"),
    ("Selector", "check_docstring", GuardLacksText, "anchor must have a text"),
    ("Selector", "check_clone", GuardChangesItsArgument, "modifies parameter candidates"),
    ("Selector", "check_scores", GuardDraws, "asked twice"),
    ("Selector", "check_scores", GuardPrefersTheAnchor, "anchor does not replace itself"),
    ("Selector", "check_score_order", RatesAllAlike, "above noise"),
    ("Selector", "check_score_changes_nothing", GuardChangesDomains, "something changed"),
    ("Selector", "check_score_hidden_labels", GuardPeeks, "hidden labels were used"),
    ("Selector", "check_score_errors", GuardChecksNothing, "DID NOT RAISE"),
]
GOOD: dict[str, type] = {"Transfer": Good, "Selector": GoodGuard}


def card(protocol: str, cls: str) -> Card:
    """The card of a method that does the same, with another class."""
    like = {
        "Transfer": "coral",
        "Selector": "consensus_guard",
        "ModelTransfer": "fine_tuning",
        "Adaptation": "dann",
        "Numbers": "rsd",
        "Generalisation": "group_dro",
        "Graph": "gcn",
        "Heterogeneous": "cca",
        "Relations": "rdn_boost",
        "Continual": "streaming_lda",
        "MultiTask": "trace_norm",
        "MetaLearner": "maml",
    }
    return replace(cards()[like[protocol]], cls=cls, portfolio=({},))


def pass_as_ours(cls: type, monkeypatch: Any) -> None:
    """Let `transferkit.save` take a class of the tests for one of the core."""
    monkeypatch.setattr(cls, "__module__", base.__name__)
    monkeypatch.setattr(base, cls.__name__, cls, raising=False)
