"""What a report of a carried-over network shows besides: which model, learning curves, what trained when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import drawing as draw
from .pictures import CLASS_COLOURS
from .words import clean, finite, number, params_text, plural

__all__ = ["learning_chart", "learning_view"]


def learning_view(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Names and tables for the template."""
    transferability, rule = facts.get("transferability") or {}, facts.get("rule") or {}
    rated = list(transferability.get("models") or ())
    curves = _curves(facts)
    length = max((len(values) for values in curves.values()), default=0)
    return {
        "by_model": (facts.get("task") or {}).get("way") == "model",
        "second_score": "score on validation rows" if rule else "label-free estimate",
        "rule": rule,
        "transferability": transferability,
        "rated": rated,
        "score_names": sorted({n for m in rated for n, v in (m.get("scores") or {}).items() if finite(v) is not None}),
        "curves": list(curves),
        "losses": [[values[k] if k < len(values) else None for values in curves.values()] for k in range(length)],
    }


def _curves(facts: Mapping[str, Any]) -> dict[str, list[float | None]]:
    """Loss by epoch for each candidate that was trained, by its name; `networks` shows what was trained between domains."""
    if (facts.get("task") or {}).get("way") != "model":
        return {}
    by_id = {c.get("id"): c for c in facts.get("candidates") or ()}
    found: dict[str, list[float | None]] = {}
    for id, history in (facts.get("learning") or {}).items():
        candidate = by_id.get(id) or {}
        params = params_text(candidate.get("params"))
        name = clean(candidate.get("class") or id) + (f" {params}" if params else "")
        if candidate.get("role") == "baseline":
            name = "from scratch"
        losses = [next((finite(v) for k, v in row.items() if k.endswith("/loss")), None) for row in history or ()]
        if any(v is not None for v in losses) and len(found) < CLASS_COLOURS:
            found[name] = losses
    return found


def learning_chart(facts: Mapping[str, Any]) -> draw.Chart | None:
    """Loss against epochs, one line a candidate."""
    curves = _curves(facts)
    if not curves:
        return None
    data = []
    for k, (name, values) in enumerate(curves.items()):
        data.append(
            {
                "type": "scatter", "mode": "lines+markers", "x": list(range(1, len(values) + 1)), "y": values,
                "hovertext": [draw.plain(name, f"epoch {i}: loss {number(v)}") for i, v in enumerate(values, start=1)],
                "hoverinfo": "text", "line": {"color": f"@c{k}", "width": 2}, "marker": {"color": f"@c{k}", "size": 5},
            }
        )  # fmt: skip
    layout = draw.layout(
        xaxis=draw.axis(title=draw.titled("epoch"), nticks=8),
        yaxis=draw.axis(title=draw.titled("loss"), nticks=6, rangemode="tozero"),
    )
    label = f"Line chart of the loss by epoch of {plural(len(curves), 'candidate')}. The table below holds the numbers."
    return draw.chart("learning", label, 300, data, layout)
