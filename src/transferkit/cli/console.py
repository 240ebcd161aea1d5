"""What the commands share: where text goes, how a run's progress looks, how options are read."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

__all__ = [
    "command_line",
    "complain",
    "out",
    "print_json",
    "print_notes",
    "seconds",
    "settings_of",
    "value_of",
    "watch",
]

STEPS = {
    "define": "1/6 define: reading the domains",
    "prepare": "2/6 prepare: encoding, hiding labels",
    "select": "3/6 select: how the domains differ",
    "train": "4/6 train: fitting candidates",
    "evaluate": "5/6 evaluate: the guard decides",
    "analyse": "6/6 analyse: writing the report",
}


def out() -> Console:
    """Where results go."""
    return Console(highlight=False, soft_wrap=False)


def complain(message: str) -> None:
    """One line on standard error."""
    print("transferkit: " + " ".join(message.split()), file=sys.stderr)  # noqa: T201


def print_json(facts: Any) -> None:
    """Facts for a program to read: strict JSON on standard output."""
    typer.echo(json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False))


def print_notes(notes: Iterable[str]) -> None:
    """What was done to the data, a line each."""
    from rich.markup import escape

    for note in notes:
        out().print(f"note: {escape(note)}", style="dim")


def command_line() -> str:
    """The command as it was typed, for the report."""
    return shlex.join(["transferkit", *sys.argv[1:]])


def seconds(text: str | None) -> float | None:
    """A span of time: ``90``, ``90s``, ``5min``, ``2h``."""
    if text is None:
        return None
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|sec|m|min|h)?\s*", text)
    if not found or float(found[1]) <= 0:
        raise typer.BadParameter(f"{text!r} is not a span of time; write 90s, 5min or 2h", param_hint="--budget")
    return float(found[1]) * {"m": 60, "min": 60, "h": 3600}.get(found[2] or "s", 1)


def value_of(text: str) -> Any:
    """The value in ``--set name=value``: JSON where it is JSON, else text."""
    try:
        return json.loads({"True": "true", "False": "false", "None": "null"}.get(text, text))
    except json.JSONDecodeError:
        return text


def settings_of(settings: list[str] | None) -> dict[str, Any]:
    """The parameters in every ``--set name=value``."""
    params = {}
    for setting in settings or []:
        name, equals, value = setting.partition("=")
        if not equals:
            raise typer.BadParameter(f"{setting!r} is not name=value", param_hint="--set")
        params[name.strip()] = value_of(value.strip())
    return params


@contextmanager
def watch(quiet: bool) -> Iterator[Any]:
    """A progress bar over the six steps, on standard error; yields the function that a run reports to."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        line = bar.add_task("starting", total=6)

        def report(step: str, done: int, total: int, text: str) -> None:
            said = STEPS.get(step, step) + (f" ({text})" if text else "")
            bar.update(line, description=said, completed=done, total=total)

        yield report


def model_folder(folder: Path) -> Path:
    """The saved model of a run's folder, or the folder itself.

    Raises
    ------
    DataError
        If the run has not got as far as a model.
    """
    if (folder / "model").is_dir():
        return folder / "model"
    if (folder / "run.toml").exists() and not (folder / "manifest.json").exists():
        from ..core.errors import DataError

        raise DataError(
            f"{folder}: the run must be finished. Got one without a model: transferkit run --resume {folder} goes on with it."
        )
    return folder
