"""Declared ranges: what each rule takes, what it refuses, and how it says so."""

from typing import ClassVar

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge

from transferkit import ParamError
from transferkit.core.constraints import (
    Boolean,
    Either,
    EstimatorLike,
    Interval,
    Nothing,
    Options,
    RandomState,
    check_params,
)

ONE = Interval(float, 0, 1)


@pytest.mark.parametrize(
    ("rule", "takes", "refuses"),
    [
        (ONE, [0, 1, 0.5, np.float32(0.5), np.int8(1)],
         [-0.1, 1.1, True, np.True_, "1", None, np.nan, np.inf, 1j, [0.5], np.array([1])]),
        (Interval(float, 0, 1, closed="neither"), [0.5, 1e-300], [0, 1]),
        (Interval(float, 0, 1, closed="left"), [0], [1]),
        (Interval(float, 0, 1, closed="right"), [1], [0]),
        (Interval(float), [-1e300, 0, 1e300], [np.inf, -np.inf, np.nan]),
        (Interval(int, 1), [1, np.int64(3), 10**12], [0, 1.0, np.float64(2), True, "1"]),
        (Options("a", 1, None), ["a", 1, None], ["b", 1.0, True, "A", ["a"], np.array(["a"])]),
        (Nothing(), [None], [0, False, ""]),
        (Boolean(), [True, np.False_], [0, 1, None, "True"]),
        (RandomState(), [None, 0, np.int64(5), 2**32 - 1, np.random.RandomState(0)],
         [-1, 2**32, 1.0, True, "0", np.random.default_rng(0)]),
        (EstimatorLike(), [Ridge()], [Ridge, None, "Ridge", object()]),
        (EstimatorLike("fit", "transform"), [], [Ridge()]),
        (Either(Nothing(), ONE), [None, 0.5], [2, "x"]),
    ],
    ids=lambda v: v.text[:40] if hasattr(v, "text") else "",
)  # fmt: skip
def test_rules(rule, takes, refuses):
    for value in takes:
        assert rule.holds(value), value
    for value in refuses:
        assert not rule.holds(value), value


def test_rules_read_as_the_end_of_a_sentence():
    assert ONE.text == "be a number in [0, 1]"
    assert Interval(int, 1).text == "be a whole number in [1, inf)"
    assert Interval(float, None, 0, closed="neither").text == "be a number in (-inf, 0)"
    assert Options("a", 1).text == "be one of 'a', 1"
    assert Either(Nothing(), ONE).text == "be None, or be a number in [0, 1]"
    assert EstimatorLike("fit", "transform").text == "be an estimator object with fit and transform"


class Model(BaseEstimator):
    _constraints: ClassVar = {"reg": ONE, "kernel": Options("linear", "rbf")}

    def __init__(self, reg=0.5, kernel="linear"):
        self.reg = reg
        self.kernel = kernel


def test_check_params_names_class_method_parameter_rule_and_value():
    check_params(Model())
    with pytest.raises(ParamError, match=r"^Model\.fit: reg must be a number in \[0, 1\]\. Got 2\.$"):
        check_params(Model(reg=2))
    with pytest.raises(ParamError, match=r"^Model\.score: kernel must be one of 'linear', 'rbf'\. Got 'rbff'\.$"):
        check_params(Model(kernel="rbff"), method="score")
