"""Small simulated pairs of graphs, for methods that carry labels from nodes to nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit import Domain


@dataclass(frozen=True, eq=False)
class Graphs:
    """Nodes, labels and edges of a source and a target."""

    X: np.ndarray
    y: np.ndarray
    edges: Any
    Xt: np.ndarray
    yt: np.ndarray
    edges_t: Any

    def target(self, shots: int = 0) -> Domain:
        """The target, with `shots` known labels a class."""
        if not shots:
            return Domain(self.Xt, edges=self.edges_t, name="target")
        known = np.zeros(len(self.yt), dtype=bool)
        for c in np.unique(self.yt):
            known[np.flatnonzero(self.yt == c)[:shots]] = True
        return Domain(self.Xt, self.yt, known, edges=self.edges_t, name="target")


def edges_of(rng: np.random.Generator, y: np.ndarray, inside: float, between: float) -> np.ndarray:
    """Pairs of nodes, each linked with the probability of its classes: both directions are listed."""
    n = len(y)
    chance = np.where(y[:, None] == y[None, :], inside, between)
    start, end = np.nonzero(np.triu(rng.random((n, n)) < chance, 1))
    return np.vstack([np.append(start, end), np.append(end, start)])


def nodes(rng: np.random.Generator, n: int, signal: float, d: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Three classes around the first three axes, too near for the features alone."""
    y = np.arange(n) % 3
    X = rng.normal(size=(n, d))
    X[np.arange(n), y] += signal
    return X, y


def same(seed: int, n: int = 60, signal: float = 1.5) -> Graphs:
    """Both graphs from one distribution: neighbours are mostly of one class."""
    rng = np.random.default_rng(seed)
    (X, y), (Xt, yt) = nodes(rng, n, signal), nodes(rng, n, signal)
    return Graphs(X, y, edges_of(rng, y, 0.2, 0.03), Xt, yt, edges_of(rng, yt, 0.2, 0.03))


def moved(seed: int, n: int = 90) -> Graphs:
    """The target's features have another zero and another gain."""
    world, rng = same(seed, n), np.random.default_rng(seed + 100)
    Xt = world.Xt * rng.uniform(1.0, 2.0, 6) + rng.normal(scale=1.5, size=6)
    return Graphs(world.X, world.y, world.edges, Xt, world.yt, world.edges_t)


def rewired(seed: int, n: int = 120) -> Graphs:
    """The source's neighbours are often of another class, the target's are not: what to expect of neighbours has moved."""
    rng = np.random.default_rng(seed)
    (X, y), (Xt, yt) = nodes(rng, n, 1.0), nodes(rng, n, 1.0)
    return Graphs(X, y, edges_of(rng, y, 0.06, 0.05), Xt, yt, edges_of(rng, yt, 0.12, 0.01))


def two_labels(y: np.ndarray) -> np.ndarray:
    """A table of 0 and 1 from three classes: the first and second together have one label, the second and third the other."""
    return np.column_stack([y <= 1, y >= 1]).astype(int)
