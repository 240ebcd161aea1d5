"""Schedules at the points where their value is known."""

import pytest

from transferkit.engine.training.schedules import Plateau, factor


def test_ends():
    assert factor("cosine", 0.0, 0.0) == 1
    assert factor("cosine", 0.5, 0.0) == pytest.approx(0.5)
    assert factor("cosine", 1.0, 0.1) == pytest.approx(0)
    assert factor("linear", 0.75, 0.5) == pytest.approx(0.5)
    assert factor("constant", 0.05, 0.1) == pytest.approx(0.5)
    assert factor("constant", 0.9, 0.1) == 1
    assert factor("one_cycle", 0.0, 0.25) == pytest.approx(1 / 25)
    assert factor("one_cycle", 0.25, 0.25) == 1
    assert factor("one_cycle", 1.0, 0.25) == pytest.approx(1e-4)


def test_plateau():
    plateau = Plateau(patience=1)
    for value in (1.0, 2.0, 2.0, 2.0):
        plateau.update(value)
    assert plateau.state["factor"] == pytest.approx(0.1)


def test_inverse_is_the_annealing_of_dann():
    assert factor("inverse", 0.0, 0.0) == 1.0
    assert factor("inverse", 1.0, 0.0) == pytest.approx(11**-0.75)
    assert factor("inverse", 0.5, 0.0) == pytest.approx(6**-0.75)
