"""A table's result for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

__all__ = ["render"]

_TASKS_A_BLOCK = 6  # what fits eighty columns


def render(result: Mapping[str, Any]) -> Group:
    """Ours beside the paper's, for rich.

    Verified rows are ticked where every task is equal to the printed decimals and crossed where one is not; the other
    rows are grey. The tasks come in blocks that fit a terminal of eighty columns.

    Parameters
    ----------
    result : dict
        From `transferkit.bench.run_table`.

    Returns
    -------
    group : rich.console.Group
    """
    from rich.console import Group
    from rich.text import Text

    tasks = result["tasks"]
    blocks = [
        _block(result, tasks[start : start + _TASKS_A_BLOCK], last=start + _TASKS_A_BLOCK >= len(tasks))
        for start in range(0, len(tasks), _TASKS_A_BLOCK)
    ]
    verified = [row for row in result["rows"] if row["verified"]]
    equal = sum(row["equal"] for row in verified)
    return Group(
        Text(result["title"], style="bold"),
        Text(result["protocol"]),
        *blocks,
        *(Text(f"{row['label']}: {row['protocol']}; paper: {row['source']}", style="dim") for row in result["rows"]),
        *(Text(f"Missing: {note}", style="yellow") for note in result["missing"]),
        Text(f"{equal} of {len(verified) * len(tasks)} verified cells equal the paper; grey rows make no claim."),
    )


def _block(result: Mapping[str, Any], tasks: Sequence[str], *, last: bool) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("")
    table.add_column("")
    for heading in [*tasks, *(["mean"] if last else [])]:
        table.add_column(heading.replace(" -> ", " ->\n"), justify="right", no_wrap=True)
    for row in result["rows"]:
        mark = (
            ("[green]✓[/green] " if row["equal"] == len(result["tasks"]) else "[red]✗[/red] ")
            if row["verified"]
            else "  "
        )
        for side in ("ours", "paper"):
            decimals = 2 if side == "ours" else row["decimals"]
            cells = [_cell(row, task, side, decimals) for task in tasks]
            if last:
                cells.append(f"{row[f'mean_{side}']:.{decimals}f}")
            table.add_row(
                mark + row["label"] if side == "ours" else "", side, *cells, style=None if row["verified"] else "dim"
            )
    return table


def _cell(row: Mapping[str, Any], task: str, side: str, decimals: int) -> str:
    text = f"{row[side][task]:.{decimals}f}"
    return f"[red]{text}[/red]" if row["verified"] and row["difference"][task] else text
