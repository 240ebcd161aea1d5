"""Parameter ranges are declared on the class and checked by one helper at the start of fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, Protocol

import numpy as np

from .errors import ParamError

__all__ = [
    "Boolean",
    "Either",
    "EstimatorLike",
    "Fulfils",
    "Interval",
    "Nothing",
    "Options",
    "RandomState",
    "Rule",
    "check_params",
]


class Rule(Protocol):
    """What a parameter must fulfil: `text` completes the sentence "reg must ..."."""

    @property
    def text(self) -> str: ...
    def holds(self, value: Any) -> bool: ...


class Interval:
    """A number between two bounds.

    Parameters
    ----------
    kind : {int, float}
        ``int`` takes whole numbers only; ``float`` takes any finite real number.
    low, high : float or None
        Bounds; None is unbounded.
    closed : {"both", "left", "right", "neither"}
        Which bounds belong to the interval.
    """

    def __init__(self, kind: type, low: float | None = None, high: float | None = None, closed: str = "both") -> None:
        self.kind, self.low, self.high, self.closed = kind, low, high, closed

    @property
    def text(self) -> str:
        noun = "a whole number" if self.kind is int else "a number"
        opening = "[" if self.closed in ("both", "left") and self.low is not None else "("
        closing = "]" if self.closed in ("both", "right") and self.high is not None else ")"
        low = "-inf" if self.low is None else f"{self.low:g}"
        high = "inf" if self.high is None else f"{self.high:g}"
        return f"be {noun} in {opening}{low}, {high}{closing}"

    def holds(self, value: Any) -> bool:
        if isinstance(value, (bool, np.bool_)):
            return False
        if not isinstance(value, Integral if self.kind is int else Real):
            return False
        number = float(value)
        if not math.isfinite(number):
            return False
        if self.low is not None and (number < self.low or (number == self.low and self.closed in ("right", "neither"))):
            return False
        return not (
            self.high is not None
            and (number > self.high or (number == self.high and self.closed in ("left", "neither")))
        )


class Options:
    """One of a few named values."""

    def __init__(self, *values: Any) -> None:
        self.values = values

    @property
    def text(self) -> str:
        return "be one of " + ", ".join(repr(v) for v in self.values)

    def holds(self, value: Any) -> bool:
        return any(type(value) is type(v) and value == v for v in self.values)


class Nothing:
    """None, which stands for "decide from the data"."""

    text = "be None"

    def holds(self, value: Any) -> bool:
        return value is None


class Boolean:
    """True or False."""

    text = "be True or False"

    def holds(self, value: Any) -> bool:
        return isinstance(value, (bool, np.bool_))


class RandomState:
    """None, a seed, or a numpy RandomState: what scikit-learn's ``check_random_state`` takes."""

    text = "be None, a whole number in [0, 4294967295] or a numpy RandomState"

    def holds(self, value: Any) -> bool:
        if value is None or isinstance(value, np.random.RandomState):
            return True
        return isinstance(value, Integral) and not isinstance(value, bool) and 0 <= int(value) <= 2**32 - 1


class EstimatorLike:
    """A scikit-learn style estimator: an object (not a class) that has the named methods."""

    def __init__(self, *methods: str) -> None:
        self.methods = methods or ("fit", "predict")

    @property
    def text(self) -> str:
        return "be an estimator object with " + " and ".join(self.methods)

    def holds(self, value: Any) -> bool:
        return not isinstance(value, type) and all(callable(getattr(value, m, None)) for m in self.methods)


class Fulfils:
    """Whatever a test accepts.

    Parameters
    ----------
    text : str
        The rule in words.
    test : callable
        Whether a value fulfils it.
    """

    def __init__(self, text: str, test: Callable[[Any], bool]) -> None:
        self.text, self.holds = text, test


class Either:
    """Any one of several rules."""

    def __init__(self, *rules: Rule) -> None:
        self.rules = rules

    @property
    def text(self) -> str:
        return ", or ".join(rule.text for rule in self.rules)

    def holds(self, value: Any) -> bool:
        return any(rule.holds(value) for rule in self.rules)


def check_params(est: Any, *, method: str = "fit") -> None:
    """Hold every constructor parameter against the class's ``_constraints``.

    Raises
    ------
    ParamError
        Naming the class, the parameter, the rule and the value.
    """
    constraints: Mapping[str, Rule] = type(est)._constraints
    for name, value in est.get_params(deep=False).items():
        rule = constraints[name]
        if not rule.holds(value):
            raise ParamError(f"{type(est).__name__}.{method}: {name} must {rule.text}. Got {value!r}.")
