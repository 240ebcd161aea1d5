"""What is shown and written while a network trains: a progress bar, JSON lines, TensorBoard."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ...core.files import atomic_write, make_folder
from .settings import Training

__all__ = ["make_recorders"]


class Recorder(Protocol):
    """Told about every update ("update"), epoch ("epoch") and the end ("end")."""

    def __call__(self, event: str, state: Mapping[str, Any]) -> None: ...
    def close(self) -> None: ...


def make_recorders(training: Training, first: bool, n_updates: int, n_epochs: int = 0) -> Sequence[Recorder]:
    """The recorders that the settings ask for, after `n_epochs` are done; only the first process has any."""
    if not first:
        return ()
    found: list[Recorder] = []
    if training.progress or (training.progress is None and sys.stderr.isatty()):
        found.append(_Bar(n_updates))
    if training.folder is not None:
        found.append(_JsonLines(Path(training.folder)))
        if training.tensorboard:
            found.append(_TensorBoard(Path(training.folder), n_epochs))
    return found


class _Bar:
    def __init__(self, n_updates: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("training"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"), TimeRemainingColumn(),
            TextColumn("{task.description}"), console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=n_updates)
        self._bar.start()

    def __call__(self, event: str, state: Mapping[str, Any]) -> None:
        row = state["history"][-1] if state["history"] else {}
        text = "  ".join(f"{k.rpartition('/')[2]} {v:.3g}" for k, v in row.items() if k not in ("epoch", "lr"))
        self._bar.update(self._task, completed=state["update"], description=text)

    def close(self) -> None:
        self._bar.stop()


class _JsonLines:
    """The whole history is written anew each epoch, so that a resumed log equals an unbroken one."""

    def __init__(self, folder: Path) -> None:
        self._path = make_folder(folder) / "log.jsonl"

    def __call__(self, event: str, state: Mapping[str, Any]) -> None:
        if event != "update":
            atomic_write(self._path, "".join(json.dumps(row) + "\n" for row in state["history"]))

    def close(self) -> None:
        return


class _TensorBoard:
    def __init__(self, folder: Path, n_epochs: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # What an earlier run has written of later epochs counts no more.
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=n_epochs + 1)

    def __call__(self, event: str, state: Mapping[str, Any]) -> None:
        if event == "epoch":
            row = state["history"][-1]
            for name, value in row.items():
                if name != "epoch":
                    self._writer.add_scalar(name, value, row["epoch"])

    def close(self) -> None:
        self._writer.close()
