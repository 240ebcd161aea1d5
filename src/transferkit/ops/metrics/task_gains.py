"""Multi-task against single-task: the relative gain of each task, and its mean (delta_m)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from ...core.errors import DataError

__all__ = ["delta_m", "task_gains"]


def task_gains(
    scores: Mapping[str, float], single: Mapping[str, float], lower_is_better: Collection[str] = ()
) -> dict[str, float]:
    """Relative gain of each task over its single-task score.

    Parameters
    ----------
    scores, single : mapping of str to float
        A number a task: of the multi-task method, and of training on the task alone.
    lower_is_better : collection of str
        Tasks whose number is an error.

    Returns
    -------
    dict of str to float
        Above 0 where the task gained; below, it suffered from the others (negative transfer).

    Raises
    ------
    DataError
        If the tasks differ, or a single-task number is 0.

    Notes
    -----
    ``(-1)^l (M - S) / S`` with l = 1 where lower is better (Maninis et al., CVPR 2019; Vandenhende et al., TPAMI 2021).

    Examples
    --------
    >>> from transferkit.ops.metrics.task_gains import task_gains
    >>> {k: round(v, 2) for k, v in task_gains({"a": 0.9, "b": 2.0}, {"a": 0.8, "b": 2.5}, ["b"]).items()}
    {'a': 0.12, 'b': 0.2}
    """
    if scores.keys() != single.keys() or not scores:
        raise DataError(f"task_gains: scores must be of the tasks of single, {sorted(single)}. Got {sorted(scores)}.")
    zero = [name for name, value in single.items() if value == 0]
    if zero:
        raise DataError(f"task_gains: single must not be 0, or no gain is relative to it. Got 0 for {zero[0]!r}.")
    signs = {name: -1.0 if name in lower_is_better else 1.0 for name in scores}
    return {name: signs[name] * (scores[name] - single[name]) / abs(single[name]) for name in scores}


def delta_m(scores: Mapping[str, float], single: Mapping[str, float], lower_is_better: Collection[str] = ()) -> float:
    """The mean of `task_gains`.

    Parameters
    ----------
    scores, single, lower_is_better
        As of `task_gains`.

    Returns
    -------
    float

    Examples
    --------
    >>> from transferkit.ops.metrics.task_gains import delta_m
    >>> round(delta_m({"a": 0.9, "b": 2.0}, {"a": 0.8, "b": 2.5}, ["b"]), 4)
    0.1625
    """
    return float(np.mean(list(task_gains(scores, single, lower_is_better).values())))
