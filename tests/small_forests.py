"""Forests of twenty trees in the place of hundreds: for tests of what a run does, not of how good its forests are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import pytest

MODULES = ("pipeline.plain_models", "pipeline.search", "core.distil", "ops.evidence.two_sample")
N_TREES = 20


def _small(forest: type) -> Callable[..., Any]:
    def make(n_estimators: int, **params: Any) -> Any:
        return forest(min(n_estimators, N_TREES), **params)

    return make


@contextmanager
def small_forests() -> Iterator[None]:
    """Inside, a run's inner models, its search, its students and its test of the domains have small forests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in MODULES:
            module = import_module(f"transferkit.{name}")
            here = [f for f in ("ExtraTreesClassifier", "ExtraTreesRegressor") if hasattr(module, f)]
            assert here, f"{name} has no forest any more"
            for forest in here:
                patch.setattr(module, forest, _small(getattr(module, forest)))
        yield
