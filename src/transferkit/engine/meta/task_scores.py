"""How well new tasks are learned: one score an episode, their mean, and its 95 % interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ...core.protocols import Array
from ..inputs.rows import move
from ..training.device import Place
from .episodes import Episodes
from .task_learner import TaskLearner

__all__ = ["TaskScores", "score_episodes"]

_TASKS = 16  # at a time


@dataclass(frozen=True, eq=False)
class TaskScores:
    """Scores of many episodes.

    Attributes
    ----------
    values : array of shape (n_episodes,)
        Accuracy, or mean squared error in the unit of y.
    name : {"accuracy", "squared error"}

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit.engine.meta.task_scores import TaskScores
    >>> scores = TaskScores(np.array([0.5, 0.7, 0.9, 0.7]), "accuracy")
    >>> round(scores.mean, 3), round(scores.interval, 3)
    (0.7, 0.16)
    """

    values: Array
    name: str

    @property
    def mean(self) -> float:
        """Mean over the episodes."""
        return float(self.values.mean())

    @property
    def interval(self) -> float:
        """Half width of the 95 % interval of the mean: 1.96 standard errors, as papers give it."""
        return (
            float(1.96 * self.values.std(ddof=1) / np.sqrt(len(self.values))) if len(self.values) > 1 else float("inf")
        )

    @property
    def mean_score(self) -> float:
        """The mean as something of which more is better."""
        return self.mean if self.name == "accuracy" else -self.mean


def score_episodes(learner: TaskLearner, episodes: Episodes, place: Place) -> TaskScores:
    """Learn every episode's support and judge the answers to its queries.

    Parameters
    ----------
    learner : TaskLearner
        Put into evaluation mode meanwhile, and back.
    episodes : Episodes
    place : Place

    Returns
    -------
    TaskScores
    """
    was_training = {m: m.training for m in learner.modules()}
    learner.eval()
    labels, n, found = learner.labels, len(episodes), []
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(0)
            plan = [np.arange(k, min(k + _TASKS, n)) for k in range(0, n, _TASKS)]
            for stream in episodes.batches(plan):
                x = episodes.preprocess.finish(move(stream.x, place.device), training=False)
                assert stream.y is not None
                y = stream.y.to(place.device)
                with place.autocast():
                    outputs = learner.outputs(x, y[:, : learner.n_support]).float()
                truth = y[:, learner.n_support :]
                if labels.kind == "classification":
                    found.append((outputs.argmax(-1) == truth).float().mean(1).cpu().numpy())
                else:
                    errors = ((outputs - truth) ** 2).cpu().numpy().astype(np.float64) * labels.scale**2
                    found.append(errors.reshape(len(errors), -1).mean(1))
    finally:
        for m, mode in was_training.items():
            m.training = mode
    return TaskScores(np.concatenate(found), "accuracy" if labels.kind == "classification" else "squared error")
