"""`transferkit list` and `transferkit show`: what there is, read from the cards and docstrings."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Annotated, Any

import typer

from .. import catalogue
from .console import out, print_json
from .docstrings import parameters, sections
from .run import AS_JSON

__all__ = ["list_methods", "show"]


def _facts(card: catalogue.Card) -> dict[str, Any]:
    plain = {f.name: getattr(card, f.name) for f in fields(card)}
    return {
        **plain,
        "portfolio": [dict(p) for p in card.portfolio],
        "grows": dict(card.grows),
        "missing": list(card.missing),
    }


def list_methods(
    paradigm: Annotated[
        str | None, typer.Option("--paradigm", "-p", help="As in feature, instance, label_shift.")
    ] = None,
    setting: Annotated[
        str | None, typer.Option("--setting", "-s", help="As in unsupervised, few_label, multi_source.")
    ] = None,
    task: Annotated[str | None, typer.Option("--task", "-t", help="classification or regression.")] = None,
    data: Annotated[str | None, typer.Option("--data", help="As in vectors, chunks, images, text.")] = None,
    protocol: Annotated[str | None, typer.Option("--protocol", help="As in Transfer, Selector.")] = None,
    as_json: AS_JSON = False,
) -> None:
    """List the methods, all or those that fit the filters.

    [bold]Examples[/bold]

      transferkit list

      transferkit list --paradigm feature --task regression
    """
    found = catalogue.find(paradigm=paradigm, setting=setting, task=task, data=data, protocol=protocol)
    if as_json:
        print_json([_facts(c) for c in found])
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("method", "paradigm", "what it does", "tasks", "cost"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("method", "cost"))
    for card in found:
        says = card.summary.partition(": ")[2] or card.summary
        table.add_row(card.name, card.paradigm, says, ", ".join(card.task_names), card.cost)
    out().print(table)
    out().print(f"{len(found)} methods. `transferkit show METHOD` tells more.", markup=False)


def show(
    method: Annotated[str, typer.Argument(help="Id or class name.")],
    as_json: AS_JSON = False,
) -> None:
    """Show one method: what it does, parameters, formula, paper.

    [bold]Examples[/bold]

      transferkit show coral

      transferkit show JDA --json
    """
    card = catalogue.card_of(method)
    cls = catalogue.load(card.name)
    parts = sections(inspect.getdoc(cls) or "")
    described = parameters(parts.get("Parameters", ""))
    if as_json:
        print_json({**_facts(card), "parameters": described, "notes": parts.get("Notes", "")})
        return
    console = out()
    console.print(f"[bold]{card.cls}[/bold]  [dim]{card.paradigm}/{card.name}[/dim]")
    for text in (
        parts[""],
        "",
        f"Settings: {', '.join(card.settings)}.  Tasks: {', '.join(card.task_names)}.  Cost: {card.cost}.",
    ):
        console.print(text, markup=False)
    for title in ("Parameters", "Notes", "References", "Examples"):
        if parts.get(title):
            console.print(f"\n[bold]{title}[/bold]")
            console.print(parts[title], markup=False)
    console.print(f"\n{card.paper}\n{card.url}", markup=False)
