"""`transferkit multitask`: several tasks from files, learned at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .console import command_line, out, print_json, settings_of
from .run import AS_JSON, SEED, TEXT

__all__ = ["multitask"]


def multitask(
    method: Annotated[str, typer.Argument(help="Id of a method for several tasks, as in `list --protocol MultiTask`.")],
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files, folders, globs or NAME:DOMAIN.")],
    folder: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the model and the facts.")] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label", "-l", help="Label columns, as floor,longitude: each of each file is a task. Repeatable."
        ),
    ] = None,
    test: Annotated[
        list[str] | None,
        typer.Option("--test", help="Rows to judge by, one for each file in its order; else a share is held back."),
    ] = None,
    text: TEXT = None,
    model: Annotated[
        str | None, typer.Option("--model", help="A backbone, as timm:resnet18: the network's, or what makes features.")
    ] = None,
    balancing: Annotated[
        str | None, typer.Option("--balancing", help="How tasks are weighed: equal, uncertainty, pcgrad, nash_mtl, ...")
    ] = None,
    share: Annotated[
        float | None, typer.Option("--share", help="Part of each file's rows held back to judge; 0.3 without --test.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of the method, as name=value; repeat.")
    ] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", help="Passes over the rows, for networks.")] = None,
    seed: SEED = 0,
    as_json: AS_JSON = False,
) -> None:
    """Learn several tasks at once, and see which gain from the others and which suffer.

    A missing label has no part in its task. Numbers with a fractional part are a regression, others are classes.

    [bold]Examples[/bold]

      transferkit multitask hard_sharing wifi.csv --label floor,longitude --balancing uncertainty

      transferkit multitask trace_norm spring.csv summer.csv --label species -o runs/seasons

      transferkit multitask mmoe cards.csv -l default,limit --test cards_2020.csv --set 'kinds={"limit": "regression"}'
    """
    from ..pipeline.multi_task import learn_together
    from ..pipeline.run import free_folder

    params = settings_of(settings)
    folder = folder or free_folder(f"multitask-{method}")
    facts = learn_together(
        method,
        files,
        folder,
        labels=[name.strip() for names in label or [] for name in names.split(",") if name.strip()],
        test=test or (),
        text=text,
        model=model,
        balancing=balancing,
        share=share,
        params=params,
        seed=seed,
        epochs=epochs,
        command=command_line(),
    )
    if as_json:
        print_json(facts)
        return
    _print(facts)
    out().print(f"saved to {folder}; the report: {folder / 'report.html'}", soft_wrap=True, markup=False)


def _print(facts: dict[str, Any]) -> None:
    """The tasks, and which of them suffer."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        "task", "rows", "measure", "together", "alone", "gain", title=f"{facts['method']} and each task alone"
    )
    for task in facts["tasks"]:
        gain = "" if task["gain"] is None else f"{100 * task['gain']:+.1f} %{'' if task['clear'] else ' ?'}"
        scores = (f"{task[key]:.4g}" for key in ("score", "alone"))
        table.add_row(escape(task["name"]), str(task["rows"]), task["metric"], *scores, gain)
    out().print(table)
    if facts["delta_m"] is not None:
        out().print(f"mean gain (delta_m): {100 * facts['delta_m']:+.1f} %")
    sure = [t["name"] for t in facts["tasks"] if t["name"] in facts["suffer"] and t["clear"]]
    rest = [name for name in facts["suffer"] if name not in sure]
    if sure:
        said = f"negative transfer: {', '.join(sure)} suffer from the others."
        out().print(said, soft_wrap=True, markup=False)
    if rest:
        said = f"worse, but within what chance does: {', '.join(rest)}."
        out().print(said, soft_wrap=True, markup=False)
    if not facts["suffer"]:
        out().print("no task suffers from the others.")
    out().print("? the difference is within its 95 % interval. Alone is a network for each task (single_task).")
