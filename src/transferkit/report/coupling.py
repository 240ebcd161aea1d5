"""Which source class goes where, of a method that couples rows: a heat map of classes against groups of target rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import drawing as draw
from .words import clean, finite, percent, plural, shorten

__all__ = ["coupling_chart"]

MOST = 30  # classes, or groups, that can be read


def coupling_chart(relation: Mapping[str, Any] | None) -> draw.Chart | None:
    """How much of each source class is coupled with each group of target rows.

    Parameters
    ----------
    relation : mapping
        The part ``relation`` of the facts of a run. Its ``coupling`` has ``classes``, names of the source's classes;
        ``groups``, mappings with ``rows`` and, where a known label of theirs is the most frequent, ``label``; and
        ``shares``, one row a class.

    Returns
    -------
    chart : dict or None
        A Plotly figure as the report's other charts. None without a coupling, or where it is too large to read.
    """
    coupling = (relation or {}).get("coupling") or {}
    classes, groups, shares = (coupling.get(key) or [] for key in ("classes", "groups", "shares"))
    if not shares or len(shares) != len(classes) or max(len(classes), len(groups)) > MOST:
        return None
    z = [[finite(v) or 0.0 for v in row] for row in shares]
    names = [_name(k, group) for k, group in enumerate(groups)]
    text = [
        [
            draw.plain(
                f"source class: {clean(classes[i])}",
                f"target rows: {names[j]}, {plural(groups[j].get('rows', 0), 'row')}",
                f"{percent(v)} of the class",
            )
            for j, v in enumerate(row)
        ]
        for i, row in enumerate(z)
    ]
    trace: dict[str, Any] = {
        "type": "heatmap", "z": z, "zmin": 0, "zmax": 1, "colorscale": [[0, "@empty"], [1, "@source"]], "showscale": False,
        "xgap": 1, "ygap": 1, "hovertext": text, "hoverinfo": "text",
    }  # fmt: skip
    if len(groups) <= 12:
        shown = [[f"{100 * v:.0f}" if v >= 0.005 else "" for v in row] for row in z]
        trace |= {"text": shown, "texttemplate": "%{text}", "textfont": {"size": 11}}
    xaxis = _ticks(names) | {"title": draw.titled("groups of target rows"), "tickangle": -90 if len(groups) > 3 else 0}
    yaxis = _ticks(classes) | {"title": draw.titled("source class"), "autorange": "reversed"}
    layout = draw.layout(xaxis=xaxis, yaxis=yaxis, margin={"l": 8, "r": 8, "t": 8, "b": 8})
    label = f"Heat map: how much of {plural(len(classes), 'source class', 'source classes')} goes to which group of target rows."
    return draw.chart("coupling", label, max(240, 150 + 22 * len(classes)), [trace], layout)


def _name(k: int, group: Mapping[str, Any]) -> str:
    label = group.get("label")
    return f"group {k + 1}" if label is None else f"{clean(label)} (group {k + 1})"


def _ticks(names: list[Any]) -> dict[str, Any]:
    short = [draw.plain(shorten(name, 22)) for name in names]
    font = {"size": 11 if len(names) <= 12 else 9, "color": "@muted"}
    return draw.axis(tickvals=list(range(len(names))), ticktext=short, showgrid=False, ticks="", tickfont=font)
