"""The commands put together, and what every one of them does with an error."""

from __future__ import annotations

import sys
import warnings
from typing import Annotated, Any

import typer

from .. import __version__
from ..core.errors import TransferError, TransferWarning
from . import bench, data, demo, deploy, features, gap, lifelong, meta, methods, model, multi_task, plan, run
from .console import complain

__all__ = ["app", "main"]

app = typer.Typer(
    name="transferkit",
    help="Carry what is known in one domain over to another, and never make the other worse.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo.demo)
app.command()(run.run)
app.command()(gap.gap)
app.command()(model.fit)
app.command()(model.predict)
app.command()(deploy.export)
app.command()(deploy.serve)
app.command()(features.features)
app.command()(plan.plan)
app.command(name="list")(methods.list_methods)
app.command()(methods.show)
app.add_typer(data.app, name="data")
app.command()(bench.bench)
app.command()(meta.meta)
app.command()(multi_task.multitask)
app.command()(lifelong.lifelong)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"transferkit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Carry what is known in one domain over to another, and never make the other worse."""


def _show_warning(message: Warning | str, category: type[Warning], *place: Any) -> None:
    """Ours in one line, for the user; what libraries say to programmers stays where programs are tested."""
    if issubclass(category, TransferWarning):
        complain(f"note: {message}")


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 bad input (one line says what), 2 usage, 130 stopped by Ctrl-C."""
    warnings.showwarning = _show_warning  # type: ignore[assignment]
    try:
        app()
    except TransferError as err:
        complain(str(err))
        sys.exit(1)
    except KeyboardInterrupt:
        complain("stopped")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)  # the reader of our output went away, as `| head` does
