"""An index over the facts of one predicate: which facts have given constants at given places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...core.protocols import Array

__all__ = ["FactIndex"]


class FactIndex:
    """Facts grouped by the constants at some places.

    Parameters
    ----------
    rows : int array of shape (n_facts, arity)
        The facts as numbers of constants.
    places : sequence of int
        Where constants will be given; none puts all facts into one group.
    sizes : sequence of int
        Number of constants of the type at each of these places.

    Attributes
    ----------
    counts : int array of shape (n_groups + 1,)
        Facts in each group; the last is 0, so that the group -1 ("no such fact") has none.
    """

    def __init__(self, rows: Array, places: Sequence[int], sizes: Sequence[int]) -> None:
        self._sizes = list(sizes)
        self._levels: list[Array] = []
        group = np.zeros(len(rows), dtype=np.int64)
        for place, size in zip(places, sizes):
            # A group of the places before and one more constant: below n_facts * size, so that no number overflows.
            level, group = np.unique(group * size + rows[:, place], return_inverse=True)
            self._levels.append(level)
        n_groups = len(self._levels[-1]) if self._levels else int(len(rows) > 0)
        self.counts = np.append(np.bincount(group, minlength=n_groups), 0)
        self._starts = np.append(0, np.cumsum(self.counts))
        self._order = np.argsort(group, kind="stable")

    def groups(self, columns: Sequence[Array], n: int) -> Array:
        """The group of each of `n` combinations of constants, one column a place; -1 where no fact has it."""
        if not len(self._order):
            return np.full(n, -1)
        group = np.zeros(n, dtype=np.int64)
        for level, size, codes in zip(self._levels, self._sizes, columns):
            key = group * size + codes
            at = np.minimum(np.searchsorted(level, key), len(level) - 1)
            group = np.where((group >= 0) & (codes >= 0) & (level[at] == key), at, -1)
        return group

    def facts(self, groups: Array) -> tuple[Array, Array]:
        """All pairs (position in `groups`, fact of that group), positions in ascending order."""
        counts = self.counts[groups]
        position = np.repeat(np.arange(len(groups)), counts)
        within = np.arange(len(position)) - np.repeat(np.cumsum(counts) - counts, counts)
        return position, self._order[self._starts[groups][position] + within]
