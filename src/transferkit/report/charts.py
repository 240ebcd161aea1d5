"""Facts as Plotly charts: plain JSON with colours as tokens (``"@source"``) that the page resolves from its style sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

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
    params_text,
    percent,
    plural,
    shorten,
)

__all__ = ["CLASS_COLOURS", "Chart", "all_charts", "plain"]

Chart = dict[str, Any]
CLASS_COLOURS = 10  # tokens @c0 ... @c9 of the style sheet
MOST_ROWS = 24
MOST_CLASSES = 30
_FLOOR = -1.0  # R^2 below this is drawn at the edge, with the true value in its label
_WIDE, _NARROW = 26, 15  # label columns beside a plot, on a desk and on a phone
_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif'


def plain(*lines: Any) -> str:
    """Lines of text from the data for a chart. Plotly draws a subset of HTML; escaped, it is drawn as it is written."""
    return "<br>".join(escape(clean(line), quote=False) for line in lines if line not in (None, ""))


def _axis(**more: Any) -> dict[str, Any]:
    return {
        "type": "linear", "zeroline": False, "exponentformat": "power",
        "gridcolor": "@rule", "fixedrange": True, "automargin": True,
        "tickfont": {"color": "@muted", "size": 12}, "title": {"font": {"color": "@muted", "size": 12}, "standoff": 10}, **more,
    }  # fmt: skip


def _titled(text: str) -> dict[str, Any]:
    return {"text": text, "font": {"color": "@muted", "size": 12}, "standoff": 10}


def _layout(**more: Any) -> dict[str, Any]:
    return {
        "font": {"family": _FONT, "size": 13, "color": "@ink"}, "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)", "showlegend": False, "dragmode": False, "hovermode": "closest",
        "margin": {"l": 8, "r": 12, "t": 8, "b": 44},
        "hoverlabel": {"bgcolor": "@paper", "bordercolor": "@muted", "font": {"color": "@ink", "size": 13}, "align": "left"},
        **more,
    }  # fmt: skip


def _chart(id: str, label: str, height: int, data: list[Any], layout: dict[str, Any], **more: Any) -> Chart:
    return {"id": id, "label": label, "height": height, "data": data, "layout": layout, "narrow": {}, **more}


def _rows(labels: Sequence[Any], strong: int | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The vertical axis of a dot plot with one labelled row a line, top down, and its change on a narrow screen."""

    def ticks(width: int) -> list[str]:
        short = [plain(shorten(label, width)) for label in labels]
        return [f"<b>{text}</b>" if i == strong else text for i, text in enumerate(short)]

    axis = _axis(
        tickvals=list(range(len(labels))), ticktext=ticks(_WIDE), range=[len(labels) - 0.4, -0.6], showgrid=False, ticklen=6,
        tickcolor="rgba(0,0,0,0)", tickfont={"color": "@ink", "size": 13},
    )  # fmt: skip
    return axis, {"yaxis": {"ticktext": ticks(_NARROW), "tickfont": {"size": 12}}}


def _dots(x: Sequence[Any], y: Sequence[float], text: Sequence[str], **marker: Any) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": x,
        "y": y,
        "hovertext": text,
        "hoverinfo": "text",
        "marker": marker,
    }


def _threads(starts: Sequence[float], ends: Sequence[float], color: str = "@rule") -> dict[str, Any]:
    """One horizontal line a row, from its start to its end."""
    x = [v for a, b in zip(starts, ends) for v in (a, b, None)]
    y = [v for i in range(len(starts)) for v in (i, i, None)]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "hoverinfo": "skip",
        "line": {"color": color, "width": 2},
    }


def _share_axis(values: Sequence[float], title: str, **more: Any) -> dict[str, Any]:
    lo, hi = (min(values), max(values)) if values else (0.0, 1.0)
    pad = 0.06 * (hi - lo) or 0.02
    digits = 0 if hi - lo > 0.05 else 1
    return _axis(
        title=_titled(title), tickformat=f".{digits}%", nticks=7, range=[max(lo - pad, -pad / 2), hi + pad], **more
    )


def candidate_name(candidate: Mapping[str, Any]) -> str:
    """The class of a candidate with its parameters, as it would be typed."""
    name = clean(candidate.get("class") or candidate.get("method") or candidate.get("id"))
    params = params_text(candidate.get("params"))
    return f"{name} {params}" if params else name


def _row_names(candidates: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names for the rows of a chart: parameters only where the class alone does not tell two rows apart."""
    classes = Counter(c.get("class") for c in candidates)
    return [candidate_name(c if classes[c.get("class")] > 1 else {**c, "params": None}) for c in candidates]


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


def candidates_chart(facts: Mapping[str, Any]) -> Chart | None:
    """Estimate and held-back score of each candidate with their intervals, most evidence first."""
    task, guard = facts.get("task") or {}, facts.get("guard") or {}
    name = task.get("metric")
    shown = shown_candidates(facts)
    keys = [k for k in ("score", "estimate") if any_has(shown, k)]
    if not shown:
        return None
    if not keys:
        keys = ["evidence"] if any_has(shown, "evidence") else []
    if not keys:
        return None
    offset = {keys[0]: 0.0} if len(keys) == 1 else {"score": -0.16, "estimate": 0.16}
    spoken = {
        "score": "held-back score (not used in the choice)",
        "estimate": "label-free estimate",
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
            text.append(plain(candidate_name(c), f"{spoken[key]}: {figure}" + (f" ({around})" if around else "")))
            role = c.get("role", "candidate")
            colours.append({"baseline": "@muted", "oracle": "@good"}.get(role, "@target"))
            symbols.append(
                "triangle-left" if value < floor else "circle-open" if key == "estimate" and len(keys) > 1 else "circle"
            )
        outline = [2 if symbol.endswith("open") else 0 for symbol in symbols]
        trace = _dots(x, y, text, color=colours, symbol=symbols, size=10, line={"width": outline})
        trace["error_x"] = {
            "type": "data", "symmetric": False, "array": more, "arrayminus": less, "color": "@muted", "thickness": 1.2, "width": 0,
        }  # fmt: skip
        data.append(trace)
    ids = [c.get("id") for c in shown]
    winner = ids.index(guard.get("winner")) if guard.get("winner") in ids else None
    yaxis, narrow = _rows(_row_names(shown), winner)
    lo, hi = min(extent), max(extent)
    pad = 0.05 * (hi - lo) or max(0.02, 0.02 * abs(hi))
    xaxis = _axis(
        title=_titled("evidence" if "evidence" in keys else metric_name(name)), range=[lo - pad, hi + pad], nticks=7
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
    layout = _layout(xaxis=xaxis, yaxis=yaxis, shapes=shapes)
    cut = floor > float("-inf")
    return _chart("candidates", label, height, data, layout, narrow=narrow, keys=keys, cut=cut)


def columns_chart(gap: Mapping[str, Any], most: int = 15) -> Chart | None:
    """The columns that differ most between the domains."""
    columns = [c for c in gap.get("columns") or () if finite(c.get("effect")) is not None]
    columns = sorted(columns, key=lambda c: -abs(c["effect"]))[:most]
    if not columns:
        return None
    effects = [float(c["effect"]) for c in columns]
    text = [
        plain(
            c.get("name"),
            f"effect: {number(c['effect'])}",
            f"q: {number(c.get('q'))}" if finite(c.get("q")) is not None else "",
        )
        for c in columns
    ]
    yaxis, narrow = _rows([c.get("name") for c in columns])
    lo, hi = min(0.0, *effects), max(0.0, *effects)
    pad = 0.05 * (hi - lo) or 0.05
    xaxis = _axis(title=_titled("effect size"), nticks=7, range=[lo - pad, hi + pad])
    data = [
        _threads([0.0] * len(effects), effects),
        _dots(effects, list(range(len(effects))), text, color="@target", size=9),
    ]
    label = f"Dot plot of the {plural(len(columns), 'column')} that differ most between the domains."
    return _chart("columns", label, 64 + 26 * len(columns), data, _layout(xaxis=xaxis, yaxis=yaxis), narrow=narrow)


def shares_chart(gap: Mapping[str, Any]) -> Chart | None:
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
    text = [plain(r[0], f"source: {percent(r[1])}", f"target, estimated: {percent(r[2])}") for r in rows]
    at = list(range(len(rows)))
    yaxis, narrow = _rows(labels)
    data = [
        _threads(source, target),
        _dots(source, at, text, color="@source", size=9),
        _dots(target, at, text, color="@target", size=10, symbol="diamond"),
    ]
    layout = _layout(xaxis=_share_axis([*source, *target], "share of the rows"), yaxis=yaxis)
    label = f"Dot plot of the shares of {plural(len(rows), 'class', 'classes')} in source and target."
    return _chart("shares", label, 64 + 24 * len(rows), data, layout, narrow=narrow)


def _colour_by_label(
    labels: Sequence[Any], order: Mapping[str, int], numbers: tuple[float, float] | None
) -> dict[str, Any]:
    if numbers is not None:
        return {
            "color": [finite(v) for v in labels], "cmin": numbers[0], "cmax": numbers[1],
            "colorscale": [[0, "@source"], [0.5, "@muted"], [1, "@target"]],
        }  # fmt: skip
    return {"color": [f"@c{order[str(v)]}" for v in labels]}


def embedding_charts(embedding: Mapping[str, Any] | None, kind: Any) -> tuple[list[Chart], list[str]]:
    """Both domains in the plane, before and after; and the classes by which they can be coloured, in the order of colours."""
    if not embedding:
        return [], []
    labels = {side: list(embedding.get(f"{side}_labels") or ()) for side in ("source", "target")}
    everything = [v for side in labels.values() for v in side]
    classes: list[str] = []
    numbers = None
    if kind == "regression":
        values = [v for v in map(finite, everything) if v is not None]
        numbers = (min(values), max(values)) if values else None
    else:
        classes = list(dict.fromkeys(map(str, sorted(set(everything), key=lambda v: (str(type(v)), v)))))
        if len(classes) > CLASS_COLOURS:
            classes = []
    order = {name: i for i, name in enumerate(classes)}
    coloured = bool(classes or numbers) and None not in everything
    charts = []
    for when, title in (
        ("before", "Before: the columns as they came"),
        ("after", "After: as the chosen method sees them"),
    ):
        panel = embedding.get(when)
        if not panel:
            continue
        data, views = [], []
        for side, symbol in (("source", "circle"), ("target", "diamond")):
            points = [(finite(p[0]), finite(p[1])) for p in panel.get(side) or ()]
            named = labels[side] if len(labels[side]) == len(points) else [None] * len(points)
            said = "label" if side == "source" else "predicted"
            text = [
                plain(side, f"{said}: {number(v) if numbers else clean(v)}" if v is not None else "") for v in named
            ]
            marker = {"color": f"@{side}", "symbol": symbol, "size": 6, "opacity": 0.6, "line": {"width": 0}}
            data.append(_dots([p[0] for p in points], [p[1] for p in points], text, **marker))
            if coloured and len(labels[side]) == len(points):
                views.append({**marker, **_colour_by_label(named, order, numbers)})
        axis = {
            "showticklabels": False,
            "showgrid": False,
            "showline": True,
            "linecolor": "@rule",
            "mirror": True,
            "ticks": "",
        }
        layout = _layout(xaxis=_axis(**axis), yaxis=_axis(**axis), margin={"l": 4, "r": 4, "t": 4, "b": 4})
        label = f"Scatter plot of both domains in two dimensions. {title}."
        charts.append(
            _chart(
                f"embedding-{when}",
                label,
                330,
                data,
                layout,
                title=title,
                views={"label": views} if len(views) == 2 else {},
            )
        )
    return charts, classes


def shown_classes(per_class: Sequence[Mapping[str, Any]] | None) -> list[Mapping[str, Any]]:
    """Classes with both numbers, most gained first; of many, those that gained most and those that lost most."""
    rows = [r for r in per_class or () if finite(r.get("before")) is not None and finite(r.get("after")) is not None]
    rows = sorted(rows, key=lambda r: r["before"] - r["after"])
    if len(rows) > MOST_CLASSES:
        rows = rows[: MOST_CLASSES // 2] + rows[-MOST_CLASSES // 2 :]
    return rows


def classes_chart(per_class: Sequence[Mapping[str, Any]] | None) -> Chart | None:
    """What adapting did to each class."""
    rows = shown_classes(per_class)
    if not rows:
        return None
    before, after = ([float(r[k]) for r in rows] for k in ("before", "after"))
    text = [
        plain(
            r.get("class"),
            f"before: {percent(r['before'])}",
            f"after: {percent(r['after'])}",
            plural(r.get("n", 0), "row"),
        )
        for r in rows
    ]
    at = list(range(len(rows)))
    yaxis, narrow = _rows([r.get("class") for r in rows])
    data = [
        _threads(before, after),
        _dots(before, at, text, color="@muted", symbol="circle-open", size=9, line={"width": 2}),
        _dots(
            after,
            at,
            text,
            color=["@good" if a > b else "@bad" if a < b else "@muted" for b, a in zip(before, after)],
            size=10,
        ),
    ]
    layout = _layout(xaxis=_share_axis([*before, *after], "share of the class that is predicted right"), yaxis=yaxis)
    label = f"Dumbbell chart of {plural(len(rows), 'class', 'classes')}, before and after adapting."
    return _chart("classes", label, 64 + 26 * len(rows), data, layout, narrow=narrow)


def confusion_charts(confusion: Mapping[str, Any] | None) -> list[Chart]:
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
                plain(
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
        ticks = {"tickvals": at, "ticktext": [plain(shorten(v, 12)) for v in labels], "showgrid": False, "ticks": ""}
        size = 11 if len(labels) <= 12 else 9 if len(labels) <= 20 else 8
        font = {"tickfont": {"size": size, "color": "@muted"}}
        turned = -90 if max(len(shorten(v, 12)) for v in labels) * len(labels) > 24 else 0
        xaxis = _axis(**ticks, **font) | {"title": _titled("predicted"), "tickangle": turned}
        yaxis = _axis(**ticks, **font) | {"title": _titled("true"), "autorange": "reversed"}
        layout = _layout(xaxis=xaxis, yaxis=yaxis, margin={"l": 8, "r": 8, "t": 8, "b": 8})
        label = f"Confusion matrix of {len(labels)} classes, {when} adapting."
        charts.append(
            _chart(f"confusion-{when}", label, max(380, 110 + 13 * len(labels)), [trace], layout, title=title)
        )
    return charts


def regression_charts(regression: Mapping[str, Any] | None) -> list[Chart]:
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
        text = [plain(f"true: {number(t)}", f"predicted: {number(p)}") for t, p in zip(truth, predicted)]
        diagonal = {
            "type": "line", "layer": "below", "x0": limits[0], "x1": limits[1], "y0": limits[0], "y1": limits[1],
            "line": {"color": "@muted", "width": 1, "dash": "dot"},
        }  # fmt: skip
        layout = _layout(
            xaxis=_axis(title=_titled("true"), range=limits, nticks=6),
            yaxis=_axis(title=_titled("predicted"), range=limits, nticks=6),
            shapes=[diagonal],
        )
        label = f"Scatter plot of predicted against true values, {when} adapting."
        dots = _dots(truth, predicted, text, color=colour, size=6, opacity=0.65)
        charts.append(_chart(f"regression-{when}", label, 340, [dots], layout, title=title))
    return charts


def all_charts(facts: Mapping[str, Any], embedding: Mapping[str, Any] | None) -> tuple[dict[str, Chart], list[str]]:
    """Every chart that the facts allow, by id, and the classes by which the picture of the domains can be coloured."""
    gap = facts.get("gap") or {}
    pictures, classes = embedding_charts(embedding, (facts.get("task") or {}).get("kind"))
    single = (candidates_chart(facts), columns_chart(gap), shares_chart(gap), classes_chart(facts.get("per_class")))
    found = [c for c in single if c is not None]
    found += [*pictures, *confusion_charts(facts.get("confusion")), *regression_charts(facts.get("regression"))]
    return {c["id"]: c for c in found}, classes
