"""`transferkit demo`: the main job on data that needs no download."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import out, watch
from .run import AS_JSON, SEED, print_result

__all__ = ["demo"]


def demo(
    folder: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the run; a new one under runs/ without it.")
    ] = None,
    seed: SEED = 0,
    as_json: AS_JSON = False,
) -> None:
    """Run the six steps on scikit-learn's digits: clean scans carried over to a worse scanner.

    [bold]Examples[/bold]

      transferkit demo

      transferkit demo -o runs/my-demo
    """
    from ..pipeline.define import TransferTask
    from ..pipeline.run import free_folder, run

    if not as_json:
        out().print(
            "Source: digits as clean scans, labelled. Target: the same hand seen by a worse scanner, labels hidden."
        )
    task = TransferTask(sources=["digits:clean"], target="digits:scanner", seed=seed)
    with watch(quiet=as_json) as progress:
        result = run(
            task,
            out=folder or free_folder("demo"),
            command=f"transferkit run digits:clean digits:scanner --seed {seed}",
            progress=progress,
        )
    print_result(result, as_json)
