"""What a stream of tasks has done to a method: the matrix of accuracies, and the numbers that are read off it."""

from __future__ import annotations

import numpy as np

from ...core.errors import ParamError
from ...core.protocols import Array

__all__ = ["average_accuracy", "backward_transfer", "forgetting", "forward_transfer", "learning_accuracy"]


def _square(matrix: Array, where: str) -> Array:
    found = np.asarray(matrix, dtype=np.float64)
    if found.ndim != 2 or found.shape[0] != found.shape[1] or not found.size:
        raise ParamError(f"{where}: matrix must be square, one row and one column a task. Got shape {found.shape}.")
    return found


def average_accuracy(matrix: Array) -> float:
    """Mean accuracy over all tasks after the last one.

    Parameters
    ----------
    matrix : array of shape (n_tasks, n_tasks)
        ``matrix[i, j]`` is the accuracy on task j after task i was learned.

    Examples
    --------
    >>> from transferkit.ops.metrics.continual import average_accuracy, backward_transfer, forgetting, forward_transfer
    >>> matrix = [[0.9, 0.5], [0.6, 0.8]]
    >>> f"{average_accuracy(matrix):.2f} {backward_transfer(matrix):.2f} {forgetting(matrix):.2f}"
    '0.70 -0.30 0.30'
    >>> f"{forward_transfer(matrix, [0.5, 0.4]):.2f}"
    '0.10'
    """
    return float(_square(matrix, "average_accuracy")[-1].mean())


def learning_accuracy(matrix: Array) -> float:
    """Mean accuracy on each task right after it was learned: how well a method still learns."""
    return float(np.diag(_square(matrix, "learning_accuracy")).mean())


def backward_transfer(matrix: Array) -> float:
    """Mean change on earlier tasks from when each was learned to the end (Lopez-Paz & Ranzato, NeurIPS 2017, eq. 3).

    Below 0 what was known has been lost; above 0 later tasks have helped. NaN for a single task.
    """
    found = _square(matrix, "backward_transfer")
    change = found[-1, :-1] - np.diag(found)[:-1]
    return float(change.mean()) if len(change) else float("nan")


def forgetting(matrix: Array) -> float:
    """Mean loss on earlier tasks against the best since each was learned (Chaudhry et al., ECCV 2018, eq. 3).

    The paper's maximum also goes over the time before, when a method that is told the task has no answer. NaN for a single task.
    """
    found = _square(matrix, "forgetting")
    n = len(found)
    lost = [found[j : n - 1, j].max() - found[-1, j] for j in range(n - 1)]
    return float(np.mean(lost)) if lost else float("nan")


def forward_transfer(matrix: Array, baseline: Array) -> float:
    """Mean accuracy on each task just before it is learned, above a baseline (Lopez-Paz & Ranzato, NeurIPS 2017, eq. 4).

    Parameters
    ----------
    matrix : array of shape (n_tasks, n_tasks)
    baseline : array of shape (n_tasks,)
        Accuracy without anything learned: of a random network, or of chance.

    Returns
    -------
    float
        NaN for a single task, or where the method cannot answer for a task that has not come.

    Raises
    ------
    ParamError
        If the shapes do not fit.
    """
    found, chance = _square(matrix, "forward_transfer"), np.asarray(baseline, dtype=np.float64)
    if chance.shape != (len(found),):
        raise ParamError(f"forward_transfer: baseline must have one number a task ({len(found)}). Got {chance.shape}.")
    gained = np.diag(found, 1) - chance[1:]
    return float(gained.mean()) if len(gained) else float("nan")
