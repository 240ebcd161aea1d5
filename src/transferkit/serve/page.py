"""The page that shows a model and lets one try it; self-contained, and all names of the data escaped."""

from __future__ import annotations

import json
import math
import shlex
from importlib.resources import files
from typing import Any

from .served import Served

__all__ = ["page"]


def page(served: Served) -> str:
    """The HTML page of a model."""
    from jinja2 import Environment

    about, path = served.about, "/predict_proba" if served.has_proba else "/predict"
    text = files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8")
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(text)
    example = _example(served)
    data = (
        f"-H 'Content-Type: application/json' -d {shlex.quote(example)}"
        if example
        else "-F files=@first.jpg -F files=@second.jpg"
    )
    return template.render(
        name=about.get("model") or "Model",
        about=about,
        expected=_expected(about),
        kind=served.kind,
        of_graph=served.of_graph,
        classes=None if served.classes is None else ", ".join(map(str, served.classes[:50])),
        columns=served.columns,
        levels={c: found for a in served.inputs.values() for c, found in (a.get("levels") or {}).items()},
        hints={
            c: f"about {mean:.4g}" for a in served.inputs.values() for c, (mean, _) in (a.get("usual") or {}).items()
        },
        example=example,
        path=path,
        curl=f"curl {data} http://HOST:PORT{path}",
    )


def _expected(about: Any) -> str:
    numbers = [about.get("expected"), *(about.get("expected_interval") or ())]
    if not all(isinstance(v, (int, float)) and math.isfinite(v) for v in numbers) or len(numbers) not in (1, 3):
        return ""
    value, *interval = numbers
    return f"{value:.3f}" + (f" (95 %: {interval[0]:.3f} to {interval[1]:.3f})" if interval else "")


def _example(served: Served) -> str:
    """A body of one row; nothing where files are sent."""
    if served.kind in ("images", "audio"):
        return ""
    if served.kind == "text":
        return json.dumps({"rows": ["a text"]})
    if served.kind == "series":
        return json.dumps({"rows": [[[0.0, 0.0, 0.0]]]})
    if served.kind == "numbers":
        return _body([0.0] * len(served.columns), served)
    usual: dict[str, Any] = {}
    for about in served.inputs.values():
        usual.update({c: levels[0] for c, levels in (about.get("levels") or {}).items() if levels})
        usual.update({c: float(f"{mean:.4g}") for c, (mean, _) in (about.get("usual") or {}).items()})
    fill = {"number": 0.0, "bool": True, "date": "2024-05-31T12:00", "text": None}
    return _body({c: usual.get(c, fill[kind]) for c, kind in served.columns.items()}, served)


def _body(row: Any, served: Served) -> str:
    """Of one row; of a graph, two nodes and an edge."""
    body = {"rows": [row, row], "edges": [[0, 1]]} if served.of_graph else {"rows": [row]}
    return json.dumps(body, ensure_ascii=False)
