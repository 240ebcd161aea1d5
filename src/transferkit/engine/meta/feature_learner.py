"""Few-shot methods on features: the rows of all tasks go through the body at once, and the task is learned on top of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .task_learner import State, TaskLearner, n_tasks_of

__all__ = ["ABSENT", "FeatureLearner"]

ABSENT = -1e4  # logit of a class that the support lacks: a probability of exactly 0, and still a number


class FeatureLearner(TaskLearner):
    """Learns tasks from features. A method writes `learn` and `respond`, both for many tasks at once.

    Notes
    -----
    Batch normalisation in the body is the ordinary one: over the rows of all tasks of an update, and later with its running
    statistics. What is learned on top is computed in at least single precision. The network's own head is not trained.
    """

    @abstractmethod
    def learn(self, z: Tensor, y: Tensor, n_classes: int) -> State:
        """What is known of tasks after their supports.

        Parameters
        ----------
        z : tensor of shape (n_tasks, n_support, *shape)
            Features, sorted by class.
        y : int tensor of shape (n_tasks, n_support)
            Codes, each of those below `n_classes` at least once.
        n_classes : int

        Returns
        -------
        dict of str to tensor of shape (n_tasks, ...)
        """

    @abstractmethod
    def respond(self, state: State, z: Tensor) -> Tensor:
        """Logits of shape (n_tasks, n_query, n_classes) for features of shape (n_tasks, n_query, *shape)."""

    def adapt(self, x: Any, y: Tensor, n_classes: int) -> State:
        z, order = self._features(x), y.argsort(stable=True)
        present, codes = torch.unique(y[order], return_inverse=True)
        with torch.autocast(z.device.type, enabled=False):
            state = self.learn(z[order][None], codes[None], len(present))
        return {"learned": {k: v[0] for k, v in state.items()}, "present": present, "n_classes": n_classes}

    def answer(self, state: State, x: Any) -> Tensor:
        z = self._features(x)
        with torch.autocast(z.device.type, enabled=False):
            found = self.respond({k: v[None] for k, v in state["learned"].items()}, z[None])[0]
        full = found.new_full((len(found), state["n_classes"]), ABSENT)
        full[:, state["present"]] = found
        return full

    def outputs(self, x: Any, y: Tensor) -> Tensor:
        n_tasks, n = n_tasks_of(x), self.n_support
        flat = x.flatten(0, 1) if isinstance(x, Tensor) else {k: v.flatten(0, 1) for k, v in x.items()}
        z = self._features(flat).unflatten(0, (n_tasks, -1))
        with torch.autocast(z.device.type, enabled=False):
            return self.respond(self.learn(z[:, :n], y, self.labels.n_outputs), z[:, n:])

    def trained(self) -> Sequence[Any]:
        own = {id(p) for p in self.network.head.parameters()}
        return [p for p in super().trained() if id(p) not in own]

    def _features(self, x: Any) -> Tensor:
        z = self.network.features(x)
        return z if z.dtype == torch.float64 else z.float()
