"""Facts as Plotly charts: plain JSON with colours as tokens (``"@source"``) that the page resolves from its style sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import drawing as draw
from .coupling import coupling_chart
from .learning import learning_chart
from .networks import moves_chart, network_charts
from .pictures import embedding_charts
from .words import (
    any_has,
    clean,
    evidence_first,
    finite,
    interval,
    interval_of,
    metric,
    metric_name,
    number,
    percent,
    plural,
    setting_text,
    shorten,
)

__all__ = ["all_charts"]
MOST_ROWS = 24
MOST_CLASSES = 30
_FLOOR = -1.0  # R^2 below this is drawn at the edge, with the true value in its label


def candidate_name(candidate: Mapping[str, Any]) -> str:
    """The class of a candidate with its parameters, as it would be typed."""
    name = clean(candidate.get("class") or candidate.get("method") or candidate.get("id"))
    if candidate.get("model") == "from scratch":
        return f"{name} from scratch"
    setting = setting_text(candidate)
    return f"{name} {setting}" if setting else name


def _row_names(candidates: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names for the rows of a chart: parameters only where the class alone does not tell two rows apart."""
    classes = Counter(c.get("class") for c in candidates)
    return [
        candidate_name(c if classes[c.get("class")] > 1 else {**c, "params": None, "inner": None}) for c in candidates
    ]


def shown_candidates(facts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The candidates that the chart shows, most evidence first: never without the winner, the anchor and the other baselines."""
    fitted = evidence_first(facts.get("candidates"))
    guard = facts.get("guard") or {}
    always = {guard.get("winner"), guard.get("anchor")}
    keep = [c for c in fitted if c.get("id") in always] + [
        c for c in fitted if c.get("role") in ("baseline", "oracle")
    ][:6]
    for c in fitted:
        if len(keep) < MOST_ROWS and c not in keep:
            keep.append(c)
    return [c for c in fitted if c in keep]


def _floor(scores: Iterable[Any]) -> float:
    """Where the axis of R^2 ends: a few disasters must not squeeze the other candidates into one line."""
    values = [v for v in map(finite, scores) if v is not None]
    return min([0.0, *(v for v in values if v >= _FLOOR)]) if min(values, default=0.0) < _FLOOR else float("-inf")


def candidates_chart(facts: Mapping[str, Any]) -> draw.Chart | None:
    """Estimate and held-back score of each candidate with their intervals, most evidence first."""
    task, guard = facts.get("task") or {}, facts.get("guard") or {}
    name = task.get("metric")
    shown = shown_candidates(facts)
    keys = [k for k in ("score", "estimate", "validation") if any_has(shown, k)][:2]
    if not shown:
        return None
    if not keys:
        keys = ["evidence"] if any_has(shown, "evidence") else []
    if not keys:
        return None
    offset = {keys[0]: 0.0} if len(keys) == 1 else {keys[0]: -0.16, keys[1]: 0.16}
    spoken = {
        "score": "held-back score (not used in the choice)",
        "estimate": "label-free estimate",
        "validation": "score on validation rows",
        "evidence": "evidence",
    }
    floor = (
        float("-inf") if name == "accuracy" or "evidence" in keys else _floor(c.get(key) for c in shown for key in keys)
    )
    data, extent = [], []
    for key in keys:
        x, y, text, colours, symbols, less, more = [], [], [], [], [], [], []
        for i, c in enumerate(shown):
            value = finite(c.get(key))
            if value is None:
                continue
            lo, hi = interval_of(c.get(f"{key}_interval")) or (value, value)
            at, lo, hi = max(value, floor), max(lo, floor), max(hi, floor)
            figure = number(value) if key == "evidence" else metric(value, name)
            around = interval(c.get(f"{key}_interval"), name)
            x.append(at)
            y.append(i + offset[key])
            less.append(max(at - lo, 0))
            more.append(max(hi - at, 0))
            extent += [lo, hi, at]
            text.append(draw.plain(candidate_name(c), f"{spoken[key]}: {figure}" + (f" ({around})" if around else "")))
            role = c.get("role", "candidate")
            colours.append({"baseline": "@muted", "oracle": "@good"}.get(role, "@target"))
            symbols.append("triangle-left" if value < floor else "circle-open" if key != keys[0] else "circle")
        outline = [2 if symbol.endswith("open") else 0 for symbol in symbols]
        trace = draw.dots(x, y, text, color=colours, symbol=symbols, size=10, line={"width": outline})
        trace["error_x"] = {
            "type": "data", "symmetric": False, "array": more, "arrayminus": less, "color": "@muted", "thickness": 1.2, "width": 0,
        }  # fmt: skip
        data.append(trace)
    ids = [c.get("id") for c in shown]
    winner = ids.index(guard.get("winner")) if guard.get("winner") in ids else None
    yaxis, narrow = draw.rows(_row_names(shown), winner)
    lo, hi = min(extent), max(extent)
    pad = 0.05 * (hi - lo) or max(0.02, 0.02 * abs(hi))
    xaxis = draw.axis(
        title=draw.titled("evidence" if "evidence" in keys else metric_name(name)), range=[lo - pad, hi + pad], nticks=7
    )
    if name == "accuracy" and "evidence" not in keys:
        xaxis["tickformat"] = ".0%"
    shapes = []
    if winner is not None:
        shapes.append({
            "type": "rect", "layer": "below", "xref": "paper", "x0": 0, "x1": 1, "y0": winner - 0.5, "y1": winner + 0.5,
            "fillcolor": "@wash", "line": {"width": 0},
        })  # fmt: skip
    anchor = next((finite(c.get(keys[0])) for c in shown if c.get("id") == guard.get("anchor")), None)
    if anchor is not None:
        shapes.append({
            "type": "line", "layer": "below", "yref": "paper", "x0": max(anchor, floor), "x1": max(anchor, floor), "y0": 0, "y1": 1,
            "line": {"color": "@muted", "width": 1, "dash": "dot"},
        })  # fmt: skip
    label = f"Dot plot of {plural(len(shown), 'candidate')}, most evidence first. The table below holds the numbers."
    height = 64 + (38 if len(keys) > 1 else 30) * len(shown)
    layout = draw.layout(xaxis=xaxis, yaxis=yaxis, shapes=shapes)
    cut = floor > float("-inf")
    return draw.chart("candidates", label, height, data, layout, narrow=narrow, keys=keys, cut=cut)


def columns_chart(gap: Mapping[str, Any], most: int = 15) -> draw.Chart | None:
    """The columns that differ most between the domains."""
    columns = [c for c in gap.get("columns") or () if finite(c.get("effect")) is not None]
    columns = sorted(columns, key=lambda c: -abs(c["effect"]))[:most]
    if not columns:
        return None
    effects = [float(c["effect"]) for c in columns]
    text = [
        draw.plain(
            c.get("name"),
            f"effect: {number(c['effect'])}",
            f"q: {number(c.get('q'))}" if finite(c.get("q")) is not None else "",
        )
        for c in columns
    ]
    yaxis, narrow = draw.rows([c.get("name") for c in columns])
    lo, hi = min(0.0, *effects), max(0.0, *effects)
    pad = 0.05 * (hi - lo) or 0.05
    xaxis = draw.axis(title=draw.titled("effect size"), nticks=7, range=[lo - pad, hi + pad])
    data = [
        draw.threads([0.0] * len(effects), effects),
        draw.dots(effects, list(range(len(effects))), text, color="@target", size=9),
    ]
    label = f"Dot plot of the {plural(len(columns), 'column')} that differ most between the domains."
    return draw.chart(
        "columns", label, 64 + 26 * len(columns), data, draw.layout(xaxis=xaxis, yaxis=yaxis), narrow=narrow
    )


def shares_chart(gap: Mapping[str, Any]) -> draw.Chart | None:
    """The share of each class in the source, and as estimated in the target."""
    shift = gap.get("label_shift") or {}
    rows = [
        (label, finite(s), finite(t))
        for label, s, t in zip(shift.get("classes") or (), shift.get("source") or (), shift.get("target") or ())
    ]
    rows = [row for row in rows if row[1] is not None and row[2] is not None]
    if not rows:
        return None
    if len(rows) > MOST_CLASSES:
        rows = sorted(rows, key=lambda r: -abs(r[2] - r[1]))[:MOST_CLASSES]
    labels, source, target = ([r[i] for r in rows] for i in range(3))
    text = [draw.plain(r[0], f"source: {percent(r[1])}", f"target, estimated: {percent(r[2])}") for r in rows]
    at = list(range(len(rows)))
    yaxis, narrow = draw.rows(labels)
    data = [
        draw.threads(source, target),
        draw.dots(source, at, text, color="@source", size=9),
        draw.dots(target, at, text, color="@target", size=10, symbol="diamond"),
    ]
    layout = draw.layout(xaxis=draw.share_axis([*source, *target], "share of the rows"), yaxis=yaxis)
    label = f"Dot plot of the shares of {plural(len(rows), 'class', 'classes')} in source and target."
    return draw.chart("shares", label, 64 + 24 * len(rows), data, layout, narrow=narrow)


def shown_classes(per_class: Sequence[Mapping[str, Any]] | None) -> list[Mapping[str, Any]]:
    """Classes with both numbers, most gained first; of many, those that gained most and those that lost most."""
    rows = [r for r in per_class or () if finite(r.get("before")) is not None and finite(r.get("after")) is not None]
    rows = sorted(rows, key=lambda r: r["before"] - r["after"])
    if len(rows) > MOST_CLASSES:
        rows = rows[: MOST_CLASSES // 2] + rows[-MOST_CLASSES // 2 :]
    return rows


def classes_chart(per_class: Sequence[Mapping[str, Any]] | None) -> draw.Chart | None:
    """What adapting did to each class."""
    rows = shown_classes(per_class)
    if not rows:
        return None
    before, after = ([float(r[k]) for r in rows] for k in ("before", "after"))
    text = [
        draw.plain(
            r.get("class"),
            f"before: {percent(r['before'])}",
            f"after: {percent(r['after'])}",
            plural(r.get("n", 0), "row"),
        )
        for r in rows
    ]
    at = list(range(len(rows)))
    yaxis, narrow = draw.rows([r.get("class") for r in rows])
    data = [
        draw.threads(before, after),
        draw.dots(before, at, text, color="@muted", symbol="circle-open", size=9, line={"width": 2}),
        draw.dots(
            after,
            at,
            text,
            color=["@good" if a > b else "@bad" if a < b else "@muted" for b, a in zip(before, after)],
            size=10,
        ),
    ]
    layout = draw.layout(
        xaxis=draw.share_axis([*before, *after], "share of the class that is predicted right"), yaxis=yaxis
    )
    label = f"Dumbbell chart of {plural(len(rows), 'class', 'classes')}, before and after adapting."
    return draw.chart("classes", label, 64 + 26 * len(rows), data, layout, narrow=narrow)


def confusion_charts(confusion: Mapping[str, Any] | None) -> list[draw.Chart]:
    """Heat maps of true against predicted classes, before and after; none where the classes are too many to read."""
    labels = (confusion or {}).get("labels") or []
    if confusion is None or not 2 <= len(labels) <= MOST_CLASSES:
        return []
    charts = []
    for when, title in (("before", "Before"), ("after", "After")):
        counts = [[v or 0 for v in row] for row in confusion.get(when) or ()]
        if not counts:
            continue
        shares = [[v / total if (total := sum(row)) else 0.0 for v in row] for row in counts]
        text = [
            [
                draw.plain(
                    f"true: {clean(labels[i])}",
                    f"predicted: {clean(labels[j])}",
                    f"{plural(v, 'row')}, {percent(shares[i][j])}",
                )
                for j, v in enumerate(row)
            ]
            for i, row in enumerate(counts)
        ]
        trace: dict[str, Any] = {
            "type": "heatmap", "z": shares, "zmin": 0, "zmax": 1, "colorscale": [[0, "@empty"], [1, "@source"]], "showscale": False,
            "xgap": 1, "ygap": 1, "hovertext": text, "hoverinfo": "text",
        }  # fmt: skip
        if len(labels) <= 12:
            trace |= {"text": [[number(v) if v else "" for v in row] for row in counts], "texttemplate": "%{text}"}
            trace["textfont"] = {"size": 11}
        at = list(range(len(labels)))
        ticks = {
            "tickvals": at,
            "ticktext": [draw.plain(shorten(v, 12)) for v in labels],
            "showgrid": False,
            "ticks": "",
        }
        size = 11 if len(labels) <= 12 else 9 if len(labels) <= 20 else 8
        font = {"tickfont": {"size": size, "color": "@muted"}}
        turned = -90 if max(len(shorten(v, 12)) for v in labels) * len(labels) > 24 else 0
        xaxis = draw.axis(**ticks, **font) | {"title": draw.titled("predicted"), "tickangle": turned}
        yaxis = draw.axis(**ticks, **font) | {"title": draw.titled("true"), "autorange": "reversed"}
        layout = draw.layout(xaxis=xaxis, yaxis=yaxis, margin={"l": 8, "r": 8, "t": 8, "b": 8})
        label = f"Confusion matrix of {len(labels)} classes, {when} adapting."
        charts.append(
            draw.chart(f"confusion-{when}", label, max(380, 110 + 13 * len(labels)), [trace], layout, title=title)
        )
    return charts


def regression_charts(regression: Mapping[str, Any] | None) -> list[draw.Chart]:
    """Predicted against true values of held-back rows, before and after."""
    truth = [finite(v) for v in (regression or {}).get("truth") or ()]
    if regression is None or not truth:
        return []
    known = [v for v in truth if v is not None]
    both = known + [x for k in ("before", "after") for v in regression.get(k) or () if (x := finite(v)) is not None]
    if not known:
        return []
    pad = 0.04 * (max(both) - min(both)) or 1.0
    limits = [min(both) - pad, max(both) + pad]
    charts = []
    for when, title, colour in (("before", "Before", "@muted"), ("after", "After", "@target")):
        predicted = [finite(v) for v in regression.get(when) or ()]
        if not predicted:
            continue
        text = [draw.plain(f"true: {number(t)}", f"predicted: {number(p)}") for t, p in zip(truth, predicted)]
        diagonal = {
            "type": "line", "layer": "below", "x0": limits[0], "x1": limits[1], "y0": limits[0], "y1": limits[1],
            "line": {"color": "@muted", "width": 1, "dash": "dot"},
        }  # fmt: skip
        layout = draw.layout(
            xaxis=draw.axis(title=draw.titled("true"), range=limits, nticks=6),
            yaxis=draw.axis(title=draw.titled("predicted"), range=limits, nticks=6),
            shapes=[diagonal],
        )
        label = f"Scatter plot of predicted against true values, {when} adapting."
        dots = draw.dots(truth, predicted, text, color=colour, size=6, opacity=0.65)
        charts.append(draw.chart(f"regression-{when}", label, 340, [dots], layout, title=title))
    return charts


def all_charts(
    facts: Mapping[str, Any], embedding: Mapping[str, Any] | None
) -> tuple[dict[str, draw.Chart], list[str]]:
    """Every chart that the facts allow, by id, and the classes by which the picture of the domains can be coloured."""
    gap = facts.get("gap") or {}
    pictures, classes = embedding_charts(embedding, (facts.get("task") or {}).get("kind"))
    single = (
        candidates_chart(facts), columns_chart(gap), shares_chart(gap), classes_chart(facts.get("per_class")),
        learning_chart(facts), moves_chart(facts), coupling_chart(facts.get("relation")),
    )  # fmt: skip
    found = [c for c in single if c is not None]
    found += [
        *network_charts(facts),
        *pictures,
        *confusion_charts(facts.get("confusion")),
        *regression_charts(facts.get("regression")),
    ]
    return {c["id"]: c for c in found}, classes
