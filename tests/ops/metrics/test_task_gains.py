"""Relative gains over single-task training."""

import pytest

from transferkit import DataError
from transferkit.ops.metrics.task_gains import delta_m, task_gains


def test_by_hand():
    single, many = {"class": 0.5, "metres": 10.0, "r2": -0.5}, {"class": 0.6, "metres": 12.0, "r2": -0.25}
    gains = task_gains(many, single, ["metres"])
    assert gains == pytest.approx({"class": 0.2, "metres": -0.2, "r2": 0.5})
    assert delta_m(many, single, ["metres"]) == pytest.approx(0.5 / 3)
    assert delta_m(single, single, ["metres"]) == 0


def test_what_cannot_be_compared():
    with pytest.raises(DataError, match=r"scores must be of the tasks of single, \['a'\]\. Got \['b'\]"):
        task_gains({"b": 1.0}, {"a": 1.0})
    with pytest.raises(DataError, match="Got 0 for 'a'"):
        task_gains({"a": 1.0}, {"a": 0.0})
