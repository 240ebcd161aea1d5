"""The page of `transferkit run` between relations: what was carried over, whether it helps, and the rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .page import whole_page
from .relations import predicate_map_chart
from .words import clean, plural

__all__ = ["relational_page"]

MOST_LINES = 120


def relational_page(facts: Mapping[str, Any]) -> str:
    """The page as HTML.

    Parameters
    ----------
    facts : mapping
        The content of ``run.json``.

    Returns
    -------
    html : str
        One page without any outside reference.
    """
    chart = predicate_map_chart(facts.get("relation") or {})
    guard, rules = facts.get("guard") or {}, [str(line) for line in facts.get("rules") or ()]
    contents = [("map", "What stands for what")] if chart else []
    return whole_page(
        "relational.html.j2", [] if chart is None else [chart], facts=facts, kicker="Relations", strip=None,
        state="adapt" if guard.get("adapted") else "keep",
        badge="Carried over" if guard.get("adapted") else "Keep the target alone",
        sentence=clean((facts.get("verdict") or {}).get("sentence")), lede=_lede(facts),
        contents=[*contents, ("tried", "What was tried"), ("rules", "The rules")], next_steps=_next_steps(facts),
        rules=rules[:MOST_LINES], more_rules=max(0, len(rules) - MOST_LINES), guard=guard,
        scored=any(c.get("scores") for c in facts.get("candidates") or ()),
    )  # fmt: skip


def _lede(facts: Mapping[str, Any]) -> str:
    source, target = facts.get("source") or {}, facts.get("target") or {}
    held = target.get("n_held_back") or 0
    kept = f", {plural(held, 'label')} held back for the final scores" if held else ", none held back"
    return (
        f"{clean(source.get('predicate'))} in {clean(source.get('name'))}: {plural(source.get('true') or 0, 'true atom')} of"
        f" {plural(source.get('atoms') or 0, 'atom')}, {plural(source.get('facts') or 0, 'fact')} beside them."
        f" {clean(target.get('predicate'))} in {clean(target.get('name'))}: {plural(target.get('atoms') or 0, 'atom')},"
        f" {plural(target.get('n_known') or 0, 'known label')}{kept}, {plural(target.get('facts') or 0, 'fact')} beside them."
    )


def _next_steps(facts: Mapping[str, Any]) -> list[str]:
    steps = [
        "Read the map: a match that makes no sense can be given or forbidden with the parameter mapping of the method.",
        f"Only {clean((facts.get('guard') or {}).get('proposal'))} is held against the target alone; to test another method, name"
        " it alone with --method.",
        "Judge the atoms of another database with the same predicates: transferkit predict RUN FACTS -o FILE.csv.",
    ]
    if not (facts.get("target") or {}).get("n_held_back"):
        steps.append(
            "No label was held back, so there is no final score: --shots N uses N of each kind and scores the rest."
        )
    return steps + [clean(note) for note in facts.get("notes") or ()]
