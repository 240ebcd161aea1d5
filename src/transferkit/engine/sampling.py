"""Which rows an update sees: a function of the seed and the update's number, so that a resumed run needs no state."""

from __future__ import annotations

import numpy as np

from ..core.protocols import Array

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

    Attributes
    ----------
    updates_an_epoch, n_updates : int
    """

    def __init__(self, seed: int, size: int, n_epochs: int, lengths: list[int]) -> None:
        self.seed, self.size, self.n_epochs, self.lengths = seed, size, n_epochs, lengths
        self.updates_an_epoch = len(_chunks(np.arange(lengths[0]), size))
        self.n_updates = self.updates_an_epoch * n_epochs

    def plan(self, stream: int, start: int) -> list[Array]:
        """Row numbers of every update from `start` on, for the stream of that place."""
        if stream:
            return [self._cycle(stream, update) for update in range(start, self.n_updates)]
        first, within = divmod(start, self.updates_an_epoch)
        epochs = (_chunks(self._order(0, epoch), self.size) for epoch in range(first, self.n_epochs))
        return [chunk for chunks in epochs for chunk in chunks][within:]

    def _order(self, stream: int, epoch: int) -> Array:
        return np.random.default_rng([self.seed, stream, epoch]).permutation(self.lengths[stream])

    def _cycle(self, stream: int, update: int) -> Array:
        """Rows of a stream that begins anew when it is through."""
        start, n, found = update * self.size, self.lengths[stream], []
        stop = start + self.size
        while start < stop:
            take = min(stop - start, n - start % n)
            found.append(self._order(stream, start // n)[start % n : start % n + take])
            start += take
        return np.concatenate(found)


def _chunks(order: Array, size: int) -> list[Array]:
    """Cut an order into batches; a last batch of one row joins the one before, since batch statistics need two."""
    chunks = [order[k : k + size] for k in range(0, len(order), size)]
    if len(chunks) > 1 and len(chunks[-1]) == 1:
        chunks[-2:] = [np.concatenate(chunks[-2:])]
    return chunks
