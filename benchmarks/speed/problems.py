"""The simulated problems that the sides are timed on; all come from seed 0."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit.ops.kernels.gaussian import median_gamma, squared_distances

Array = np.ndarray
CLASSES = 4


@dataclass(frozen=True)
class Problem:
    """Source and target of one problem, and settings that come from them."""

    X: Array
    y: Array
    Xt: Array
    yt: Array
    known: Array  # target rows whose labels a method with target labels may use; they are not scored
    groups: Array | None  # which source a row is of
    gamma: float  # kernel width from the median distance
    unit: float  # median squared distance between the domains
    largest: float  # largest squared distance over the mean one

    @property
    def scored(self) -> Array:
        return ~self.known


def make(kind: str, n: int, d: int) -> Problem:
    """The problem of that name with n rows a side and d features."""
    rng = np.random.default_rng(0)
    drawn = KINDS[kind](rng, n, d)
    X, y, Xt, yt = drawn[:4]
    squared = squared_distances(X, Xt)
    return Problem(
        X, y, Xt, yt,
        known=np.arange(len(yt)) < min(10 * CLASSES, n // 2) if kind in ("labels", "numbers") else np.zeros(n, bool),
        groups=drawn[4] if len(drawn) > 4 else None,
        gamma=median_gamma(np.vstack([X, Xt])),
        unit=float(np.median(squared)),
        largest=float(squared.max() / squared.mean()),
    )  # fmt: skip


def _move(rng: np.random.Generator, Z: Array) -> Array:
    """Stretched, sheared and moved, by as much at any number of features."""
    d = Z.shape[1]
    shear = np.eye(d) + 0.25 * rng.normal(size=(d, d)) / np.sqrt(d)
    return Z @ shear * rng.uniform(0.6, 1.6, size=d) + 0.7 * np.sqrt(20 / d)


def _means(rng: np.random.Generator, d: int) -> Array:
    return rng.normal(size=(CLASSES, d)) * np.sqrt(20 / d)


def _moved(rng: np.random.Generator, n: int, d: int, n_classes: int = CLASSES) -> tuple[Any, ...]:
    """Gaussian classes; the target is stretched, sheared and moved."""
    means = _means(rng, d)
    y, yt = rng.integers(n_classes, size=n), rng.integers(n_classes, size=n)
    return means[y] + rng.normal(size=(n, d)), y, _move(rng, means[yt] + rng.normal(size=(n, d))), yt


def _covariate(rng: np.random.Generator, n: int, d: int) -> tuple[Any, ...]:
    """One curved border; the target lies where the source is thin, and a line fits better there."""
    X, Xt = rng.normal(size=(n, d)), rng.normal(size=(n, d))
    Xt[:, 1] = 1.2 + 0.5 * Xt[:, 1]

    def label(Z: Array) -> Array:
        return (Z[:, 0] + Z[:, 1] ** 2 > 1).astype(int)

    return X, label(X), Xt, label(Xt)


def _shares(rng: np.random.Generator, n: int, d: int) -> tuple[Any, ...]:
    """Classes that overlap, whose shares alone differ; two sources with shares of their own."""
    means, shares = 0.4 * _means(rng, d), np.array([0.4, 0.3, 0.2, 0.1])
    groups = np.arange(n) % 2
    y = np.where(groups, rng.choice(CLASSES, n, p=[0.3, 0.4, 0.15, 0.15]), rng.choice(CLASSES, n, p=shares))
    yt = rng.choice(CLASSES, n, p=shares[::-1])
    return means[y] + rng.normal(size=(n, d)), y, means[yt] + rng.normal(size=(n, d)), yt, groups


def _numbers(rng: np.random.Generator, n: int, d: int) -> tuple[Any, ...]:
    """A value that is linear in features which are then moved."""
    weights = rng.normal(size=d) / np.sqrt(d)
    Z, Zt = rng.normal(size=(n, d)), rng.normal(size=(n, d))
    y, yt = Z @ weights + 0.1 * rng.normal(size=n), Zt @ weights + 0.1 * rng.normal(size=n)
    return Z, y, _move(rng, Zt), yt


KINDS: dict[str, Callable[[np.random.Generator, int, int], tuple[Any, ...]]] = {
    "moved": _moved,
    "two": lambda rng, n, d: _moved(rng, n, d, 2),
    "labels": _moved,
    "covariate": _covariate,
    "shares": _shares,
    "numbers": _numbers,
}
