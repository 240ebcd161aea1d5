"""SWAD: algorithm 1 on given losses, and weights that are the mean of all updates of the valley."""

import numpy as np
import pytest
import torch

from adaptation_checks import training
from source_groups import assert_target_unused, fitted, small, two_moved
from transferkit import SWAD, ParamError
from transferkit.engine.training.loss_valley import LossValley

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
DATA = two_moved(0)


def valley_of(losses, n_start, n_end, ratio):
    """Algorithm 1, read off: first and last stretch of the valley, counted from 0; or None."""
    start, limit = None, 0.0
    for i in range(len(losses)):
        if start is None:
            last = losses[max(0, i - n_start + 1) : i + 1]
            if len(last) == n_start and last[0] == min(last):
                start, limit = i - n_start + 1, ratio * np.mean(last)
        elif limit < min(losses[max(0, i - n_end + 1) : i + 1]):
            return start, i - n_end
    return None if start is None else (start, len(losses) - 1)


def average(losses, n_start, n_end, ratio, n_updates=2):
    """What `LossValley` makes of weights 0, 1, 2, ... of one number, so many updates a stretch."""
    network = torch.nn.Linear(1, 1, bias=False)
    valley, number = LossValley(network, n_start, n_end, ratio), 0.0
    for loss in losses:
        for _ in range(n_updates):
            valley.take(network, moves=True)
            network.weight.data.fill_(number)
            number += 1
        valley.judge(network, loss)
    valley.give(network)
    return network.weight.item(), valley


@pytest.mark.parametrize("seed", range(20))
def test_the_valley_is_that_of_algorithm_1(seed):
    rng = np.random.default_rng(seed)
    n_start, n_end = rng.integers(1, 5, 2)
    losses = (1 + (np.linspace(-1, 1.5, 14) ** 2) + 0.4 * rng.random(14)).astype(np.float32)
    found, valley = average(losses.tolist(), n_start, n_end, 1.1)
    expected = valley_of(losses, n_start, n_end, 1.1)
    if expected is None:
        first, last = len(losses) - 1, len(losses) - 1
    else:
        first, last = expected
    assert found == pytest.approx(np.mean(np.arange(2 * first, 2 * last + 2)), rel=1e-5)
    assert valley.has_ended == (expected is not None and last < len(losses) - 1)


def test_a_state_that_was_kept_goes_on():
    """Half of the losses, the state in another instance, the other half."""
    losses = [3.0, 2, 1, 1.1, 1.2, 1.3, 9, 9, 9]
    whole, _ = average(losses, 3, 2, 1.3)
    network, number = torch.nn.Linear(1, 1, bias=False), 0.0
    valley = LossValley(network, 3, 2, 1.3)
    for loss in losses:
        other = LossValley(network, 3, 2, 1.3)
        other.load_state_dict(valley.state_dict())
        valley = other
        for _ in range(2):
            valley.take(network, moves=True)
            network.weight.data.fill_(number)
            number += 1
        valley.judge(network, loss)
    valley.give(network)
    assert network.weight.item() == whole == np.mean(np.arange(4, 12))


def test_the_network_is_the_mean_of_the_updates():
    seen = []

    def keep(event, state):
        if event == "update":
            seen.append({k: v.detach().clone() for k, v in state["network"].state_dict().items()})

    settings = training(n_epochs=6, callbacks=[keep])
    model = fitted(small(SWAD, n_start=2, n_end=2, ratio=1.0, training=settings), DATA)
    losses = [row["valley/loss"] for row in model.history_]
    first, last = valley_of(losses, 2, 2, 1.0) or (5, 5)
    n = model.n_updates_ // 6
    for name, value in model.network_.state_dict().items():
        if value.is_floating_point():
            parts = [w[name].double() for w in seen[first * n : (last + 1) * n]]
            torch.testing.assert_close(value.double(), sum(parts) / len(parts), rtol=1e-4, atol=1e-5)


def test_held_rows_are_not_trained_on():
    model = fitted(small(SWAD, held=0.25, training=training(n_epochs=1)), DATA)
    assert model.n_updates_ == 2, "45 of each source's 60 rows, 32 an update"
    assert model.facts_["averaged"] == 0, "one epoch makes no valley of three"


def test_the_target_changes_nothing():
    assert_target_unused(small(SWAD, training=training(n_epochs=2)), DATA)


def test_another_average_is_refused():
    with pytest.raises(ParamError, match=r"^SWAD\.fit: training\.average must be None.*'ema'"):
        fitted(small(SWAD, training=training(average="ema")), DATA)
