"""Pictures of two domains, and the objective of a real fit on them, for tests of methods that make or change inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import adaptation_checks
import networks
from transferkit import Domain
from transferkit.engine.training.loop import Loop


def pictures(seed: int, n: int = 48, size: int = 8) -> tuple[Any, ...]:
    """A bar, lying or standing, bright on dark in the source; the target's light is stronger and its contrast weaker."""
    rng = np.random.default_rng(seed)
    found: list[Any] = []
    for gain, offset in ((0.6, 0), (0.25, 170)):
        y = np.arange(n) % 2
        X = rng.uniform(0, 110, size=(n, size, size))
        for k, at in enumerate(rng.integers(1, size - 1, n)):
            X[k, at if y[k] else slice(None), slice(None) if y[k] else at] = 255
        found += [(gain * X + offset).astype(np.uint8), y]
    return tuple(found)


def captured(monkeypatch: pytest.MonkeyPatch, cls: Any, *, before: int = 1, images: bool = True, **params: Any) -> Any:
    """The objective and a prepared batch of a real fit, after `before` updates."""
    found: dict[str, Any] = {}
    update = Loop.update

    def watch(loop: Loop, batch: Any) -> Any:
        if loop.done < before:
            return update(loop, batch)
        loop._set_modes()
        seed = np.random.SeedSequence(0)
        ready = {name: loop._input(name, stream, seed) for name, stream in batch.items()}
        found.update(objective=loop.objective, batch=ready)
        raise InterruptedError

    X, y, Xt, _ = pictures(0)
    if not images:
        X, Xt = (v.reshape(len(v), -1)[:, ::7] / 255 for v in (X, Xt))
    given = {"training": adaptation_checks.training(n_epochs=2, clip=None, batch_size=16)}
    given["backbone"] = networks.KINDS["images"].fresh() if images else "small:mlp?hidden=16"
    model = cls(**adaptation_checks.settings({**given, **params}))
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "update", watch)
        with pytest.raises(InterruptedError):
            model.fit(X, y, target=Domain(Xt))
    return found["objective"], found["batch"]


def moved_by(objective: Any, batch: Any, name: str) -> set[str]:
    """The objective's own parts (its direct children) that one update of the named step moves."""
    step = next(s for s in objective.steps() if s.name == name)
    params = [p for p in step.params if p.requires_grad]
    for p in objective.parameters():
        p.grad = None
    step.loss(batch, 0.5)["loss"].backward(inputs=params)
    return {
        child
        for child, module in objective.named_children()
        if any(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())
    }
