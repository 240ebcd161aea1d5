"""Several simulated source domains, and the objective of a method that tells them apart, with a batch of all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import adaptation_checks
from objectives import stream
from transferkit import DeepSourceOnly, Domain
from transferkit.engine.training.objective import Objective, Stream


@dataclass(frozen=True, eq=False)
class Sources:
    """Rows, labels and domains of the sources, and a target."""

    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    Xt: np.ndarray
    yt: np.ndarray


def spurious(seed: int, n: int = 240) -> Sources:
    """Two sources, the smaller a sixth, and a target. A weak column tells the classes anywhere; a strong one agrees with
    them in the large source, and contradicts them in the small one and in the target."""
    rng = np.random.default_rng(seed)
    groups = (np.arange(n) % 6 == 0).astype(int)

    def draw(side: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y = rng.integers(0, 2, len(side))
        X = rng.normal(size=(len(side), 4))
        X[:, 0] += 1.6 * (2 * y - 1)
        X[:, 1] += 2.0 * side * (2 * y - 1)
        return X, y

    X, y = draw(np.where(groups == 0, 1, -1))
    return Sources(X, y, groups, *draw(np.full(n, -1)))


def two_moved(seed: int, n: int = 120) -> Sources:
    """Two sources and a target, each moved by an offset of its own that leans into the direction of the classes."""
    rng = np.random.default_rng(seed)
    groups = np.arange(n) % 2

    def draw(offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y = rng.integers(0, 2, n)
        X = rng.normal(size=(n, 5))
        X[:, 0] += 3.0 * y
        return X + offset, y

    away = np.array([[0, 0, 0, 0, 0], [1.5, 0, 3, 0, 0], [3, 0, 0, 3, 0.0]])
    X, y = draw(away[groups])
    return Sources(X, y, groups, *draw(away[2]))


def small(cls: type, **params: Any) -> Any:
    """An instance with a tiny network; else with the method's own defaults."""
    return cls(**adaptation_checks.settings({"random_state": 0, **params}))


def fitted(est: Any, data: Sources, target: Any = None) -> Any:
    """Fitted with the source domain of each row."""
    return est.fit(data.X, data.y, target=Domain(data.Xt if target is None else target), groups=data.groups)


def plain(data: Sources, **params: Any) -> Any:
    """The same network on all sources together."""
    return fitted(small(DeepSourceOnly, **params), data)


def built(est: Any, data: Sources) -> tuple[Objective, dict[str, Stream]]:
    """What a fit would train, in training mode, and a batch of all rows of every stream."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        training = est._checked_training("fit")
        fit = est._begin("fit", data.X, data.y, data.Xt, Domain(data.Xt), data.groups, training, 0)
        est._edit(fit)
        objective = est._objective(fit).train()
    batch = {name: stream(rows.X[rows.index], rows.y) for name, rows in est._streams(fit).items()}
    return objective, batch


def assert_target_unused(est: Any, data: Sources) -> None:
    """Any other target gives the same network, to the last bit."""
    other = np.random.default_rng(9).normal(5, 3, (7, data.Xt.shape[1]))
    one, two = fitted(est, data).network_.state_dict(), fitted(est, data, other).network_.state_dict()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=0, msg=name)


def assert_source_only(est: Any, data: Sources) -> None:
    """Without groups it is the plain training on the source, to the last bit."""
    shared = {k: v for k, v in est.get_params().items() if k in DeepSourceOnly().get_params()}
    target = Domain(data.Xt[: len(data.X)])
    one = est.fit(data.X, data.y, target=target).network_.state_dict()
    two = DeepSourceOnly(**shared).fit(data.X, data.y, target=target).network_.state_dict()
    for name, value in two.items():
        torch.testing.assert_close(one[name], value, rtol=0, atol=0, msg=name)
