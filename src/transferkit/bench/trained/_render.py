"""A table's result for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ._run import POINT

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

__all__ = ["render"]

_TASKS_A_BLOCK = 2  # what fits eighty columns


def render(result: Mapping[str, Any]) -> Group:
    """Mean and spread over the seeds, last epoch, beside the published numbers; label-free choices; in grey, the oracle.

    Red is what lies more than a point below the published number; ``!`` marks a training that collapsed or diverged.

    Parameters
    ----------
    result : dict
        From `transferkit.bench.trained.run_trained`.

    Returns
    -------
    group : rich.console.Group
    """
    from rich.console import Group
    from rich.text import Text

    tasks = result["tasks"]
    starts = range(0, len(tasks), _TASKS_A_BLOCK)
    judged = [row for row in result["rows"] if row["holds"] is not None]
    notes = {row["label"]: "; ".join(filter(None, (row["note"], row["source"]))) for row in result["rows"]}
    cells = result["cells"]
    return Group(
        Text(result["title"], style="bold"),
        Text(result["protocol"]),
        *(_block(result, tasks[k : k + _TASKS_A_BLOCK]) for k in starts),
        *([_means(result)] if len(tasks) > 1 else []),
        *(Text(f"{label}: {note}", style="dim") for label, note in notes.items() if note),
        *(Text(f"Missing: {note}", style="yellow") for note in result["missing"]),
        Text(
            f"{cells['there']} of {cells['of']} cells (row, task, seed), {result['cpu_minutes']} minutes of processor time."
        ),
        *([_verdict(judged)] if judged else []),
    )


def _verdict(judged: Sequence[Mapping[str, Any]]) -> Any:
    from rich.text import Text

    below = [row["label"] for row in judged if not row["holds"]]
    near = sum(row["mean"] >= row["paper"] - POINT for row in judged)
    said = (
        f"Not more than {POINT:g} point below the published numbers: {len(judged) - len(below)} of {len(judged)} rows in every"
        f" task, {near} on the mean of the tasks"
    )
    return Text(said + (f". Below in a task: {', '.join(below)}." if below else "."))


def _block(result: Mapping[str, Any], tasks: Sequence[str]) -> Table:
    table = _table()
    published = any(found["paper"] is not None for row in result["rows"] for found in row["tasks"].values())
    for task in tasks:
        table.add_column(task.replace(" -> ", " ->\n"), justify="right", no_wrap=True)
        for heading in (*(["paper"] if published else []), "infomax", "[grey50]oracle[/grey50]"):
            table.add_column(heading, justify="right", no_wrap=True, header_style="")
    for row in result["rows"]:
        cells = [text for task in tasks for text in _cells(row["tasks"].get(task), published)]
        table.add_row(row["label"], *cells)
    return table


def _cells(found: Mapping[str, Any] | None, published: bool) -> list[str]:
    """Ours, the published number where the table has any, the label-free choice, the oracle's."""
    if found is None:
        return [""] * (3 + published)
    ours = "stopped" if found["mean"] is None else f"{found['mean']:.1f}"
    if found["spread"] is not None:
        ours += f" ±{found['spread']:.1f}"
    if found["difference"] is not None and found["difference"] < -POINT:
        ours = f"[red]{ours}[/red]"
    if found["collapsed"] or found["diverged"]:
        ours += "[red]![/red]"
    paper = [_number(found["paper"])] if published else []
    return [ours, *paper, _number(found["chosen"].get("infomax")), f"[grey50]{_number(found['oracle'])}[/grey50]"]


def _means(result: Mapping[str, Any]) -> Table:
    table = _table()
    shown = {"mean": "mean of all tasks", "paper": "paper", "orientation": "[grey50]near protocol[/grey50]"}
    keys = [key for key in shown if key == "mean" or any(row[key] is not None for row in result["rows"])]
    for key in keys:
        table.add_column(shown[key], justify="right", style="grey50" if key == "orientation" else None)
    for row in result["rows"]:
        table.add_row(row["label"], *(_number(row[key]) for key in keys))
    return table


def _table() -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("")
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
