"""Fits that end their process (want of memory, a crash in compiled code): noted before they begin, tried again alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from joblib.externals.loky import ProcessPoolExecutor

from ..core.files import atomic_write

__all__ = ["ENDED", "TRIES", "alone", "begin", "end", "forget", "tries"]

STARTED = "started.json"
TRIES = 3  # a whole run that ends may be a power cut: a fit is believed to have done it after so many

ENDED = (
    "it ended the process that fitted it, again and again, most likely for want of memory; to try once more, delete its"
    " folder in candidates/ and resume"
)


def tries(home: Path) -> int:
    """How often a fit was begun in this folder and neither ended nor was stopped."""
    try:
        found: int = json.loads((home / STARTED).read_text(encoding="utf-8"))["tries"]
    except (OSError, json.JSONDecodeError):
        return 0
    return found


def begin(home: Path, before: int) -> None:
    """Note that a fit begins, after so many tries `before`."""
    atomic_write(home / STARTED, json.dumps({"tries": before + 1}))


def end(home: Path) -> None:
    """The fit is done, or was stopped for a reason that is not its own."""
    (home / STARTED).unlink(missing_ok=True)


def forget(homes: Iterable[Path]) -> None:
    """`end` for all of them."""
    for home in homes:
        end(home)


def alone(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function in a process of its own; `concurrent.futures.BrokenExecutor` is raised where that process is ended."""
    pool = ProcessPoolExecutor(max_workers=1)
    try:
        return pool.submit(function, *args).result()
    finally:
        pool.shutdown(wait=True, kill_workers=True)
