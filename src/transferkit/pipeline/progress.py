"""How a run tells a watcher where it is."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress", "silent"]


class Progress(Protocol):
    """Called with the step's name, how many of its parts are done, how many there are, and what is being done."""

    def __call__(self, step: str, done: int, total: int, text: str) -> None: ...


def silent(step: str, done: int, total: int, text: str) -> None:
    """A watcher that does not look."""
