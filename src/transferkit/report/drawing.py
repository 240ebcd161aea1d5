"""Marks, axes and layouts that the report's charts are put together from: plain Plotly JSON."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from .words import clean, shorten

__all__ = ["Chart", "axis", "chart", "dots", "layout", "plain", "rows", "share_axis", "threads", "titled"]

Chart = dict[str, Any]
WIDE, NARROW = 26, 15  # label columns beside a plot, on a desk and on a phone
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif'


def plain(*lines: Any) -> str:
    """Lines of text from the data for a chart. Plotly draws a subset of HTML; escaped, it is drawn as it is written."""
    return "<br>".join(escape(clean(line), quote=False) for line in lines if line not in (None, ""))


def axis(**more: Any) -> dict[str, Any]:
    """An axis in the page's colours."""
    return {
        "type": "linear", "zeroline": False, "exponentformat": "power",
        "gridcolor": "@rule", "fixedrange": True, "automargin": True,
        "tickfont": {"color": "@muted", "size": 12}, "title": {"font": {"color": "@muted", "size": 12}, "standoff": 10}, **more,
    }  # fmt: skip


def titled(text: str) -> dict[str, Any]:
    """A title in the page's colours."""
    return {"text": text, "font": {"color": "@muted", "size": 12}, "standoff": 10}


def layout(**more: Any) -> dict[str, Any]:
    """The layout that all charts share."""
    return {
        "font": {"family": FONT, "size": 13, "color": "@ink"}, "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)", "showlegend": False, "dragmode": False, "hovermode": "closest",
        "margin": {"l": 8, "r": 12, "t": 8, "b": 44},
        "hoverlabel": {"bgcolor": "@paper", "bordercolor": "@muted", "font": {"color": "@ink", "size": 13}, "align": "left"},
        **more,
    }  # fmt: skip


def chart(id: str, label: str, height: int, data: list[Any], layout: dict[str, Any], **more: Any) -> Chart:
    """A chart: what is drawn, how high, and its description for those who cannot see it."""
    return {"id": id, "label": label, "height": height, "data": data, "layout": layout, "narrow": {}, **more}


def rows(labels: Sequence[Any], strong: int | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The vertical axis of a dot plot with one labelled row a line, top down, and its change on a narrow screen."""

    def ticks(width: int) -> list[str]:
        short = [plain(shorten(label, width)) for label in labels]
        return [f"<b>{text}</b>" if i == strong else text for i, text in enumerate(short)]

    vertical = axis(
        tickvals=list(range(len(labels))), ticktext=ticks(WIDE), range=[len(labels) - 0.4, -0.6], showgrid=False, ticklen=6,
        tickcolor="rgba(0,0,0,0)", tickfont={"color": "@ink", "size": 13},
    )  # fmt: skip
    return vertical, {"yaxis": {"ticktext": ticks(NARROW), "tickfont": {"size": 12}}}


def dots(x: Sequence[Any], y: Sequence[float], text: Sequence[str], **marker: Any) -> dict[str, Any]:
    """Points with a text each that shows when they are pointed at."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": x,
        "y": y,
        "hovertext": text,
        "hoverinfo": "text",
        "marker": marker,
    }


def threads(starts: Sequence[float], ends: Sequence[float], color: str = "@rule") -> dict[str, Any]:
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


def share_axis(values: Sequence[float], title: str, **more: Any) -> dict[str, Any]:
    """An axis of shares, padded, in per cent."""
    lo, hi = (min(values), max(values)) if values else (0.0, 1.0)
    pad = 0.06 * (hi - lo) or 0.02
    digits = 0 if hi - lo > 0.05 else 1
    return axis(
        title=titled(title), tickformat=f".{digits}%", nticks=7, range=[max(lo - pad, -pad / 2), hi + pad], **more
    )
