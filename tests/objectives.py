"""The objective of a deep method between domains, with one batch of all rows, as its fit would build them."""

from __future__ import annotations

from typing import Any

import torch

import adaptation_checks
import shifts
from transferkit.engine.training.objective import Objective, Stream


def small(cls: type, **params: Any) -> Any:
    """An instance with the cheap settings of the tests."""
    return cls(**adaptation_checks.settings({**getattr(cls, "_test_params", {}), **params}))


def built(est: Any, shift: shifts.Shift, shots: int = 0) -> tuple[Objective, dict[str, Stream]]:
    """What a fit of this estimator would train, in training mode, and a batch of all rows."""
    target = shift.target(shots)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        training = est._checked_training("fit")
        fit = est._begin("fit", shift.X, shift.y, shift.Xt, target, None, training, 0)
        est._edit(fit)
        objective = est._objective(fit).train()
    for module in objective.frozen():
        module.eval()
    batch = {"source": stream(shift.X, fit.rows.y), "target": stream(shift.Xt)}
    if fit.known is not None:
        batch["known"] = stream(shift.Xt[target.known_rows], fit.known.y)
    return objective, batch


def stream(X: Any, y: torch.Tensor | None = None) -> Stream:
    """Rows as the loop would hand them over."""
    return Stream(torch.as_tensor(X).float(), y, torch.arange(len(X)))


def gradients(loss: torch.Tensor, named: Any) -> dict[str, torch.Tensor]:
    """Of every named parameter that the loss reaches."""
    params = {name: p for name, p in named if p.requires_grad}
    found = torch.autograd.grad(loss, list(params.values()), retain_graph=True, allow_unused=True)
    return {name: g for name, g in zip(params, found) if g is not None}


def assert_gradients(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    """The same parameters are reached, with the same gradients."""
    assert found.keys() == expected.keys()
    for name, g in found.items():
        torch.testing.assert_close(g, expected[name], rtol=1e-3, atol=1e-6, msg=name)
