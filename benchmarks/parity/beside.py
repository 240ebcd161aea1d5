"""What `feature.py`, `transport.py` and `instance_adapt.py` share: two domains, differences, and the file that they go to."""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["KNOWN", "SEEDS", "Array", "Problem", "apart", "draw", "on_skada", "quiet", "signed", "tables", "write"]

Array = np.ndarray
SEEDS = range(3)
CLASSES = 3
EQUAL = 1e-6  # differences above need an explanation
KNOWN = 20  # target rows whose labels a method with target labels sees


@dataclass(frozen=True)
class Problem:
    """Source, target and new rows of both domains; labels are classes, values are numbers of variance 1 in the source."""

    X: Array
    y: Array
    value: Array
    Xt: Array
    yt: Array
    value_t: Array
    new: Array
    new_t: Array

    @property
    def biased(self) -> float:
        """What a map from one covariance to the other is multiplied with where the peer divides by n, not by n - 1."""
        n, m = len(self.X), len(self.Xt)
        return float(np.sqrt((m - 1) / m * n / (n - 1)))


def draw(seed: int, n: int = 90, m: int = 70, d: int = 5) -> Problem:
    """Gaussian classes; the target's are sheared and moved."""
    rng = np.random.default_rng(seed)
    means, shear, w = 2 * rng.normal(size=(CLASSES, d)), np.eye(d) + 0.2 * rng.normal(size=(d, d)), rng.normal(size=d)
    labels = [np.arange(k) % CLASSES for k in (n, m, 50, 60)]
    rows = [means[y] + rng.normal(size=(len(y), d)) for y in labels]
    values = [X @ w for X in rows[:2]]
    values = [(v - values[0].mean()) / values[0].std() for v in values]
    X, Xt, new, new_t = rows[0], rows[1] @ shear + 0.5, rows[2], rows[3] @ shear + 0.5
    return Problem(X, labels[0], values[0], Xt, labels[1], values[1], new, new_t)


def on_skada(adapter: Any, p: Problem) -> Array:
    """The source rows as an adapter of skada gives them back, fitted on both domains with the target's labels masked."""
    X, domain = np.vstack([p.X, p.Xt]), np.repeat([1, -2], [len(p.X), len(p.Xt)])
    labels = np.concatenate([p.y, np.full(len(p.Xt), -1)])
    return np.asarray(adapter.fit_transform(X, labels, sample_domain=domain))[: len(p.X)]


def apart(ours: Any, theirs: Any) -> float:
    """The largest difference over the peer's largest number."""
    a, b = np.asarray(ours, float), np.asarray(theirs, float)
    return float(np.abs(a - b).max() / np.abs(b).max())


def signed(Z: Array, like: Array) -> Array:
    """Columns with the signs of those they are compared with."""
    return Z * np.where((Z * like).sum(axis=0) < 0, -1.0, 1.0)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Peers warn and print as they go."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def tables(rows: Mapping[str, Callable[[Problem], dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Every comparison on every problem: the largest of a number, the mean of a pair (ours, theirs)."""
    found: dict[str, dict[str, Any]] = {}
    for name, compare in rows.items():
        each = []
        for seed in SEEDS:
            with quiet():
                each.append(compare(draw(seed)))
        found[name] = {
            key: [float(f"{v:.4g}") for v in np.mean([one[key] for one in each], axis=0)]
            if isinstance(each[0][key], list)
            else float(f"{max(one[key] for one in each):.2g}")
            for key in each[0]
        }
    return found


def write(name: str, packages: tuple[str, ...], notes: Mapping[str, str], methods: Mapping[str, Any]) -> None:
    """The table to results/, and to the screen; what differs must have a note, and a note a row."""
    idle = [key for key in notes if not any(row.startswith(key) for row in methods)]
    silent = [
        row
        for row, found in methods.items()
        if any(not isinstance(v, list) and not v <= EQUAL for v in found.values()) and not row.startswith(tuple(notes))
    ]
    if idle or silent:
        raise SystemExit(
            f"{name}: every difference must have its note. Got rows {silent} without, notes {idle} of nothing."
        )
    versions = {package: version(package) for package in packages}
    text = json.dumps({"versions": versions, "notes": notes, "methods": methods}, indent=1)
    (Path(__file__).parents[1] / "results" / name).write_text(text + "\n", encoding="utf-8")
    print(text)
