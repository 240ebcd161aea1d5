"""What a report shows of networks that were trained between domains: loss parts, domain confusion, where each one ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import drawing as draw
from .pictures import CLASS_COLOURS
from .words import clean, evidence_first, finite, number, params_text, plural, without

__all__ = ["moves_chart", "moves_of", "network_charts", "network_view"]

MOST_CURVES = 8  # networks with curves; the table has all
MOST_LINES = 20  # epochs in a table of curves
MOST_CLASSES = 30
_OWN_CRITIC = "critic"  # part that methods with a critic log: its accuracy
# Beside the loss parts, a row of an epoch holds these, which follow from both domains' rows without target labels.
_SCORES = (
    ("source/score", "Source score"),
    ("domain/auc", "Domain AUC"),
    ("target/entropy", "Entropy"),
    ("target/diversity", "Diversity"),
    ("target/largest_share", "Largest class"),
)


def _networks(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Candidates that trained a network between domains, most evidence first, baselines last: `name`, `rows`, `baseline`."""
    if (facts.get("task") or {}).get("way") == "model":
        return []
    histories = facts.get("learning") or {}
    found = []
    for c in evidence_first(facts.get("candidates")):
        rows = [r for r in histories.get(c.get("id")) or () if isinstance(r, Mapping)]
        if rows:
            params = params_text(c.get("params"))
            name = clean(c.get("class") or c.get("id")) + (f" {params}" if params else "")
            found.append({"name": name, "rows": rows, "baseline": c.get("role") == "baseline"})
    return sorted(found, key=lambda n: n["baseline"])


def _parts(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float | None]]:
    """What was minimised, by name, total first: one value an epoch."""
    names = dict.fromkeys(k for row in rows for k in row if "/" in k)
    names = [k for k in names if k.split("/")[0] not in ("source", "target", "domain") and not k.endswith(_OWN_CRITIC)]
    names.sort(key=lambda k: not k.endswith("/loss"))
    found = {k.removeprefix("train/"): [finite(row.get(k)) for row in rows] for k in names}
    return {k: v for k, v in found.items() if any(x is not None for x in v)}


def _curve(rows: Sequence[Mapping[str, Any]], key: str) -> list[float | None]:
    return [next((finite(v) for k, v in row.items() if k == key or k.endswith(f"/{key}")), None) for row in rows]


def network_view(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Names and tables for the template."""
    every = _networks(facts)
    shown = every[:MOST_CURVES]
    ends = [
        {
            "name": n["name"],
            "baseline": n["baseline"],
            "epochs": len(n["rows"]),
            "scores": [finite(n["rows"][-1].get(key)) for key, _ in _SCORES],
            "critic": _curve(n["rows"], _OWN_CRITIC)[-1],
        }
        for n in every
    ]
    return {
        "network_ends": ends,
        "score_titles": [title for _, title in _SCORES],
        "network_names": [n["name"] for n in shown],
        "has_critic": any(e["critic"] is not None for e in ends),
        "part_names": _part_names(shown),
        "part_ids": [f"parts-{k}" for k in range(len(shown))],
        "curve_tables": [_table(n) for n in shown],
        "moves": moves_of(facts),
    }


def _part_names(shown: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of all panels, total first; one colour each, as far as there are colours."""
    names = dict.fromkeys(name for n in shown for name in _parts(n["rows"]))
    return sorted(names, key=lambda name: name != "loss")[:CLASS_COLOURS]


def _table(network: Mapping[str, Any]) -> dict[str, Any]:
    """Some epochs of one network, the first and the last among them."""
    rows, parts = network["rows"], _parts(network["rows"])
    step = max(1, -(-len(rows) // MOST_LINES))
    at = sorted({*range(0, len(rows), step), len(rows) - 1})
    columns = {**parts, "domain AUC": _curve(rows, "domain/auc"), "critic": _curve(rows, _OWN_CRITIC)}
    columns = {k: v for k, v in columns.items() if any(x is not None for x in v)}
    lines = [(k + 1, [values[k] for values in columns.values()]) for k in at]
    return {"name": network["name"], "columns": list(columns), "lines": lines}


def network_charts(facts: Mapping[str, Any]) -> list[draw.Chart]:
    """One panel of loss parts a network, and the domain confusion of all of them."""
    shown = _networks(facts)[:MOST_CURVES]
    names = _part_names(shown)
    panels = [_parts_chart(k, n, names) for k, n in enumerate(shown)]
    confusion = _confusion_chart(shown)
    return [*(p for p in panels if p is not None), *([] if confusion is None else [confusion])]


def _line(values: Sequence[float | None], text: Sequence[str], color: str, **line: Any) -> dict[str, Any]:
    mode = "lines" if len(values) > 1 else "markers"
    return {
        "type": "scatter", "mode": mode, "x": list(range(1, len(values) + 1)), "y": list(values), "hovertext": list(text),
        "hoverinfo": "text", "line": {"color": color, "width": 2, **line}, "marker": {"color": color, "size": 6},
    }  # fmt: skip


def _parts_chart(k: int, network: Mapping[str, Any], names: Sequence[str]) -> draw.Chart | None:
    parts = _parts(network["rows"])
    if not parts:
        return None
    data = []
    for name, values in parts.items():
        text = [draw.plain(name, f"epoch {i}: {number(v)}") for i, v in enumerate(values, start=1)]
        data.append(_line(values, text, f"@c{names.index(name)}" if name in names else "@muted"))
    layout = draw.layout(
        xaxis=draw.axis(title=draw.titled("epoch"), nticks=6), yaxis=draw.axis(nticks=5, rangemode="tozero")
    )
    label = f"Line chart of the loss of {network['name']} and its parts by epoch. The tables below hold the numbers."
    return draw.chart(f"parts-{k}", label, 220, data, layout, title=network["name"])


def _confusion_chart(shown: Sequence[Mapping[str, Any]]) -> draw.Chart | None:
    data, longest = [], 1
    for k, n in enumerate(shown):
        for key, said, dash in (
            ("domain/auc", "domain AUC", "solid"),
            (_OWN_CRITIC, "its own critic's accuracy", "dot"),
        ):
            values = _curve(n["rows"], key)
            if any(v is not None for v in values):
                text = [draw.plain(n["name"], f"epoch {i}: {said} {number(v)}") for i, v in enumerate(values, start=1)]
                data.append(_line(values, text, f"@c{k}", dash=dash))
                longest = max(longest, len(values))
    if not data:
        return None
    lowest = min(v for trace in data for v in trace["y"] if v is not None)
    half = {
        "type": "line", "layer": "below", "xref": "paper", "x0": 0, "x1": 1, "y0": 0.5, "y1": 0.5,
        "line": {"color": "@muted", "width": 1, "dash": "dash"},
    }  # fmt: skip
    layout = draw.layout(
        xaxis=draw.axis(title=draw.titled("epoch"), nticks=8, range=[0.8, longest + 0.2]),
        yaxis=draw.axis(nticks=6, range=[min(0.45, lowest - 0.03), 1.02]),
        shapes=[half],
    )
    label = f"Line chart by epoch of how well the domains are told apart in {plural(len(shown), 'network')}."
    return draw.chart("confusion", label, 280, data, layout)


# Class by class, without labels ---------------------------------------------------------------------------------------


def moves_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Rows of each class before and after, those that changed most first; empty where no row moves."""
    moves = facts.get("moves") or {}
    n, moved = finite(moves.get("n")), finite(moves.get("moved"))
    rows = []
    for r in moves.get("classes") or ():
        counts = {k: finite(r.get(k)) for k in ("source", "before", "after", "left", "joined")}
        if None not in counts.values():
            rows.append({"class": r.get("class"), **counts})
    if not n or not moved or not rows:
        return {}
    rows.sort(key=lambda r: -(r["left"] + r["joined"]))
    guard = facts.get("guard") or {}
    used = guard.get("proposal") == guard.get("winner")
    return {"n": int(n), "moved": int(moved), "share": moved / n, "rows": rows, "used": used}


def moves_chart(facts: Mapping[str, Any]) -> draw.Chart | None:
    """The share of the target that each class gets from source-only and from the proposal, beside the source's."""
    moves = moves_of(facts)
    if not moves:
        return None
    rows, n = moves["rows"][:MOST_CLASSES], moves["n"]
    source, before, after = [r["source"] for r in rows], [r["before"] / n for r in rows], [r["after"] / n for r in rows]
    text = [
        draw.plain(
            r["class"],
            f"{without(facts)}: {plural(int(r['before']), 'row')}",
            f"adapted: {plural(int(r['after']), 'row')}",
            f"{number(int(r['left']))} leave it, {number(int(r['joined']))} join it",
        )
        for r in rows
    ]
    at = list(range(len(rows)))
    yaxis, narrow = draw.rows([r["class"] for r in rows])
    tick = {"symbol": "line-ns-open", "color": "@source", "size": 14, "line": {"width": 2, "color": "@source"}}
    data = [
        draw.threads(before, after),
        draw.dots(source, at, [draw.plain(r["class"], f"source: {100 * r['source']:.1f} %") for r in rows], **tick),
        draw.dots(before, at, text, color="@muted", symbol="circle-open", size=9, line={"width": 2}),
        draw.dots(after, at, text, color="@target", size=10),
    ]
    layout = draw.layout(xaxis=draw.share_axis([*source, *before, *after], "share of the rows"), yaxis=yaxis)
    label = f"Dot plot of the share of the target's rows in {plural(len(rows), 'class', 'classes')}, before and after."
    return draw.chart("moves", label, 64 + 24 * len(rows), data, layout, narrow=narrow)
