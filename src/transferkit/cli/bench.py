"""`transferkit bench`: reproduce published tables, ours beside the paper's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import out, print_json, watch
from .run import AS_JSON

__all__ = ["bench"]


def bench(
    name: Annotated[str | None, typer.Argument(help="Name of a table; all are listed without it.")] = None,
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write the result as JSON to this file.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="noharm: only the tasks of 250 rows a domain.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="noharm: tasks at a time; -1 is one a core.")] = 1,
    cache: Annotated[Path | None, typer.Option("--cache", help="noharm: where what was fitted is kept.")] = None,
    as_json: AS_JSON = False,
) -> None:
    """Run a published table's protocol and print ours beside the paper's numbers; or noharm: every rule of choice on real tasks.

    [bold]Examples[/bold]

      transferkit bench

      transferkit bench office-caltech-surf

      transferkit bench digits-coil --json

      transferkit bench noharm --quick --jobs 2 --out noharm.json
    """
    from .. import bench as tables
    from ..bench import noharm
    from ..core.files import atomic_write

    if name is None:
        listed = tables.tables()
        if as_json:
            print_json({**{key: table.TITLE for key, table in listed.items()}, "noharm": noharm.TITLE})
        for key, table in listed.items() if not as_json else ():
            out().print(f"{key}  {table.TITLE}", markup=False)
        if not as_json:
            out().print(f"noharm  {noharm.TITLE}", markup=False)
        return
    if name == "noharm":
        with watch(quiet=as_json) as progress:
            found = noharm.run(
                cache, quick=quick, jobs=jobs, progress=lambda done, total, text: progress(name, done, total, text)
            )
        if output is not None:
            atomic_write(output, noharm.to_json(found))
        if as_json:
            print_json(found)
        else:
            out().print(noharm.render(found))
        return
    with watch(quiet=as_json) as progress:
        result = tables.run_table(name, progress=lambda done, total, text: progress(name, done, total, text))
    if output is not None:
        atomic_write(output, tables.to_json(result))
    if as_json:
        print_json(result)
    else:
        out().print(tables.render(result))
