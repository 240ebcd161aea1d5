"""For the terminal: the verdict of a run, its candidates, and the gap between two domains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import get_console
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from . import words
from .decision import assumed, badge_of, decision_view, state_of

__all__ = ["gap_table", "summary_table", "verdict_panel"]

_COLOURS = {"adapt": "green", "keep": "blue", "ambiguous": "magenta"}


def _safe(text: Any) -> str:
    return escape(words.clean(text))


def verdict_panel(facts: Mapping[str, Any]) -> Panel:
    """The verdict, what it assumes, and, where it is ambiguous, both readings and how labels would settle it.

    Parameters
    ----------
    facts : mapping
        The content of ``run.json``.
    """
    view, state = decision_view(facts), state_of(facts)
    parts: list[RenderableType] = [_safe((facts.get("verdict") or {}).get("sentence"))]
    if view["state"] and assumed(facts):
        parts.append(f"[dim]{_safe(assumed(facts))}[/dim]")
    for letter, reading in zip("ABCDEFGH", view["readings"]):
        parts.append(f"\n[bold]If {letter}:[/bold] {_safe(reading['assumption'])} {_safe(reading.get('then'))}")
        if reading.get("do"):
            parts.append(f"      [bold]then:[/bold] {_safe(reading['do'])}")
    needed = words.finite(view["disputed"].get("labels_needed"))
    if state == "ambiguous" and view["label_next"] and (facts.get("guard") or {}).get("labels"):
        parts.append("\nlabel_next.csv now holds the rows to label next: fill them in, then --resume.")
    elif state == "ambiguous" and view["label_next"] and needed:
        asked = words.plural(int(needed), "label")
        often = "settle it where one model is right four times as often as the other"
        parts.append(f"\nAbout {asked} on the rows in dispute {often}: fill in label_next.csv, then --resume.")
    colour = _COLOURS.get(state or "", "white")
    title = f"[bold {colour}]{badge_of(facts)}[/]" if view["state"] else None
    return Panel(Group(*parts), title=title, title_align="left", border_style=colour)


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
    if any(c.get("reason") for c in shown):
        caption.append("What was warned of stands in the report.")
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
        setting = words.setting_text(c)
        label = _safe(c.get("class") or c.get("method") or c.get("id")) + (
            f" [dim]{_safe(setting)}[/dim]" if setting else ""
        )
        if c.get("model") == "from scratch":
            label += " [dim]from scratch[/dim]"
        if c.get("role") in ("baseline", "oracle"):
            label += f" [dim]({c['role']})[/dim]"
        if c.get("reason"):
            label += " [yellow](warned)[/yellow]"
        cells = {
            "evidence": words.number(c.get("evidence")), "changed": words.percent(c.get("changed"), 0),
            "estimate": words.metric(c.get("estimate"), name), "validation": words.metric(c.get("validation"), name),
            "score": words.metric(c.get("score"), name),
        }  # fmt: skip
        row = [cells[key] for key in cells if has[key]]
        table.add_row("→" if chosen else "", label, *row, style="bold" if chosen else None)
    return table


def gap_table(gap: Mapping[str, Any] | None, most: int = 5) -> Group:
    """The domain gap: the kind of shift, each number with its meaning, columns, shares, sources, groups, and findings.

    Parameters
    ----------
    gap : mapping
        The part ``gap`` of ``run.json``.
    most : int, default=5
        The columns and classes shown.
    """
    gap = gap or {}
    parts: list[RenderableType] = []
    kind = words.shift_kind(gap.get("kind"))
    if kind:
        parts.append(Text(kind[0].upper() + kind[1:] + ".", style="bold"))
    numbers = _table("The gap between the domains", "Measure", "Value", "What it says")
    for item in words.gap_in_words(gap):
        numbers.add_row(item["name"], item["number"], item["says"])
    parts += [numbers, *_columns_table(gap, most), *_shares_table(gap, most), *_loss_table(gap), *_sources_table(gap)]
    found = [f for f in gap.get("findings") or () if f.get("says")]
    if found:
        findings = Table(title="What this means", title_justify="left", box=None, pad_edge=False, show_header=False)
        findings.add_column("", width=1)
        findings.add_column("", overflow="fold", ratio=1)
        for finding in found:
            findings.add_row("•", _finding(finding))
        parts.append(findings)
    return Group(*(part for k, p in enumerate(parts) for part in ((p,) if k == 0 else (Text(), p))))


def _table(title: str, first: str, *others: str, numeric: bool = False) -> Table:
    """A table without lines: a name that folds, numbers, and (unless all are numbers) words in the last column."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column(first, overflow="fold", min_width=8, max_width=32)
    for k, name in enumerate(others):
        if numeric or k < len(others) - 1:
            table.add_column(name, justify="right", overflow="fold")
        else:
            table.add_column(name, overflow="fold", ratio=1, min_width=12)
    return table


def _finding(finding: Mapping[str, Any]) -> str:
    value = finding.get("number")
    says = _safe(finding["says"]) + (f" [dim]({_safe(words.number(value))})[/dim]" if value is not None else "")
    fits, avoid = (", ".join(map(words.word, finding.get(key) or ())) for key in ("fits", "avoid"))
    says += f" [green]Speaks for: {_safe(fits)}.[/green]" if fits else ""
    says += f" [yellow]Speaks against: {_safe(avoid)}.[/yellow]" if avoid else ""
    return says + (f" [dim]Why: {_safe(finding['why'])}.[/dim]" if finding.get("why") else "")


def _columns_table(gap: Mapping[str, Any], most: int) -> list[Table]:
    columns = [c for c in gap.get("columns") or () if words.finite(c.get("effect")) is not None]
    if not columns:
        return []
    table = _table("The columns that differ most", "Column", "Effect size", "q", numeric=True)
    for c in sorted(columns, key=lambda c: -abs(c["effect"]))[:most]:
        q = words.finite(c.get("q"))
        table.add_row(_safe(words.shorten(c.get("name"), 40)), words.number(c["effect"]), words.number(q))
    return [table]


def _shares_table(gap: Mapping[str, Any], most: int) -> list[Table]:
    shift = gap.get("label_shift") or gap.get("value_shift") or {}
    keys = ("classes", "source", "target", "low", "high", "target_aligned")
    rows = list(zip(*(shift.get(key) or () for key in keys)))
    rows = [r for r in rows if words.finite(r[1]) is not None and words.finite(r[2]) is not None]
    if not rows:
        return []
    values = "value_shift" in gap and not gap.get("label_shift")
    title = "The shares, estimated without target labels"
    table = _table(title, "Value up to" if values else "Class", "Source", "Target", "Interval", "Aligned", numeric=True)
    shown = rows if len(rows) <= most else sorted(rows, key=lambda r: -abs(r[2] - r[1]))[:most]
    for name, source, target, low, high, aligned in shown:
        label = words.number(name) if values else words.shorten(name, 40)
        table.add_row(
            _safe(label), words.percent(source, 0), words.percent(target, 0),
            f"{words.percent(low, 0)} to {words.percent(high, 0)}", words.percent(aligned, 0),
        )  # fmt: skip
    caption = [f"The {len(shown)} of {len(rows)} that differ most."] if len(shown) < len(rows) else []
    caption.append("The interval holds if nothing but the shares moved; aligned: after standardising each domain.")
    table.caption, table.caption_justify = " ".join(caption), "left"
    return [table]


def _loss_table(gap: Mapping[str, Any]) -> list[Table]:
    loss = gap.get("performance") or {}
    if not loss.get("enough"):
        return []
    table = _table("Where a source model's loss comes from", "Part", "Loss", "Interval", numeric=True)
    for key, name in words.LOSS_PARTS:
        ends = words.interval((loss.get("intervals") or {}).get(key), None)
        table.add_row(name, words.number(loss.get(key)), ends)
    return [table]


def _sources_table(gap: Mapping[str, Any]) -> list[Table]:
    sources = gap.get("sources") or ()
    if len(sources) < 2:
        return []
    table = _table(
        "The sources, most related first", "Source", "Rows", "AUC", "A-distance", "MMD²", "Outside", numeric=True
    )
    for s in sources:
        numbers = (words.number(s.get(key)) for key in ("rows", "auc", "proxy_a_distance", "mmd2"))
        table.add_row(_safe(words.shorten(s.get("name"), 40)), *numbers, words.percent(s.get("outside"), 0))
    return [table]
