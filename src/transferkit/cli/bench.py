"""`transferkit bench`: reproduce published tables, ours beside the paper's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .console import out, print_json, watch
from .run import AS_JSON

__all__ = ["bench"]


def bench(
    name: Annotated[str | None, typer.Argument(help="Name of a table; all are listed without it.")] = None,
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write the result as JSON to this file.")
    ] = None,
    methods: Annotated[str, typer.Option("--methods", help="Only these rows, by method, with commas.")] = "",
    tasks: Annotated[str, typer.Option("--tasks", help="Only these tasks, with commas.")] = "",
    seeds: Annotated[str, typer.Option("--seeds", help="Trained networks: the seeds, with commas.")] = "0,1,2",
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Trained networks: one seed, fewer rows and epochs; noharm: 250 rows a domain."),
    ] = False,
    collect: Annotated[
        bool, typer.Option("--collect", help="Trained networks: run nothing, put together what the cache holds.")
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Cells or tasks at a time; -1 is one a core.")] = 1,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Trained networks, noharm: where is kept what was run.")
    ] = None,
    as_json: AS_JSON = False,
) -> None:
    """Run a table's protocol and print ours beside the published numbers; or noharm: every rule of choice on real tasks.

    Trained networks and noharm keep what was run, and go on from there.

    [bold]Examples[/bold]

      transferkit bench

      transferkit bench office-caltech-surf

      transferkit bench digits-coil --json

      transferkit bench digits --quick --jobs 2

      transferkit bench noharm --quick --jobs 2 --out noharm.json
    """
    from .. import bench as published
    from ..bench import noharm, trained
    from ..core.files import atomic_write

    if name is None:
        listed = {key: table.TITLE for key, table in published.tables().items()}
        listed |= {key: table.TITLE for key, table in trained.tables().items()}
        listed["noharm"] = noharm.TITLE
        if as_json:
            print_json(listed)
        for key, title in listed.items() if not as_json else ():
            out().print(f"{key}  {title}", markup=False)
        return
    with watch(quiet=as_json) as progress:
        kind, result = _run(
            name,
            {"methods": _split(methods), "tasks": _split(tasks), "jobs": jobs},
            {"seeds": _numbers(seeds), "collect": collect},
            quick,
            cache,
            lambda done, total, text: progress(name, done, total, text),
        )
    if output is not None:
        atomic_write(output, kind.to_json(result))
    if as_json:
        print_json(result)
    else:
        out().print(kind.render(result))


def _run(
    name: str, asked: dict[str, Any], trained_only: dict[str, Any], quick: bool, cache: Path | None, progress: Any
) -> tuple[Any, dict[str, Any]]:
    """What prints a result, and the result."""
    from .. import bench as published
    from ..bench import noharm, trained
    from ..core.errors import ParamError

    if name == "noharm":
        return noharm, noharm.run(cache, quick=quick, jobs=asked["jobs"], progress=progress)
    if name in trained.tables():
        table = trained.tables()[name]
        return trained, trained.run_trained(name, table, cache, quick=quick, progress=progress, **asked, **trained_only)
    if name not in published.tables():
        known = ", ".join([*published.tables(), *trained.tables(), "noharm"])
        raise ParamError(f"bench: NAME must be one of {known}. Got {name!r}.")
    return published, published.run_table(name, progress=progress, **asked)


def _split(text: str) -> tuple[str, ...] | None:
    return tuple(part.strip() for part in text.split(",") if part.strip()) or None


def _numbers(text: str) -> tuple[int, ...]:
    from ..core.errors import ParamError

    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ParamError(
            f"bench: --seeds must be whole numbers with commas between, as in 0,1,2. Got {text!r}."
        ) from None
    return found
