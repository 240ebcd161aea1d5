"""The verdict in plain words: what was decided and assumed, what speaks for and against, where the two models differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from . import words
from .flow import flow_of

__all__ = ["BADGES", "assumed", "badge_of", "decision_view", "members", "proposal_name", "short_name", "state_of"]

BADGES = {
    "adapt": "Adapt",
    "keep": "Keep source-only",
    "ambiguous": "Ambiguous: two readings",
}
_SAYS = {
    "adapt": "{proposal} replaces source-only.",
    "keep": "Source-only stays as it is.",
    "ambiguous": "Source-only stays for now. The same data would look like this in two different worlds, and nothing but "
    "target labels, or knowledge of the class shares, can tell which one it is.",
}
# Between feature spaces it is the target's own labels that a method has to beat.
_OWN_BADGES = {"adapt": "Adapt", "keep": "Keep target-only"}
_OWN_SAYS = {
    "adapt": "{proposal} replaces a model of the target's own labels.",
    "keep": "A model of the target's own labels stays; the source has no part in it.",
}
_ASSUMED = {
    "nothing": "Nothing was assumed about the target's class shares.",
    "same-priors": "Assumed: the classes are about as common in the target as in the source. If they are not, the verdict "
    "does not hold.",
    "label-shift": "Assumed: the class shares moved and nothing else did. If more has moved, the verdict does not hold.",
    "target-shares": "Taken as known: the target's class shares that were given with the task.",
    "few labels": "No assumption was needed: labelled target rows tested the proposal.",
    "known ties": "No assumption was needed: what ties the two sides was tested against chance.",
}
_SETTLED = "Labels of rows in dispute settled it; no assumption was needed."
_PROPOSALS = {"vote": "The vote of all candidates", "moved_shares": "Source-only with its class shares moved"}
_SHORT = {"vote": "the vote", "moved_shares": "moved class shares"}
# What each number of the evidence is, in the order in which a verdict looks at them.
_NUMBERS = (
    ("auc", "domain AUC once the source is weighted to the predicted class shares; near 0.5 the domains look alike"),
    ("auc_plain", "domain AUC without weights"),
    ("auc_p", "chance of such an AUC where the domains are alike"),
    ("moved", "how far the class shares seem to have moved (total variation, estimated by EM)"),
    ("surplus", "share of source-only's predictions that must be wrong if the assumed class shares hold"),
    ("surplus_after", "the same for the proposal"),
    ("disputed", "share of the target's rows on which the two models differ"),
    ("lead", "mean lead of the new label over the old one on those rows, in the vote"),
    ("cluster_gain", "by how much better the new labels follow the target's own clusters (adjusted mutual information)"),
    ("cluster_steady", "share of the clusterings that agree with that"),
    ("plain_cluster_gain", "cluster gain of source-only with its class shares moved"),
    ("spread", "effective number of classes of the proposal, against source-only's"),
    ("n_target", "target rows"),
    ("n_classes", "classes"),
)  # fmt: skip
MOST_MEMBERS = 12
FIRST_ROWS = 8


def state_of(facts: Mapping[str, Any]) -> str | None:
    """The verdict's state: "adapt", "keep" or "ambiguous"; of older runs, what follows from `adapted`."""
    guard = facts.get("guard") or {}
    if guard.get("state") in BADGES:
        return str(guard["state"])
    adapted = guard.get("adapted", (facts.get("verdict") or {}).get("adapted"))
    return None if adapted is None else "adapt" if adapted else "keep"


def badge_of(facts: Mapping[str, Any]) -> str:
    """The verdict in two or three words; empty where there is none."""
    state = state_of(facts) or ""
    badges = _OWN_BADGES if (facts.get("task") or {}).get("way") == "spaces" else BADGES
    return badges.get(state, "")


def assumed(facts: Mapping[str, Any]) -> str:
    """What was taken for granted, as a sentence; empty where the facts do not say."""
    guard = facts.get("guard") or {}
    mode = guard.get("mode")
    if (guard.get("labels") or {}).get("settled") in ("better", "worse"):
        return _SETTLED
    if mode == "nothing" and (facts.get("task") or {}).get("kind") == "regression":
        return "Nothing was assumed about the target's values."
    return _ASSUMED.get(mode, "") if isinstance(mode, str) else ""


def proposal_name(facts: Mapping[str, Any]) -> str:
    """What stood against source-only, as the beginning of a sentence; empty where nothing did."""
    guard = facts.get("guard") or {}
    name = guard.get("proposal")
    if name is None or name == guard.get("anchor"):
        return ""
    found = next((c for c in facts.get("candidates") or () if c.get("id") == name), {})
    return _PROPOSALS.get(name) or words.clean(found.get("class") or name)


def _within(facts: Mapping[str, Any]) -> str:
    """What stood against source-only, inside a sentence: a class keeps its capital."""
    name = proposal_name(facts) or "the proposal"
    made = (facts.get("guard") or {}).get("proposal") in _PROPOSALS
    return name[:1].lower() + name[1:] if made else name


def short_name(candidate: Mapping[str, Any]) -> str:
    """A candidate as "with ..." goes on; empty where it has no name."""
    return _SHORT.get(candidate.get("id") or "") or words.clean(candidate.get("class"))


def members(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Who has how much of the vote, most first: `name`, `kind`, `share` and `width` of its bar in per cent."""
    guard = facts.get("guard") or {}
    if guard.get("proposal") != "vote":
        return []
    by_id = {c.get("id"): c for c in facts.get("candidates") or ()}
    weights = [(k, w) for k, v in (guard.get("weights") or {}).items() if (w := words.finite(v)) is not None and w > 0]
    weights.sort(key=lambda item: -item[1])
    named = [(_member(by_id.get(k) or {}, k), k, w) for k, w in weights[:MOST_MEMBERS]]
    twice = {name for name, n in Counter(name for name, _, _ in named).items() if n > 1}
    most = max((w for _, _, w in named), default=1.0)
    found = [
        {
            "name": name,
            "kind": words.clean(k) if name in twice else words.word((by_id.get(k) or {}).get("paradigm")),
            "share": w,
            "width": round(100 * w / most, 1),
        }
        for name, k, w in named
    ]
    rest = weights[MOST_MEMBERS:]
    if rest:  # without a bar: the sum of many is no member that could be compared
        found.append({"name": f"{len(rest)} others", "kind": "together", "share": sum(w for _, w in rest), "width": 0})
    return found


def _vote_says(facts: Mapping[str, Any]) -> str:
    """How the vote is put together, from its own summary."""
    vote = next((c for c in facts.get("candidates") or () if c.get("id") == "vote"), {})
    summary = words.clean(vote.get("summary"))
    return (summary.partition(": ")[2] or summary).rstrip(".")


def _member(candidate: Mapping[str, Any], id: Any) -> str:
    setting = words.setting_text(candidate)
    name = words.clean(candidate.get("class") or id)
    return f"{name} {setting}" if setting else name


def decision_view(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the first page, the rows in dispute and the votes show; every part is empty where its facts are absent."""
    guard, verdict = facts.get("guard") or {}, facts.get("verdict") or {}
    state = state_of(facts)
    by_model = (facts.get("task") or {}).get("way") == "model"
    shown = None if by_model else state
    says = _OWN_SAYS if (facts.get("task") or {}).get("way") == "spaces" else _SAYS
    checks = [c for c in guard.get("checks") or () if c.get("says") or c.get("check")]
    limits, evidence = guard.get("limits") or {}, guard.get("evidence")
    disputed = guard.get("disputed") or {}
    known = evidence if isinstance(evidence, Mapping) else {}
    return {
        "state": shown,
        "badge": badge_of(facts) if shown else "",
        "decided": says[shown].format(proposal=proposal_name(facts) or "The chosen model") if shown else "",
        "assumed": assumed(facts),
        "afterwards": _afterwards(facts) if verdict.get("basis") == "held-back labels" and not by_model else "",
        "proposal": _within(facts),
        "speaks": [
            (f"What speaks for {'the change' if by_model else 'adapting'}", "pass", [c for c in checks if c.get("passed")]),
            ("What speaks against it, or too little for it", "fail", [c for c in checks if not c.get("passed")]),
        ],
        "checks": checks,
        "readings": [r for r in guard.get("readings") or () if r.get("assumption")] if shown == "ambiguous" else [],
        "members": members(facts),
        "vote_says": _vote_says(facts),
        "numbers": [(key, says, known[key]) for key, says in _NUMBERS if words.finite(known.get(key)) is not None],
        "limits": words.params_text({k: v for k, v in limits.items() if words.finite(v) is not None}),
        "disputed": disputed if words.finite(disputed.get("n")) is not None else {},
        "flow": flow_of(disputed.get("changes") or (), (facts.get("task") or {}).get("classes") or ()),
        "labels": _labels(guard.get("labels") or {}),
        "label_next": [r for r in disputed.get("label_next") or () if words.finite(r.get("row")) is not None],
        "first_rows": FIRST_ROWS,
    }  # fmt: skip


def _labels(labels: Mapping[str, Any]) -> str:
    """What labels of disputed rows have shown so far."""
    n, wins, losses = (words.finite(labels.get(k)) for k in ("n", "wins", "losses"))
    if n is None or wins is None or losses is None:
        return ""
    settled = labels.get("settled")
    end = (
        ", which settles it" if settled == "better" else ", which refuses it" if settled == "worse" else ": still open"
    )
    rows = words.plural(int(n), "labelled row")
    said = f"Of {rows} in dispute, the proposal is right on {wins:.0f} and source-only on {losses:.0f}{end}."
    gain = [words.finite(v) for v in labels.get("gain") or ()]
    if len(gain) != 3 or None in gain:
        return said
    middle, low, high = (f"{100 * v:+.1f}".replace("-", "−") for v in gain if v is not None)
    return f"{said} Over all target rows that is a gain of {middle} points ({low} to {high})."


def _afterwards(facts: Mapping[str, Any]) -> str:
    """What the held-back labels say of the decision, once it was made."""
    name, guard = (facts.get("task") or {}).get("metric"), facts.get("guard") or {}
    by_id = {c.get("id"): c for c in facts.get("candidates") or ()}
    scores = [words.finite((by_id.get(guard.get(k)) or {}).get("score")) for k in ("anchor", "proposal")]
    proposal, state = proposal_name(facts), state_of(facts)
    if None in scores or not proposal or state is None:
        return ""
    gain = scores[1] - scores[0]  # type: ignore[operator]
    size = (
        f"{abs(100 * gain):.1f} points"
        if name == "accuracy"
        else f"{words.number(abs(gain))} of {words.metric_name(name)}"
    )
    begin = "On the held-back labels, looked at afterwards, "
    who = _within(facts)
    if round(abs(gain), 3) == 0:
        return f"{begin}{who} and {words.without(facts)} are equally good."
    if state == "adapt":
        return f"{begin}it {'gained' if gain > 0 else 'lost'} {size}."
    return f"{begin}{who} would have {'gained' if gain > 0 else 'lost'} {size}" + (
        ": the price of caution here." if gain > 0 and state == "keep" else "."
    )
