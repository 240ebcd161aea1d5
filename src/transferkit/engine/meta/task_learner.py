"""How one task is learned from its support, and how many tasks teach that: the objective of every meta-learner.

A method writes `adapt` (support -> state) and `answer` (state, queries -> outputs) as pure functions of tensors; training,
`MetaEstimator.adapt` and `MetaEstimator.evaluate` all go through these two. What it learns beside the network is a parameter,
buffer or Module of the learner, and is saved with the estimator.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap

from ..answers.labels import Labels
from ..networks.network import Network
from ..training.objective import Batch, Objective, Step, Stream
from .hard_tasks import Failures

__all__ = ["TaskLearner", "n_tasks_of", "rows_of"]

State = dict[str, Any]  # tensors by name, perhaps nested


class TaskLearner(Objective):
    """Learns a task from its support.

    Parameters
    ----------
    network : Network
        What all tasks share.
    labels : Labels
        Of an episode: as many classes as it has, or numbers.
    n_support : int
        Rows at the beginning of an episode that are its support.
    batched : bool
        Whether the tasks of a batch go through the network at once, by `torch.func.vmap`; else one after the other.

    Attributes
    ----------
    whole : bool
        Whether the answer to a query depends on the other queries, so that all have to be given at once.
    """

    whole = False

    def __init__(self, network: Network, labels: Labels, n_support: int, *, batched: bool = True) -> None:
        super().__init__()
        self.network, self.labels, self.n_support, self.batched = network, labels, n_support, batched
        self.failures: Failures | None = None  # set where hard tasks follow: then there is a stream "hard"

    @abstractmethod
    def adapt(self, x: Any, y: Tensor, n_classes: int) -> State:
        """What is known of a task after its support: rows of shape (n_rows, ...) and their labels, codes below `n_classes`.

        A pure function: under `vmap` it sees one task, and nothing may be kept on ``self``.
        """

    @abstractmethod
    def answer(self, state: State, x: Any) -> Tensor:
        """Logits of shape (n_rows, at least n_classes), or values, for queries of that task."""

    # Training -----------------------------------------------------------------------------------------------------

    def steps(self) -> Sequence[Step]:
        steps = [Step("train", self._loss, self.trained())]
        if self.failures is not None:
            steps.insert(0, Step("hard", lambda batch, progress: self.judged(batch["hard"]), self.trained()))
        return steps

    def trained(self) -> Sequence[Any]:
        """The parameters that the tasks teach: those that require a gradient when the training begins."""
        return [p for p in self.parameters() if p.requires_grad]

    def outputs(self, x: Any, y: Tensor) -> Tensor:
        """Answers to the queries of many tasks, of shape (n_tasks, n_query, n_outputs).

        Parameters
        ----------
        x : tensor of shape (n_tasks, n_rows, ...), or mapping of such
            Support and queries.
        y : tensor of shape (n_tasks, n_support, ...)
            Labels of the support.
        """
        n = self.n_support

        def one(rows: Any, labels: Tensor) -> Tensor:
            return self.answer(
                self.adapt(rows_of(rows, slice(n)), labels, self.labels.n_outputs), rows_of(rows, slice(n, None))
            )

        return self.over_tasks(one, x, y)

    def over_tasks(self, f: Callable[..., Any], *args: Any) -> Any:
        """A function of one task, for all tasks of a batch."""
        if self.batched:
            return vmap(f, randomness="different")(*args)
        found = [f(*(_task(a, k) for a in args)) for k in range(n_tasks_of(args[0]))]
        return torch.utils._pytree.tree_map(lambda *v: torch.stack(v), found[0], *found[1:])

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        return self.judged(batch["tasks"], self.failures)

    def judged(self, stream: Stream, failures: Failures | None = None) -> dict[str, Tensor]:
        """Loss of the answers to a batch of tasks, and for classes the share that is right; what failed is noted."""
        assert stream.y is not None
        n = self.n_support
        outputs = self.outputs(stream.x, stream.y[:, :n])
        if failures is not None:
            failures.note(stream.rows, outputs.detach().argmax(-1) == stream.y[:, n:])
        return self.parts(outputs, stream.y[:, n:])

    def parts(self, outputs: Tensor, y: Tensor) -> dict[str, Tensor]:
        """What is logged of answers of shape (n_tasks, n_query, n_outputs)."""
        found = {"loss": self.labels.loss(outputs.flatten(0, 1), y.flatten(0, 1))}
        if self.labels.kind == "classification":
            found["accuracy"] = (outputs.detach().argmax(-1) == y).float().mean()
        return found

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)


def rows_of(x: Any, rows: slice) -> Any:
    """Some rows of a tensor, or of each of a mapping of tensors."""
    return x[rows] if isinstance(x, Tensor) else {k: v[rows] for k, v in x.items()}


def n_tasks_of(x: Any) -> int:
    """Length of the first axis."""
    return len(x) if isinstance(x, Tensor) else len(next(iter(x.values())))


def _task(x: Any, k: int) -> Any:
    return x[k] if isinstance(x, Tensor) else {name: v[k] for name, v in x.items()}
