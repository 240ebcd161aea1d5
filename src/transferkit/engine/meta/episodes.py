"""Episodes: small tasks drawn from domains, each a support that is learned from and queries that judge what was learned.

The stream of a meta-learner: its row ``i`` is episode ``i``, drawn from the seed and ``i`` alone, so that a batch of the loop
is a batch of tasks, and a resumed training sees the tasks that an unbroken one would.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ...core.protocols import Array
from ..inputs.preprocess import Preprocess
from ..inputs.rows import Rows
from ..training.objective import Stream

__all__ = ["Episodes", "Pooled", "Shape", "Unit"]


@dataclass(frozen=True)
class Shape:
    """How large an episode is.

    Attributes
    ----------
    n_way : int or None
        Classes drawn for it; None takes all units of the pool, in their order.
    k_shot, n_query : int
        Support and query rows of each.
    """

    n_way: int | None
    k_shot: int
    n_query: int


@dataclass(frozen=True, eq=False)
class Unit:
    """What rows of one label are drawn from: a class of a domain; for a regression, all rows of it.

    Attributes
    ----------
    domain : int
    rows : int64 array of shape (n_rows,)
    quarter : int
        Quarter turns that its images are rotated by: a rotated character is another class.
    label : object
        The class as given; None for a regression.
    """

    domain: int
    rows: Array
    quarter: int = 0
    label: Any = None


class Episodes(Rows):
    """A stream of tasks.

    Parameters
    ----------
    domains : sequence of Rows
        Where rows come from; with numbers as labels for a regression.
    pools : sequence of sequence of Unit
        An episode's units come from one pool. Pools are drawn in proportion to their size where units are drawn, else alike.
    shape : Shape
    seed : int
    n_episodes : int
        Of an epoch; every epoch has new ones.

    Notes
    -----
    A batch is of shape (n_tasks, n_rows, ...): first the support, then the queries, each unit after unit. ``y`` has the
    unit's place in the episode, or the numbers.
    """

    endless = True

    def __init__(
        self, domains: Sequence[Rows], pools: Sequence[Sequence[Unit]], shape: Shape, seed: int, n_episodes: int
    ) -> None:
        super().__init__(range(n_episodes), _ByTask(domains[0].preprocess))
        self.domains, self.pools, self.shape, self.seed = list(domains), [list(p) for p in pools], shape, seed
        sizes = np.array([len(pool) if shape.n_way is not None else 1 for pool in self.pools], dtype=np.float64)
        self._odds = sizes / sizes.sum()

    @property
    def n_support(self) -> int:
        """Support rows of an episode."""
        return self._n_units * self.shape.k_shot

    @property
    def _n_units(self) -> int:
        return len(self.pools[0]) if self.shape.n_way is None else self.shape.n_way

    def units(self, episode: int) -> list[Unit]:
        """The units of an episode, in the order of its labels."""
        return self._units(np.random.default_rng([self.seed, episode]))

    def _units(self, rng: np.random.Generator) -> list[Unit]:
        pool = self.pools[int(rng.choice(len(self.pools), p=self._odds))]
        if self.shape.n_way is None:
            return pool
        return [pool[k] for k in rng.choice(len(pool), self.shape.n_way, replace=False)]

    def __getitem__(self, k: int) -> tuple[list[Any], Tensor]:
        """Prepared rows of an episode, and their labels."""
        rng = np.random.default_rng([self.seed, k])
        return self._rows_of(self._units(rng), rng)

    def _rows_of(self, units: Sequence[Unit], rng: np.random.Generator) -> tuple[list[Any], Tensor]:
        shape = self.shape
        drawn = [rng.choice(u.rows, shape.k_shot + shape.n_query, replace=False) for u in units]
        samples: list[Any] = []
        labels: list[Any] = []
        for part in (slice(shape.k_shot), slice(shape.k_shot, None)):
            for place, (unit, rows) in enumerate(zip(units, drawn)):
                domain = self.domains[unit.domain]
                samples += [turned(domain[int(r)], unit.quarter) for r in rows[part]]
                labels += [place] * len(rows[part]) if domain.y is None else [domain.y[int(r)] for r in rows[part]]
        return samples, torch.stack(labels) if isinstance(labels[0], Tensor) else torch.tensor(labels)

    def batches(self, plan: Sequence[Array], workers: int = 0) -> Iterator[Stream]:
        """One stream of tasks on the CPU for each list of episode numbers."""
        loader: DataLoader[Any] = DataLoader(
            self,
            batch_sampler=[numbers.tolist() for numbers in plan],
            collate_fn=self._collate,
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),  # else the loader draws a number from the global one
        )
        for numbers, (x, y) in zip(plan, loader):
            yield Stream(x, y, torch.as_tensor(np.ascontiguousarray(numbers), dtype=torch.int64))

    def _collate(self, episodes: list[tuple[list[Any], Tensor]]) -> tuple[Any, Tensor]:
        return self.preprocess.collate([samples for samples, _ in episodes]), torch.stack([y for _, y in episodes])

    def digest(self) -> str:
        """SHA-256 of the rows, of what may be drawn from them, and of the size of a task."""
        found = hashlib.sha256(repr((self.shape, self.seed, len(self))).encode())
        for domain in self.domains:
            found.update(domain.digest().encode())
        for pool in self.pools:
            found.update(f"pool of {len(pool)}".encode())
            for unit in pool:
                found.update(f"{unit.domain} {unit.quarter} ".encode() + np.asarray(unit.rows, np.int64).tobytes())
        return found.hexdigest()


class Pooled(Rows):
    """The rows of many units as one labelled set: what a plain classifier of all classes is trained on.

    Parameters
    ----------
    domains : sequence of Rows
    units : sequence of Unit
    codes : sequence of int, optional
        The class of each unit; None gives each one of its own.
    """

    def __init__(self, domains: Sequence[Rows], units: Sequence[Unit], codes: Sequence[int] | None = None) -> None:
        self._domains = domains
        self._places = [(u.domain, int(r), u.quarter) for u in units for r in u.rows]
        super().__init__(self._places, domains[0].preprocess)
        codes = range(len(units)) if codes is None else codes
        self.y = torch.as_tensor(np.repeat(list(codes), [len(u.rows) for u in units]).astype(np.int64))

    def __getitem__(self, k: int) -> Any:
        domain, row, quarter = self._places[k]
        return turned(self._domains[domain][row], quarter)

    def digest(self) -> str:
        """SHA-256 of the rows, which of them in which order, and their classes."""
        found = hashlib.sha256(repr(self._places).encode())
        for domain in self._domains:
            found.update(domain.digest().encode())
        assert self.y is not None
        found.update(self.y.numpy().tobytes())
        return found.hexdigest()


def turned(sample: Any, quarter: int) -> Any:
    """A prepared image (n_channels, size, size), turned by so many quarters."""
    return sample if quarter == 0 else torch.rot90(sample, quarter, (-2, -1))


class _ByTask(Preprocess):
    """What a backbone does with its rows, for batches of shape (n_tasks, n_rows, ...)."""

    type: ClassVar[str] = "by_task"

    def __init__(self, inner: Preprocess) -> None:
        self.inner = inner
        self.kind = inner.kind  # type: ignore[misc]

    @property
    def spec(self) -> dict[str, Any]:
        return {"type": self.type, "rows": self.inner.spec}

    def prepare(self, sample: Any) -> Any:
        return self.inner.prepare(sample)

    def example(self) -> Any:
        return self.inner.example()

    def collate(self, prepared: list[Any]) -> Any:
        n = len(prepared)
        return _each(self.inner.collate([s for task in prepared for s in task]), lambda v: v.unflatten(0, (n, -1)))

    def finish(self, batch: Any, *, training: bool, generator: torch.Generator | None = None) -> Any:
        n = len(batch if isinstance(batch, Tensor) else next(iter(batch.values())))
        flat = self.inner.finish(_each(batch, lambda v: v.flatten(0, 1)), training=training, generator=generator)
        return _each(flat, lambda v: v.unflatten(0, (n, -1)))


def _each(x: Any, f: Any) -> Any:
    """Apply to a tensor, or to each of a mapping of tensors."""
    return f(x) if isinstance(x, Tensor) else {k: f(v) for k, v in x.items()}
