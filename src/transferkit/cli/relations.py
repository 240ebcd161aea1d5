"""First-order facts on the command line: their options, and what `run` prints of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .console import out, print_json

__all__ = ["SCHEMA", "SOURCE_PREDICATE", "TARGET_PREDICATE", "check_facts_asked", "print_relations"]

TARGET_PREDICATE = Annotated[
    str | None,
    typer.Option(
        "--target-predicate",
        help="Domains are files of first-order facts (Prolog, or JSON folds); this relation of the target is learned.",
    ),
]
SOURCE_PREDICATE = Annotated[
    str | None, typer.Option("--source-predicate", help="The relation of the source, where its name is another one.")
]
SCHEMA = Annotated[
    Path | None,
    typer.Option(
        "--schema", help='Of facts: a JSON file with the types of arguments, as in {"likes": ["person", "film"]}.'
    ),
]


def check_facts_asked(
    domains: list[str], target_predicate: str | None, only: tuple[Any, ...], others: str, more: tuple[Any, ...]
) -> bool:
    """Whether the domains are facts; refuses options that do not go together.

    Parameters
    ----------
    domains : list of str
    target_predicate : str or None
    only : tuple
        Values of the options that go with facts alone.
    others : str
        What goes with facts, for messages.
    more : tuple
        Values of options that do not go with facts, None or empty where they were not given.
    """
    if target_predicate is None:
        files = [d.lower().removesuffix(".gz") for d in domains]
        if any(value is not None for value in only) or any(f.endswith((".pl", ".pro")) for f in files):
            raise typer.BadParameter(
                "must name the relation of first-order facts that is to be learned, as in --target-predicate advisedby",
                param_hint="--target-predicate",
            )
        return False
    if any(value is not None and value != [] for value in more):
        raise typer.BadParameter(f"goes with {others} only", param_hint="--target-predicate")
    if len(domains) < 2:
        raise typer.BadParameter("give at least one source and then the target", param_hint="SOURCE... TARGET")
    return True


def print_relations(facts: dict[str, Any], folder: Path, as_json: bool) -> None:
    """What was carried over from facts to facts, and where the report lies."""
    if as_json:
        print_json(facts)
        return
    console = out()
    for row in facts["candidates"]:
        scores = row["scores"] or {}
        numbers = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
        said = numbers or ("" if row["status"] == "fitted" else f"{row['status']}: {row['reason']}")
        console.print(
            f"{'→' if row['id'] == facts['guard']['winner'] else ' '} {row['class']:<14} {said}", markup=False
        )
    for match in facts["relation"].get("matches", ()):
        console.print(f"  {match['target'] or 'dropped'} <- {match['source']}", markup=False, soft_wrap=True)
    console.print(facts["verdict"]["sentence"], markup=False)
    console.print(f"report      {folder / 'report.html'}", markup=False, soft_wrap=True)
