"""`transferkit data`: the named public data sets, and what a graph is like."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from .console import out, print_json, watch
from .run import AS_JSON

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Named public data sets: list, show, fetch, where; and what a graph is like."
)
NAME = Annotated[str, typer.Argument(help="Name of a data set, as `transferkit data list` shows it.")]


@app.command(name="list")
def list_sets(as_json: AS_JSON = False) -> None:
    """List the data sets and whether they are on this machine."""
    from rich.table import Table

    from ..data import named

    sets = named.datasets()
    if as_json:
        print_json([_facts(s) for s in sets.values()])
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "what it is", "domains", "here"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "name")
    for one in sets.values():
        table.add_row(one.name, one.title, ", ".join(one.domains), "yes" if named.where(one.name) else "no")
    out().print(table)


def _facts(one: Any) -> dict[str, Any]:
    from ..data import named

    place = named.where(one.name)
    plain = {k: v for k, v in asdict(one).items() if not callable(v)}
    return {**plain, "where": None if place is None else str(place)}


def _as_text(value: Any) -> str:
    if isinstance(value, (list, tuple)) and isinstance(value[0], dict):  # files, with their sums
        return "".join(f"\n  {f['path']}  sha256 {f['sha256'][:12]}" for f in value)
    return ", ".join(str(v) for v in value) if isinstance(value, (list, tuple)) else str(value)


@app.command()
def show(name: NAME, as_json: AS_JSON = False) -> None:
    """Show one data set: source, licence, domains, oddities."""
    from ..data import named

    facts = _facts(named.info(name))
    if as_json:
        print_json(facts)
        return
    for key, value in facts.items():
        if value not in (None, "", (), [], {}):
            out().print(f"{key}: {_as_text(value)}", markup=False, soft_wrap=True)


@app.command()
def graph(
    source: Annotated[
        str, typer.Argument(help="A folder with tables nodes and edges, a .mat or .npz file, or NAME:DOMAIN.")
    ],
    label: Annotated[str | None, typer.Option("--label", help="The nodes' labels.")] = None,
    as_json: AS_JSON = False,
) -> None:
    """Show a graph's nodes, edges, degrees, and how often an edge joins nodes of one class (homophily)."""
    from ..data.graphs import graph_facts
    from ..pipeline.define import read_domain

    facts = graph_facts(read_domain(source, label=label, require_label=False))
    if as_json:
        print_json(facts)
        return
    for key, value in facts.items():
        shown = "unknown" if value is None else f"{value:.3f}" if isinstance(value, float) else value
        out().print(f"{key.replace('_', ' ')}: {shown}", markup=False)


@app.command()
def fetch(name: NAME) -> None:
    """Download a data set from its pinned public address into the cache; the sums are checked."""
    from ..data import named

    with watch(quiet=False) as progress:
        place = named.fetch(name, lambda file, done, total: progress(str(file), done, total or done, ""))
    out().print(f"{name} lies in {place}", markup=False, soft_wrap=True)


@app.command()
def where(name: NAME, as_json: AS_JSON = False) -> None:
    """Say where a data set lies on this machine."""
    from ..core.errors import DataError
    from ..data import named

    place = named.where(named.info(name).name)
    if as_json:
        print_json({"name": name, "where": None if place is None else str(place)})
    elif place is None:
        raise DataError(f"{name}: is not on this machine. Get it with: transferkit data fetch {name}")
    else:
        typer.echo(str(place))
