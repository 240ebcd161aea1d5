"""Hard tasks: episodes of the classes that were just learned worst (the hard-task meta-batch of meta-transfer learning)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .episodes import Episodes, Unit

__all__ = ["Failures", "HardEpisodes", "worst_units"]


class Failures(nn.Module):
    """What the last batch of tasks failed at. It is a part of the objective's state, and so of its checkpoints.

    Parameters
    ----------
    episodes : Episodes
        Where tasks come from.
    size : int
        Tasks of an update.

    Attributes
    ----------
    failed : int64 tensor of shape (size,)
        Numbers of the units that were learned worst, counted through all pools; -1 is none.
    """

    failed: Tensor

    def __init__(self, episodes: Episodes, size: int) -> None:
        super().__init__()
        self.episodes = episodes
        self.register_buffer("failed", torch.full((size,), -1))

    def numbers(self) -> list[int]:
        """What is in `failed` now: on a GPU the buffer itself is another one than at first."""
        found: list[int] = self.failed.tolist()
        return found

    def note(self, numbers: Tensor, right: Tensor) -> None:
        """Take in episodes and which of their queries, unit after unit, were answered rightly; the oldest are forgotten."""
        right = right.unflatten(1, (-1, self.episodes.shape.n_query))
        found = worst_units(self.episodes, numbers.tolist(), right)
        new = torch.tensor(found, device=self.failed.device)
        self.failed.copy_(torch.cat([self.failed, new])[-len(self.failed) :])


class HardEpisodes(Episodes):
    """Episodes like others, but of classes that failed.

    Parameters
    ----------
    like : Episodes
        Whose pools they are drawn from.
    failed : callable
        The numbers of the units that failed when an episode is drawn, counted through all pools; -1 is none.

    Notes
    -----
    By classes, a pool is drawn in proportion to the units of it that failed; these come first in the episode's draw, and others
    of the pool fill it up. By domains, one of the domains that failed is drawn. Where nothing has failed yet it is an episode
    like others. What is drawn depends on the seed, the episode's number and what failed, so that the stream must be read one
    batch at a time.
    """

    def __init__(self, like: Episodes, failed: Callable[[], Sequence[int]]) -> None:
        super().__init__(like.domains, like.pools, like.shape, like.seed, len(like))
        self._failed = failed
        self._ends = np.cumsum([len(p) for p in self.pools])

    def __getitem__(self, k: int) -> tuple[list[Any], Tensor]:
        """Prepared rows of an episode, and their labels."""
        rng = np.random.default_rng([self.seed, k, 1])
        failed = np.unique([n for n in self._failed() if n >= 0])
        return self._rows_of(self._hard(failed, rng) if len(failed) else self._units(rng), rng)

    def _hard(self, failed: Any, rng: np.random.Generator) -> list[Unit]:
        number = int(rng.choice(np.searchsorted(self._ends, failed, side="right")))
        pool, n_way = self.pools[number], self.shape.n_way
        if n_way is None:
            return pool
        first = self._ends[number] - len(pool)
        own = failed[(failed >= first) & (failed < first + len(pool))] - first
        chosen = rng.permutation(own)[:n_way]
        others = rng.permutation(np.setdiff1d(np.arange(len(pool)), chosen))[: n_way - len(chosen)]
        return [pool[int(k)] for k in rng.permutation(np.concatenate([chosen, others]))]


def worst_units(episodes: Episodes, numbers: Sequence[int], right: Tensor) -> list[int]:
    """The number of the unit of each episode that was learned worst, -1 where none failed.

    Parameters
    ----------
    episodes : Episodes
    numbers : sequence of int
        Which episodes.
    right : bool tensor of shape (n_tasks, n_units, n_query)
        Which queries were answered rightly.

    Notes
    -----
    By classes it is the class with the lowest accuracy (Sun et al. 2019, section 4.3); one that was learned without a mistake
    has not failed. By domains the classes are the same in every task, and a task fails as a whole: where its accuracy is
    below the mean of the batch.
    """
    place = {id(u): k for k, u in enumerate(u for pool in episodes.pools for u in pool)}
    shares = right.float().mean(2)
    found = []
    for k, number in enumerate(numbers):
        units = episodes.units(int(number))
        if episodes.shape.n_way is None:
            fails = bool(shares[k].mean() < shares.mean() - 1e-6)
            found.append(place[id(units[0])] if fails else -1)
        else:
            worst = int(torch.argmin(shares[k]))
            found.append(place[id(units[worst])] if shares[k, worst] < 1 else -1)
    return found
