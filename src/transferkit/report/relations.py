"""The map between the predicates of two domains as a picture: what stands for what, and how much of the model it carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import drawing as draw
from .words import clean, finite, plural, shorten

__all__ = ["predicate_map_chart"]

LINE = 34  # pixels a row
THIN, THICK = 1.5, 12.0  # width of the lines, in pixels
DROPPED = "dropped"
_STEPS = 24  # points of a curve


def predicate_map_chart(facts: Mapping[str, Any]) -> draw.Chart | None:
    """Predicates of the source on the left, of the target on the right, and a line for each match.

    Parameters
    ----------
    facts : mapping
        ``matches``, a sequence of mappings with ``source`` and ``target`` (predicates as text; None is dropped) and
        ``uses``, the number of literals that were carried over. The first one is that of the relations themselves, which
        the model is about.

    Returns
    -------
    chart : dict or None
        A Plotly figure as the report's other charts: ``data``, ``layout`` and its description. A line is as thick as its
        match is used often. None where there are no matches.
    """
    matches = [m for m in facts.get("matches") or () if m.get("source")]
    if not matches:
        return None
    head, others = matches[0], sorted(matches[1:], key=lambda m: (not m.get("target"), -_uses(m), clean(m["source"])))
    matches = [head, *others]
    left = {clean(m["source"]): k for k, m in enumerate(matches)}
    right: dict[str, int] = {}
    for match in matches:
        right.setdefault(clean(match.get("target") or DROPPED), len(right))
    most = max(map(_uses, matches)) or 1
    data: list[dict[str, Any]] = []
    for k, match in enumerate(matches):
        target = clean(match.get("target") or DROPPED)
        start, end = left[clean(match["source"])], right[target]
        curve = [_ease(i / _STEPS) for i in range(_STEPS + 1)]
        kept = bool(match.get("target"))
        says = "the relation itself" if k == 0 else plural(_uses(match), "literal") if kept else "nothing fits it"
        data.append(
            {
                "type": "scatter", "mode": "lines",
                "x": [i / _STEPS for i in range(_STEPS + 1)], "y": [start + (end - start) * share for share in curve],
                "hoverinfo": "text", "text": draw.plain(f"{target} ← {clean(match['source'])}", says),
                "line": {
                    "color": "@ink" if k == 0 else "@source" if kept else "@rule", "dash": "solid" if kept else "dot",
                    "width": THIN + (THICK - THIN) * _uses(match) / most if kept and k else THIN,
                },
            }
        )  # fmt: skip
    for names, x, side in ((left, 0.0, "middle left"), (right, 1.0, "middle right")):
        data.append(
            {
                "type": "scatter", "mode": "text", "x": [x] * len(names), "y": list(names.values()), "textposition": side,
                "text": [draw.plain(shorten(name, 34)) for name in names], "hoverinfo": "text",
                "hovertext": [draw.plain(name) for name in names], "cliponaxis": False,
                "textfont": {"color": "@ink", "size": 13},
            }
        )  # fmt: skip
    n = max(len(left), len(right))
    hidden = {"visible": False, "fixedrange": True}
    layout = draw.layout(
        xaxis={**hidden, "range": [-1.3, 2.3]}, yaxis={**hidden, "range": [n - 0.5, -0.5]},
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
    )  # fmt: skip
    carried = sum(1 for m in others if m.get("target"))
    label = f"{plural(carried, 'predicate')} of the source carried over, {len(others) - carried} dropped"
    narrow = {"xaxis": {"range": [-2.2, 3.2]}}
    return draw.chart("predicate-map", label, LINE * n + 16, data, layout, narrow=narrow)


def _uses(match: Mapping[str, Any]) -> int:
    return int(finite(match.get("uses")) or 0)


def _ease(share: float) -> float:
    """From 0 to 1, level at both ends."""
    return share * share * (3 - 2 * share)
