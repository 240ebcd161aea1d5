"""The report: facts in, one self-contained HTML file out. Nothing is fetched; a content policy in the page forbids it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from . import words
from .charts import MOST_CLASSES, MOST_ROWS, all_charts, candidate_name, shown_classes
from .decision import decision_view, proposal_name, short_name
from .learning import learning_view
from .networks import network_view

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render"]

_UNSAFE = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def render(
    facts: Mapping[str, Any],
    embedding: Mapping[str, Any] | None = None,
    examples: Sequence[Mapping[str, Any]] | None = None,
) -> str:
    """The report of one run as HTML.

    Parameters
    ----------
    facts : mapping
        The content of ``run.json``. Parts that are absent or None are left out of the report.
    embedding : mapping, optional
        Rows of both domains in two dimensions: ``before`` and ``after``, each with ``source`` and ``target`` lists of
        points; ``source_labels``, ``target_labels`` (predicted) and the ``method`` that made the picture.
    examples : sequence of mapping, optional
        Rows with their ``name``, what is ``predicted``, the ``truth`` (or None), and ``text``, or an ``image`` as a data URI
        with ``width`` and ``height``. One with the number of its ``row`` is shown only where that row stands among those to
        label next.

    Returns
    -------
    html : str
        One page without any outside reference; Plotly's JavaScript is part of it.

    Examples
    --------
    >>> page = render({"verdict": {"sentence": "Keep the source model."}})
    >>> "<h1>Keep the source model.</h1>" in page
    True
    """
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    here = files(__package__)
    style, script = (here.joinpath(name).read_text(encoding="utf-8") for name in ("style.css", "report.js"))
    charts, colour_classes = all_charts(facts, embedding)
    # Scripts are allowed by their hash alone, so that text from the data could not run even if it got into the page as markup.
    plotly = (
        get_plotlyjs().replace("\r\n", "\n") if charts else ""
    )  # a parser of HTML drops \r, and the hash would not fit
    scripts = [Markup(text) for text in (plotly, script) if text]
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src {' '.join(map(_hash, scripts))}"

    template = _environment().get_template("report.html.j2")
    page = template.render(
        **_view(facts), charts=charts, embedding=embedding or {},
        examples=[e for e in examples or () if "row" not in e],
        row_examples={e["row"]: e for e in examples or () if "row" in e},
        colour_classes=colour_classes, policy=policy,
        chart_json=Markup(_json(list(charts.values()))), style=Markup(style), scripts=scripts,
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
        "word": _optional(words.word), "params": words.params_text, "plural": words.plural, "finite": words.finite,
        "shift_kind": words.shift_kind,
    }  # fmt: skip
    return env


def _view(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows that is more than one fact."""
    task, guard, verdict, gap = ({**(facts.get(key) or {})} for key in ("task", "guard", "verdict", "gap"))
    source, target = words.domains(facts)
    candidates = list(facts.get("candidates") or ())
    fitted = words.evidence_first(candidates)
    confusion = facts.get("confusion") or {}
    anchor = next((c for c in fitted if c.get("id") == guard.get("anchor")), {})
    name, per_class, shift = task.get("metric"), facts.get("per_class") or (), gap.get("label_shift") or {}
    return {
        "facts": facts, "task": task, "guard": guard, "verdict": verdict, "gap": gap, "strip": _strip(facts),
        "source_name": source, "target_name": target, "anchor_name": anchor.get("class"),
        "metric": lambda value: words.metric(value, name), "metric_name": words.metric_name(name),
        "interval": lambda value: words.interval(value, name), "candidate_name": candidate_name,
        "fitted": fitted, "unfitted": [c for c in candidates if c.get("status", "fitted") != "fitted"],
        "has": {key: words.any_has(fitted, key) for key in ("evidence", "changed", "estimate", "validation", "score")},
        **learning_view(facts), **network_view(facts), **decision_view(facts),
        "gap_words": words.gap_in_words(gap), "most_rows": MOST_ROWS, "most_classes": MOST_CLASSES,
        "classes": sorted(per_class, key=_loss), "shown_classes": len(shown_classes(per_class)),
        "confused": _worst_pairs(confusion) if len(confusion.get("labels") or ()) > MOST_CLASSES else [],
        "shares": list(zip(*(shift.get(key) or () for key in ("classes", "source", "target")))),
        "share_ends": list(zip(*(shift.get(key) or () for key in ("low", "high")))),
        "loss_parts": words.LOSS_PARTS, "plain_interval": lambda value: words.interval(value, None),
    }  # fmt: skip


def _loss(row: Mapping[str, Any]) -> float:
    before, after = words.finite(row.get("before")), words.finite(row.get("after"))
    return 0.0 if before is None or after is None else before - after


def _strip(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """The verdict's picture: the expected score against the baseline's on one scale, positions in per cent of its width."""
    task, guard, verdict = (facts.get(key) or {} for key in ("task", "guard", "verdict"))
    name, key = task.get("metric"), "score" if verdict.get("basis") == "held-back labels" else "estimate"
    by_id = {c.get("id"): c for c in facts.get("candidates") or ()}
    anchor, winner = by_id.get(guard.get("anchor")) or {}, by_id.get(guard.get("winner")) or {}
    by_model = task.get("way") == "model"
    key = "validation" if key == "estimate" and by_model else key
    plain = anchor.get("class") if by_model and anchor.get("model") != "from scratch" else None
    without = f"with {words.clean(plain)}" if plain else "from scratch" if by_model else "without adapting"
    kept = "trained from scratch" if by_model else "the source's model, kept"
    chosen = {
        "label": f"with {short_name(winner) or 'adapting'}" if verdict.get("adapted") else kept,
        "value": verdict.get("expected"), "ends": verdict.get("expected_interval"), "kind": "after",
    }  # fmt: skip
    if verdict.get("adapted"):
        before = {"value": verdict.get("baseline"), "ends": anchor.get(f"{key}_interval")}
        rows = [{**before, "label": without, "kind": "before"}, chosen]
    else:
        refused = by_id.get(guard.get("proposal")) or {}
        # Without labels, a guess at what the refused model reaches would claim to know what the verdict leaves open.
        shown = key == "score" and not by_model and proposal_name(facts)
        rows = [chosen, {
            "label": f"with {short_name(refused)}, not used", "value": refused.get("score") if shown else None,
            "ends": refused.get("score_interval"), "kind": "before",
        }]  # fmt: skip
    rows = [
        {**r, "value": value, "ends": words.interval_of(r["ends"])}
        for r in rows
        if (value := words.finite(r["value"])) is not None
    ]
    if not rows:
        return None
    everything = [v for r in rows for v in (r["value"], *(r["ends"] or ()))]
    lo, hi = (0.0, 1.0) if name == "accuracy" else (max(min(0.0, *everything), -1.0), max(1.0, *everything))

    def place(value: float) -> float:
        return round(100 * (min(max(value, lo), hi) - lo) / (hi - lo), 2)

    for row in rows:
        row["at"] = place(row["value"])
        row["from"], row["to"] = map(place, row["ends"] or (row["value"], row["value"]))
        row["text"], row["around"] = words.metric(row["value"], name), words.interval(row["ends"], name)
    ticks = [
        {"at": place(v), "text": words.percent(v, 0) if name == "accuracy" else words.number(v)}
        for v in (lo, (lo + hi) / 2, hi)
    ]
    return {"rows": rows, "ticks": ticks}


def _worst_pairs(confusion: Mapping[str, Any], most: int = 15) -> list[dict[str, Any]]:
    """The pairs of classes that are mistaken for each other most often, by what is left after adapting."""
    labels, before = confusion["labels"], confusion.get("before")
    after = confusion.get("after") or before or ()
    pairs = [
        {"true": labels[i], "predicted": labels[j], "after": n, "before": before[i][j] if before else None}
        for i, row in enumerate(after)
        for j, n in enumerate(row)
        if i != j and (n or (before and before[i][j]))
    ]
    return sorted(pairs, key=lambda p: (-p["after"], -(p["before"] or 0)))[:most]


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
