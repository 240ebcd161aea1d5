"""One self-contained HTML page from a template, charts and facts. Nothing is fetched; a content policy in the page forbids it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from . import words
from .drawing import Chart

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["whole_page"]

_UNSAFE = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def whole_page(template: str, charts: Sequence[Chart], **view: Any) -> str:
    """A page without any outside reference; Plotly's JavaScript is part of it where there is a chart.

    Parameters
    ----------
    template : str
        A file of this folder that extends ``page.html.j2``.
    charts : sequence of Chart
        In any order; the template finds each by its id.
    **view
        What the template shows, ``facts`` among it.

    Returns
    -------
    html : str
    """
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    here = files(__package__)
    style, script = (here.joinpath(name).read_text(encoding="utf-8") for name in ("style.css", "report.js"))
    # Scripts are allowed by their hash alone, so that text from the data could not run even if it got into the page as markup.
    plotly = (
        get_plotlyjs().replace("\r\n", "\n") if charts else ""
    )  # a parser of HTML drops \r, and the hash would not fit
    scripts = [Markup(text) for text in (plotly, script) if text]
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src {' '.join(map(_hash, scripts))}"
    page = _environment().get_template(template).render(
        **view, charts={c["id"]: c for c in charts}, policy=policy, chart_json=Markup(_json(list(charts))),
        style=Markup(style), scripts=scripts,
    )  # fmt: skip
    return page.strip().encode("utf-8", "replace").decode("utf-8")


@cache
def _environment() -> Environment:
    """The templates, read and compiled once a process."""
    from jinja2 import DictLoader, Environment

    parts = {p.name: p.read_text(encoding="utf-8") for p in files(__package__).iterdir() if p.name.endswith(".j2")}
    env = Environment(
        loader=DictLoader(parts), autoescape=True, finalize=_finalize, trim_blocks=True, lstrip_blocks=True
    )
    env.filters |= {
        "number": _optional(words.number), "percent": _optional(words.percent), "pvalue": _optional(words.pvalue),
        "word": _optional(words.word), "params": words.params_text, "setting": words.setting_text,
        "plural": words.plural, "finite": words.finite, "shift_kind": words.shift_kind,
    }  # fmt: skip
    return env


def _json(value: Any) -> str:
    """JSON that cannot end the script element that holds it."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(_UNSAFE)


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _finalize(value: Any) -> Any:
    """What an expression of the template prints: nothing for None, and no control characters."""
    if value is None:
        return ""
    return words.clean(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _optional(function: Any) -> Any:
    """A filter that takes jinja2's Undefined, a missing key, for None."""
    from jinja2 import Undefined

    return lambda value, *rest: function(None if isinstance(value, Undefined) else value, *rest)
