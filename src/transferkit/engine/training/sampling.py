"""Which rows an update sees: a function of the seed and the update's number, so that a resumed run needs no state."""

from __future__ import annotations

from collections.abc import Collection
from itertools import accumulate

import numpy as np

from ...core.protocols import Array

__all__ = ["Sampling"]


class Sampling:
    """The order of the rows of several streams.

    Parameters
    ----------
    seed : int
    size : int
        Rows an update.
    n_epochs : int
        Passes over the first stream. Shorter streams begin anew; longer ones are not seen whole in an epoch.
    lengths : sequence of int
        Rows of each stream.
    least : int
        Rows that an update has at least, where there are as many: each of several processes needs one.
    endless : collection of int
        Places of streams whose rows never come again, as those that are drawn anew: they are numbered on from epoch to epoch.

    Notes
    -----
    An update sees as many rows of every stream, also the last of an epoch: so each can be cut into the same pieces, and a
    mean over pieces is that of the whole.

    Attributes
    ----------
    updates_an_epoch, n_updates : int
    """

    def __init__(
        self, seed: int, size: int, n_epochs: int, lengths: list[int], least: int = 2, endless: Collection[int] = ()
    ) -> None:
        self.seed, self.n_epochs, self.lengths, self.endless = seed, n_epochs, lengths, endless
        self._cuts = _cuts(lengths[0], size, least)  # where the updates of an epoch begin, and the last one ends
        self.updates_an_epoch = len(self._cuts) - 1
        self.n_updates = self.updates_an_epoch * n_epochs

    def plan(self, stream: int, start: int) -> list[Array]:
        """Row numbers of every update from `start` on, for the stream of that place."""
        found, orders = [], _Orders(self.seed, stream, self.lengths[stream])
        for update in range(start, self.n_updates):
            epoch, within = divmod(update, self.updates_an_epoch)
            before = epoch * self.lengths[0]  # rows seen until this epoch
            start_row, stop_row = before + self._cuts[within], before + self._cuts[within + 1]
            endless = stream in self.endless
            found.append(np.arange(start_row, stop_row) if endless else orders.rows(start_row, stop_row))
        return found


class _Orders:
    """One pass over a stream after the other, each in an order of its own; the last order is remembered."""

    def __init__(self, seed: int, stream: int, n: int) -> None:
        self.seed, self.stream, self.n = seed, stream, n
        self._turn, self._order = -1, np.arange(0)

    def rows(self, start: int, stop: int) -> Array:
        """The row numbers from one place in all passes to another."""
        found = []
        while start < stop:
            turn, within = divmod(start, self.n)
            if turn != self._turn:
                self._turn = turn
                self._order = np.random.default_rng([self.seed, self.stream, turn]).permutation(self.n)
            found.append(self._order[within : within + stop - start])
            start += len(found[-1])
        return np.concatenate(found)


def _cuts(n: int, size: int, least: int) -> list[int]:
    """Where batches begin and end; a last one of fewer rows than `least` joins the one before.

    Batch statistics need two rows.
    """
    sizes = [min(size, n - k) for k in range(0, n, size)]
    if len(sizes) > 1 and sizes[-1] < least:
        sizes[-2:] = [sum(sizes[-2:])]
    return [0, *accumulate(sizes)]
