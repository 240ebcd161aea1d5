"""The flow from class to class: which label source-only gives, and which one the proposal gives instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .pictures import CLASS_COLOURS
from .words import clean, finite, plural, shorten

__all__ = ["flow_of"]

LINE, GAP = 22.0, 8.0  # least height of a class and the space between two, in pixels
THICK = 26.0  # mean thickness of a class's bands


def flow_of(changes: Sequence[Mapping[str, Any]], classes: Sequence[Any]) -> dict[str, Any]:
    """Places of bands and names, in pixels from the top and per cent of the width.

    Parameters
    ----------
    changes : sequence of mapping
        Each with ``from``, ``to`` and the count ``n``.
    classes : sequence
        The order in which the classes stand; others follow by their name.

    Returns
    -------
    flow : dict
        ``height``, the names on the ``left`` and on the ``right`` (``name``, ``n``, ``top``, ``height``), and ``bands``
        (``path``, ``colour`` as a token or None, ``says``). Empty where nothing changed.
    """
    moves = [(clean(c.get("from")), clean(c.get("to")), n) for c in changes if (n := finite(c.get("n"))) and n > 0]
    if not moves:
        return {}
    rank = {clean(c): k for k, c in enumerate(classes)}
    left, right = (
        dict.fromkeys(sorted({m[side] for m in moves}, key=lambda v: (rank.get(v, len(rank)), v)), 0.0)
        for side in (0, 1)
    )
    for start, end, n in moves:
        left[start] += n
        right[end] += n
    scale = THICK * max(len(left), len(right)) / sum(left.values())
    total = max(sum(max(LINE, n * scale) + GAP for n in side.values()) for side in (left, right)) - GAP
    places = [_places(side, scale, total) for side in (left, right)]
    free = [{name: p["top"] + (p["height"] - p["n"] * scale) / 2 for name, p in side.items()} for side in places]
    colours = {name: f"c{k}" if len(left) <= CLASS_COLOURS else None for k, name in enumerate(left)}
    order = {name: k for k, name in enumerate(right)}
    bands = []
    for start, end, n in sorted(moves, key=lambda m: (list(left).index(m[0]), order[m[1]])):
        thick = n * scale
        y0, y1 = free[0][start], free[1][end]
        free[0][start] += thick
        free[1][end] += thick
        path = (
            f"M0 {y0:.1f}C45 {y0:.1f} 55 {y1:.1f} 100 {y1:.1f}V{y1 + thick:.1f}"
            f"C55 {y1 + thick:.1f} 45 {y0 + thick:.1f} 0 {y0 + thick:.1f}Z"
        )
        says = f"{start} → {end}: {plural(int(n), 'row')}"
        bands.append({"path": path, "colour": colours[start], "says": says})
    return {
        "height": round(total),
        "left": list(places[0].values()),
        "right": list(places[1].values()),
        "bands": bands,
        "n": int(sum(n for _, _, n in moves)),
    }


def _places(side: Mapping[str, float], scale: float, total: float) -> dict[str, dict[str, Any]]:
    """One block a class, top down, centred in the height."""
    heights = {name: max(LINE, n * scale) for name, n in side.items()}
    gap = (total - sum(heights.values())) / (len(side) - 1) if len(side) > 1 else 0.0
    gap = min(gap, 3 * GAP)
    top = (total - sum(heights.values()) - gap * (len(side) - 1)) / 2
    places = {}
    for name, height in heights.items():
        places[name] = {
            "name": shorten(name, 24),
            "n": int(side[name]),
            "top": round(top, 1),
            "height": round(height, 1),
        }
        top += height + gap
    return places
