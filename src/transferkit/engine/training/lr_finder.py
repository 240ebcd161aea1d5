"""The learning-rate finder: raise the rate update by update, and watch where the loss stops falling."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.errors import TrainingError
from .optimizers import load_state

if TYPE_CHECKING:
    from .loop import Loop

__all__ = ["find_lr"]

LOW, HIGH, N_TRIES = 1e-6, 1.0, 60


def find_lr(loop: Loop) -> float:
    """A learning rate for a loop that has not begun; the loop is left as it was.

    Parameters
    ----------
    loop : Loop
        Its objective is trained for up to 60 updates, and put back.

    Returns
    -------
    float
        A tenth of the rate at which the smoothed loss is least, before it has risen from there by three times its size.

    Notes
    -----
    The range test of Smith (WACV 2017, section 3.3). The tenth of the minimum is the choice that small data sets bear: the
    steepest point hangs on the noise of single batches.

    Raises
    ------
    TrainingError
        If the loss is not finite from the start.
    """
    kept: Any = copy.deepcopy(
        [
            loop.objective.state_dict(),
            loop.optimizer.state_dict(),
            loop.average.state_dict(),
            loop.scaler.state_dict(),
        ]
    )
    schedule, total = loop.training.schedule, loop.n_updates
    rates = np.geomspace(LOW, HIGH, N_TRIES)
    losses: list[float] = []
    mean = 0.0
    # The sweep's own rate stands alone: no schedule, and the head as well as all that the plan ever trains, as at the end.
    loop.training.schedule, loop.n_updates = "constant", 10**9
    warmup, loop.training.warmup = loop.training.warmup, 0.0
    name = f"{loop.steps[0].name}/loss"
    try:
        batches = loop.batches(0)
        for rate in rates:
            batch = next(batches, None)
            if batch is None:
                batches = loop.batches(0)
                batch = next(batches)
            loop.lr, loop.done = float(rate), total - 1
            try:
                value = loop.update(batch)[name]
            except TrainingError:
                break
            mean = 0.9 * mean + 0.1 * value
            losses.append(mean / (1 - 0.9 ** (len(losses) + 1)))  # the average begins at nothing: corrected for that
            if losses[-1] - min(losses) > 3 * abs(min(losses)):  # a loss may be negative
                break
    finally:
        loop.training.schedule, loop.training.warmup, loop.n_updates = schedule, warmup, total
        loop.done, loop.sums = 0, {}
        loop.objective.load_state_dict(kept[0])
        load_state(loop.optimizer, kept[1])
        loop.average.load_state_dict(kept[2])
        loop.scaler.load_state_dict(kept[3])
    if len(losses) < 5:
        raise TrainingError(
            "lr='auto': the loss must be finite at small rates. It is not; check the data, or give a number."
        )
    return float(rates[int(np.argmin(losses))] / 10)
