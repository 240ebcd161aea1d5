"""The two-dimensional pictures of both domains, before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import drawing as draw
from .words import clean, finite, number, percent

__all__ = ["CLASS_COLOURS", "embedding_charts"]

CLASS_COLOURS = 10  # tokens @c0 ... @c9 of the style sheet


def _colour_by_label(
    labels: Sequence[Any], order: Mapping[str, int], numbers: tuple[float, float] | None
) -> dict[str, Any]:
    if numbers is not None:
        return {
            "color": [finite(v) for v in labels], "cmin": numbers[0], "cmax": numbers[1],
            "colorscale": [[0, "@source"], [0.5, "@muted"], [1, "@target"]],
        }  # fmt: skip
    return {"color": [f"@c{order[str(v)]}" for v in labels]}


def _title(when: str, panel: Mapping[str, Any], rows: str) -> str:
    """Whose picture it is, and how well the domains are told apart in it."""
    of, auc, share = clean(panel.get("of")), finite(panel.get("auc")), finite(panel.get("share"))
    if when == "before":
        title = (
            f"Before: the features of {of}, which learned from the source alone"
            if of
            else f"Before: the {rows} as they came"
        )
    else:
        title = f"After: as {of or 'the chosen method'} sees them"
        if share is not None:
            title += f", {percent(share, 0)} of the vote"
        elif panel.get("chosen") is False:
            title += ", which was not chosen"
    return title if auc is None else f"{title} (domain AUC {number(auc)})"


def embedding_charts(embedding: Mapping[str, Any] | None, kind: Any) -> tuple[list[draw.Chart], list[str]]:
    """Both domains in the plane, before and after; and the classes by which they can be coloured, in the order of colours."""
    if not embedding:
        return [], []
    labels = {side: list(embedding.get(f"{side}_labels") or ()) for side in ("source", "target")}
    everything = [v for side in labels.values() for v in side]
    everything += [v for when in ("before", "after") for v in (embedding.get(when) or {}).get("target_labels") or ()]
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
    for when in ("before", "after"):
        panel = embedding.get(when)
        if not panel:
            continue
        title = _title(when, panel, clean(embedding.get("rows") or "columns"))
        own = {**labels, "target": list(panel.get("target_labels") or labels["target"])}
        data, views = [], []
        for side, symbol in (("source", "circle"), ("target", "diamond")):
            points = [(finite(p[0]), finite(p[1])) for p in panel.get(side) or ()]
            named = own[side] if len(own[side]) == len(points) else [None] * len(points)
            said = "label" if side == "source" else "predicted"
            text = [
                draw.plain(side, f"{said}: {number(v) if numbers else clean(v)}" if v is not None else "")
                for v in named
            ]
            marker = {"color": f"@{side}", "symbol": symbol, "size": 6, "opacity": 0.6, "line": {"width": 0}}
            data.append(draw.dots([p[0] for p in points], [p[1] for p in points], text, **marker))
            if coloured and len(own[side]) == len(points):
                views.append({**marker, **_colour_by_label(named, order, numbers)})
        axis = {
            "showticklabels": False,
            "showgrid": False,
            "showline": True,
            "linecolor": "@rule",
            "mirror": True,
            "ticks": "",
        }
        layout = draw.layout(xaxis=draw.axis(**axis), yaxis=draw.axis(**axis), margin={"l": 4, "r": 4, "t": 4, "b": 4})
        label = f"Scatter plot of both domains in two dimensions. {title}."
        charts.append(
            draw.chart(
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
