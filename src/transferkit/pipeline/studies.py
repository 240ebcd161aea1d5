"""Optuna, as the searches use it: seeded, quiet, and with successive halving where a setting is judged in steps."""

from __future__ import annotations

from typing import Any

from ..core.errors import MissingExtraError

__all__ = ["ETA", "SHARE", "check_search", "new_study"]

ETA = 3  # one of so many settings goes on to a step that costs so many times as much
SHARE = 0.25  # of a time budget, for each of the two searches


def check_search(option: str = "tune") -> Any:
    """Optuna.

    Raises
    ------
    MissingExtraError
        If it is not installed; the message names the option that needs it.
    """
    try:
        import optuna
    except ImportError as err:
        raise MissingExtraError(f"run: {option} needs optuna: pip install 'transferkit[tune]'") from err
    return optuna


def new_study(optuna: Any, direction: str, seed: int, *, halving: bool) -> Any:
    """A study with the sampler TPE; steps report themselves as 1, 3, 9, ... to its pruner."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruners = optuna.pruners
    return optuna.create_study(
        direction=direction,
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=ETA)
        if halving
        else pruners.NopPruner(),
    )
