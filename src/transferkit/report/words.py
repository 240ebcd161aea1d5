"""Facts as words: numbers, intervals and names in the form that the page, the model card and the terminal share."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

__all__ = [
    "LOSS_PARTS", "any_has", "clean", "domains", "evidence_first", "finite", "gap_in_words", "interval", "interval_of",
    "metric", "metric_name", "number", "params_text", "percent", "plural", "pvalue", "setting_text", "shift_kind", "shorten",
    "without", "word",
]  # fmt: skip

_INNER = {"linear": "linear model", "nearest": "nearest neighbours", "forest": "forest"}

DASH = "–"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# Control characters would break a page or a terminal; the tab and whatever ends a line become spaces.
_CONTROL = dict.fromkeys((*range(32), *range(127, 160)), "\ufffd")
_CONTROL |= dict.fromkeys((9, 10, 13, 0x85, 0x2028, 0x2029), " ")


def clean(text: Any) -> str:
    """Text from the data without control characters and lone surrogates; None is empty."""
    if text is None:
        return ""
    return str(text).encode("utf-8", "replace").decode("utf-8").translate(_CONTROL)


def _columns(char: str) -> int:
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def shorten(text: Any, width: int) -> str:
    """Text cut to about `width` columns in its middle, since names often differ at the end; a wide character takes two."""
    text = clean(text)
    if sum(map(_columns, text)) <= width:
        return text

    def fitting(chars: Iterable[str], room: int) -> int:
        taken = 0
        for char in chars:
            room -= _columns(char)
            if room < 0:
                break
            taken += 1
        return max(taken, 1)

    head, tail = fitting(text, (2 * width) // 3 - 1), fitting(reversed(text), width // 3)
    return f"{text[:head].rstrip()}…{text[-tail:].lstrip()}"


def finite(value: Any) -> float | None:
    """The value as a float; None where it is absent, not a number or not finite."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return None
    return float(value) if math.isfinite(value) else None


def number(value: Any, digits: int = 3) -> str:
    """A number for reading: grouped, to `digits` significant digits, powers of ten where it is tiny or huge."""
    x = finite(value)
    if x is None:
        return clean(value) if isinstance(value, str) else DASH
    size = abs(x)
    if (size >= 1e6 and not (isinstance(value, Integral) and size < 1e12)) or 0 < size < 1e-3:
        mantissa, exponent = f"{x:.{digits - 1}e}".split("e")
        text = f"{float(mantissa):g}×10{str(int(exponent)).translate(_SUPERSCRIPT)}"
    elif isinstance(value, Integral) or size >= 10**digits:
        text = f"{x:,.0f}".replace(",", "\u202f")
    else:
        text = f"{x:.{digits}g}"
    return text.replace("-", "−")


def percent(value: Any, digits: int = 1) -> str:
    """A share as a percentage."""
    x = finite(value)
    return DASH if x is None else f"{100 * x:.{digits}f}\u00a0%".replace("-", "−")


def metric(value: Any, name: Any) -> str:
    """A score: accuracy as a percentage, anything else (R^2) as a plain number."""
    if name == "accuracy":
        return percent(value)
    x = finite(value)
    return DASH if x is None else number(x) if abs(x) >= 10 else f"{x:.3f}".replace("-", "−")


def metric_name(name: Any) -> str:
    """A metric as a word."""
    return {"accuracy": "accuracy", "r2": "R²", "micro_f1": "micro-F1"}.get(name or "", word(name) or "score")


def interval_of(value: Any) -> tuple[float, float] | None:
    """Both ends of an interval as floats; None where it is absent or has an end that is not finite."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        return None
    lo, hi = finite(value[0]), finite(value[1])
    return None if lo is None or hi is None else (min(lo, hi), max(lo, hi))


def interval(value: Any, name: Any) -> str:
    """An interval of scores; empty where there is none."""
    ends = interval_of(value)
    if ends is None:
        return ""
    if name == "accuracy":
        return f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f}\u00a0%".replace("-", "−")
    return f"{metric(ends[0], name)} to {metric(ends[1], name)}"


def pvalue(p: Any) -> str:
    """A p-value with its sign: ``= 0.02`` or ``< 0.001``."""
    x = finite(p)
    return "unknown" if x is None else "< 0.001" if x < 0.001 else f"= {x:.2g}"


def plural(n: Any, one: str, many: str | None = None) -> str:
    """A count with its noun."""
    return f"{number(n)}\u00a0{one if n == 1 else many or one + 's'}"


def word(name: Any) -> str:
    """An identifier as a word: ``label_shift`` is "label shift"."""
    return clean(name).replace("_", " ")


def params_text(params: Mapping[str, Any] | None) -> str:
    """Parameters as they would be typed."""
    return ", ".join(f"{clean(k)}={clean(repr(v))}" for k, v in (params or {}).items())


def setting_text(candidate: Mapping[str, Any]) -> str:
    """What tells a candidate from others of its method: parameters, and an inner model other than the source's best."""
    inner = clean(candidate.get("inner"))
    params = params_text(candidate.get("params"))
    return ", ".join(part for part in (params, f"{_INNER.get(inner, inner)} inside" if inner else "") if part)


def domains(facts: Mapping[str, Any]) -> tuple[str, str]:
    """The names of the sources, joined, and of the target."""
    task = facts.get("task") or {}
    sources = [clean(s.get("name")) or "source" for s in task.get("sources") or [{}]]
    shown = sources if len(sources) <= 4 else [*sources[:3], f"{len(sources) - 3} more"]
    return " + ".join(shown), clean((task.get("target") or {}).get("name")) or "target"


def without(facts: Mapping[str, Any]) -> str:
    """What a model without transfer is called: of the source alone, or, between feature spaces, of the target's labels alone."""
    return "target-only" if (facts.get("task") or {}).get("way") == "spaces" else "source-only"


def evidence_first(candidates: Iterable[Mapping[str, Any]] | None) -> list[Mapping[str, Any]]:
    """Fitted candidates: what was made of the others first, then most evidence first, those without evidence last."""
    fitted = [c for c in candidates or () if c.get("status", "fitted") == "fitted"]

    def place(c: Mapping[str, Any]) -> tuple[bool, bool, float]:
        evidence = finite(c.get("evidence"))
        return c.get("paradigm") != "ensemble", evidence is None, -(evidence or 0.0)

    return sorted(fitted, key=place)


def any_has(candidates: Iterable[Mapping[str, Any]], key: str) -> bool:
    """Whether any of the candidates has this number."""
    return any(finite(c.get(key)) is not None for c in candidates)


LOSS_PARTS = (
    ("source", "on the source"),
    ("harder", "+ harder rows of the source's kind"),
    ("concept", "+ other labels of shared rows"),
    ("unseen", "+ rows the source hardly has"),
    ("target", "= on the target"),
)
_KINDS = {
    "none": "no shift that matters",
    "covariate": "covariate shift: other rows, shares about equal",
    "label": "label shift: other shares explain the difference",
    "both": "rows and shares moved",
    "concept": "concept shift: like rows have other labels",
    "unclear": "rows moved; whether the shares did too is not identifiable without labels",
}


def shift_kind(kind: Any) -> str:
    """The kind of shift in words; empty where there is none in the facts."""
    return _KINDS.get(kind, word(kind)) if isinstance(kind, str) else ""


def gap_in_words(gap: Mapping[str, Any]) -> list[dict[str, str]]:
    """Each number of the domain gap with its name and what it says in plain words; absent numbers are left out."""
    said = []

    def chance(p: Any) -> str:
        x = finite(p)
        if x is None:
            return ""
        return f" A difference this large {'may be' if x > 0.05 else 'is not'} chance (p {pvalue(x)})."

    auc, mmd2, distance = (finite(gap.get(key)) for key in ("auc", "mmd2", "proxy_a_distance"))
    auc = None if auc is None else max(auc, 0.5)  # below it, cross-validation of few rows has met its own shadow
    if auc is not None:
        grades = (
            (0.55, "hardly"),
            (0.65, "a little"),
            (0.8, "clearly"),
            (0.95, "strongly"),
            (math.inf, "almost entirely"),
        )
        grade = next(text for limit, text in grades if max(auc, 1 - auc) < limit)
        says = (
            f"The domains differ {grade}. Shown one row of each, a classifier tells which is the target's {percent(auc, 0)} "
            f"of the time; guessing would be right 50\u00a0%.{chance(gap.get('auc_p'))}"
        )
        said.append({"name": "Telling the domains apart (AUC)", "number": number(auc), "says": says})
    linear = finite(gap.get("linear_auc"))
    if linear is not None:
        says = (
            f"The same with a linear classifier, which sees differences of the means only.{chance(gap.get('linear_p'))}"
        )
        said.append({"name": "Linear classifier (AUC)", "number": number(max(linear, 0.5)), "says": says})
    matched = finite((gap.get("label_shift") or gap.get("value_shift") or {}).get("auc_matched"))
    if matched is not None:
        says = "What is left to tell apart once source rows are drawn to the estimated shares. Near 0.5, the shares explain all."
        said.append({"name": "With shares matched (AUC)", "number": number(max(matched, 0.5)), "says": says})
    outside, used = (finite((gap.get("support") or {}).get(key)) for key in ("outside", "used"))
    if outside is not None:
        says = f"Share of the target in a region that holds 1\u00a0% of the source; by chance 1\u00a0%.{_used(used)}"
        said.append({"name": "Outside the source", "number": percent(outside), "says": says})
    if distance is not None:
        says = "The same thing on another scale: 0 where the domains cannot be told apart, 2 where they do not overlap."
        said.append({"name": "Proxy A-distance", "number": number(distance), "says": says})
    if mmd2 is not None:
        says = f"Kernel distance between the two distributions; 0 where they are the same.{chance(gap.get('mmd_p'))}"
        said.append({"name": "Kernel distance (MMD²)", "number": number(mmd2), "says": says})
    shift = finite((gap.get("label_shift") or {}).get("tv"))
    if shift is not None:
        says = (
            f"Estimated without the target's labels: about {percent(shift, 0)} of its rows would have to change class for both "
            f"domains to have the same mix.{_aligned(gap['label_shift'])} To be trusted only where little else has moved."
        )
        said.append({"name": "Class shares", "number": number(shift), "says": says})
    return said


def _used(share: float | None) -> str:
    return "" if share is None else f" {percent(share, 0)} of the source lies within the target's reach."


def _aligned(shares: Mapping[str, Any]) -> str:
    after = finite(shares.get("tv_aligned"))
    return "" if after is None else f" After each domain was standardised by itself: {percent(after, 0)}."
