"""The benchmark's result as a table, and as a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["render", "to_json"]


def render(result: Mapping[str, Any]) -> Any:
    """One line a rule, for the terminal; below it the tasks on which candidates were fitted again."""
    from rich.console import Group
    from rich.text import Text

    tables = [_table(f"{result['tasks']} tasks, points of accuracy against source-only", result["table"])]
    if again := result.get("refits"):
        title = f"{again['tasks']} of the tasks, with the selectors that fit candidates again"
        tables += [Text(), _table(title, again["table"])]
    gone = [Text(f"left out: {family} ({why})", style="dim") for family, why in result["missing"].items()]
    return Group(*tables, *gone)


def _table(title: str, rows: Mapping[str, Any]) -> Any:
    from rich.table import Table

    table = Table(title=title, box=None, pad_edge=False)
    table.add_column("rule", overflow="fold")
    for name in ("n", "mean", "harmed > 1", "harmed > 5", "worst", "captured"):
        table.add_column(name, justify="right")
    for name, row in rows.items():
        captured = "" if row["captured"] is None else f"{row['captured']:.0f} %"
        table.add_row(
            name, str(row["n"]), f"{row['mean']:+.2f}", f"{row['harmed_1']:.1f} %", f"{row['harmed_5']:.1f} %",
            f"{row['worst']:+.1f}", captured,
        )  # fmt: skip
    return table


def to_json(result: Mapping[str, Any]) -> str:
    """A result as text, one line a task, so that a changed result is a changed line."""
    head = {key: value for key, value in result.items() if key != "rows"}
    lines = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in result["rows"])
    return json.dumps(head, indent=1, ensure_ascii=False, allow_nan=False)[:-2] + f',\n "rows": [\n{lines}\n ]\n}}\n'
