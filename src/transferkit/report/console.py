"""Tables for the terminal: the candidates of a run, and the gap between two domains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import get_console
from rich.markup import escape
from rich.table import Table

from . import words

__all__ = ["gap_table", "summary_table"]


def _safe(text: Any) -> str:
    return escape(words.clean(text))


def summary_table(facts: Mapping[str, Any], most: int = 15, width: int | None = None) -> Table:
    """The candidates of a run, most evidence first, the chosen one marked.

    Parameters
    ----------
    facts : mapping
        The content of ``run.json``.
    most : int, default=15
        The rows shown; of more candidates those with the most evidence, always with the winner and the baselines.
    width : int, optional
        Columns of the terminal, None to ask it. A narrow one gets the evidence and one score for each candidate.
    """
    guard, name = facts.get("guard") or {}, (facts.get("task") or {}).get("metric")
    fitted = words.evidence_first(facts.get("candidates"))
    always = {guard.get("winner"), guard.get("anchor")}
    keep = sorted(fitted, key=lambda c: c.get("id") not in always and c.get("role") not in ("baseline", "oracle"))[
        :most
    ]
    shown = [c for c in fitted if any(c is k for k in keep)]
    has = {key: words.any_has(fitted, key) for key in ("evidence", "changed", "estimate", "validation", "score")}
    if (get_console().width if width is None else width) < 64:
        has["changed"], has["estimate"] = False, has["estimate"] and not has["score"]
    source, target = words.domains(facts)

    caption = []
    if has["score"]:
        caption.append("The held-back score was not used in the choice.")
    if len(shown) < len(fitted):
        caption.append(f"{len(fitted) - len(shown)} more were fitted.")
    others = len(facts.get("candidates") or ()) - len(fitted)
    if others:
        caption.append(f"{others} failed or {'was' if others == 1 else 'were'} skipped.")
    table = Table(
        title=f"{_safe(source)} → {_safe(target)}", caption=" ".join(caption) or None, title_justify="left",
        caption_justify="left", header_style="bold", box=None, pad_edge=False,
    )  # fmt: skip
    table.add_column("", width=1)
    table.add_column("Candidate", overflow="fold", min_width=10)
    for key, title in (
        ("evidence", "Evidence"),
        ("changed", "Changed"),
        ("estimate", "Estimate"),
        ("validation", "Validation"),
        ("score", "Held-back"),
    ):
        if has[key]:
            table.add_column(title, justify="right", no_wrap=True)
    for c in shown:
        chosen = c.get("id") == guard.get("winner")
        params = words.params_text(c.get("params"))
        label = _safe(c.get("class") or c.get("method") or c.get("id")) + (
            f" [dim]{_safe(params)}[/dim]" if params else ""
        )
        if c.get("model") == "from scratch":
            label += " [dim]from scratch[/dim]"
        if c.get("role") in ("baseline", "oracle"):
            label += f" [dim]({c['role']})[/dim]"
        cells = {
            "evidence": words.number(c.get("evidence")), "changed": words.percent(c.get("changed"), 0),
            "estimate": words.metric(c.get("estimate"), name), "validation": words.metric(c.get("validation"), name),
            "score": words.metric(c.get("score"), name),
        }  # fmt: skip
        row = [cells[key] for key in cells if has[key]]
        table.add_row("→" if chosen else "", label, *row, style="bold" if chosen else None)
    return table


def gap_table(gap: Mapping[str, Any] | None, most: int = 5) -> Table:
    """The domain gap: each number with its meaning, the findings, and the columns that differ most.

    Parameters
    ----------
    gap : mapping
        The part ``gap`` of ``run.json``.
    most : int, default=5
        The columns shown.
    """
    gap = gap or {}
    table = Table(
        title="The gap between the domains", title_justify="left", box=None, pad_edge=False, header_style="bold"
    )
    table.add_column("Measure", overflow="fold", min_width=8, max_width=24)
    table.add_column("Value", justify="right", no_wrap=True)
    table.add_column("What it says", overflow="fold", ratio=1, min_width=12)
    for item in words.gap_in_words(gap):
        table.add_row(item["name"], item["number"], item["says"])
    columns = [c for c in gap.get("columns") or () if words.finite(c.get("effect")) is not None]
    for c in sorted(columns, key=lambda c: -abs(c["effect"]))[:most]:
        q = words.finite(c.get("q"))
        table.add_row(_safe(words.shorten(c.get("name"), 40)), words.number(c["effect"]),
                      f"Effect size of this column{f'; q {words.pvalue(q)}' if q is not None else ''}.")  # fmt: skip
    for finding in gap.get("findings") or ():
        value = finding.get("number")
        says = _safe(finding.get("says")) + (f" ({_safe(words.number(value))})" if value is not None else "")
        fits, avoid = (", ".join(map(words.word, finding.get(key) or ())) for key in ("fits", "avoid"))
        says += (f" Speaks for: {_safe(fits)}." if fits else "") + (
            f" Speaks against: {_safe(avoid)}." if avoid else ""
        )
        table.add_row("[bold]Finding[/bold]", "", says)
    return table
