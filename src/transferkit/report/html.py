"""The report of a run: facts in, one self-contained HTML file out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import words
from .charts import MOST_CLASSES, MOST_ROWS, all_charts, candidate_name, shown_classes
from .decision import decision_view, proposal_name, short_name
from .learning import learning_view
from .networks import network_view
from .page import whole_page
from .strip import strip_of

__all__ = ["render"]


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
    charts, colour_classes = all_charts(facts, embedding)
    return whole_page(
        "report.html.j2", list(charts.values()), **_view(facts), embedding=embedding or {}, colour_classes=colour_classes,
        examples=[e for e in examples or () if "row" not in e],
        row_examples={e["row"]: e for e in examples or () if "row" in e},
    )  # fmt: skip


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
        **learning_view(facts), **network_view(facts), **decision_view(facts), "relation": facts.get("relation") or {},
        "without": words.without(facts),
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
    apart = task.get("way") == "spaces"
    plain = anchor.get("class") if by_model and anchor.get("model") != "from scratch" else None
    own = "the target's labels alone" if apart else None
    without = f"with {words.clean(plain)}" if plain else "from scratch" if by_model else own or "without adapting"
    kept = "trained from scratch" if by_model else own or "the source's model, kept"
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

    for row in rows:
        row["around"] = words.interval(row["ends"], name)
    is_share = name == "accuracy"
    return strip_of(
        rows, lo, hi, lambda v: words.metric(v, name), lambda v: words.percent(v, 0) if is_share else words.number(v)
    )


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
