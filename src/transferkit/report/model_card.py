"""The model card: what the saved model is for, how it was chosen, what was measured and where its limits lie."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from . import words
from .decision import assumed, badge_of, decision_view, proposal_name

__all__ = ["model_card"]

# What Markdown or HTML reads as markup, anywhere in a line or only where it begins one.
_MARKUP = re.compile(r"([\\`*_\[\]<>|~&$]|^[-+#=]|(?<=^\d)[.)](?= ))")


def model_card(facts: Mapping[str, Any]) -> str:
    """The model card of one run, as Markdown.

    Parameters
    ----------
    facts : mapping
        The content of ``run.json``. Parts that are absent or None are left out.

    Returns
    -------
    markdown : str
        The card, ending in a newline.

    Examples
    --------
    >>> print(model_card({"verdict": {"sentence": "Keep the source model."}}).splitlines()[2])
    Keep the source model.
    """
    task, verdict, guard = ({**(facts.get(key) or {})} for key in ("task", "verdict", "guard"))
    candidates = list(facts.get("candidates") or ())
    winner = next((c for c in candidates if c.get("id") == guard.get("winner")), {})
    source, target = words.domains(facts)
    parts = [
        [
            f"# {_safe(winner.get('class') or 'Transfer model')}: {_safe(source)} → {_safe(target)}",
            _safe(verdict.get("sentence")),
        ],
        ["## Intended use", _use(task, target)],
        ["## Data", *_data(task, facts.get("prepare") or {})],
        ["## The source model", _source_model(facts)],
        ["## How it was chosen", *_decision(facts), *_choice(guard, winner, candidates)],
        ["## What was measured", *_measured(facts)],
        ["## Limits", *_limits(facts)],
        ["## How it was made", *_made(facts)],
    ]
    text = "\n\n".join(
        "\n\n".join(line for line in part if line) for part in parts if part is parts[0] or any(part[1:])
    )
    return text + "\n"


def _safe(text: Any) -> str:
    """Text from the data, shown as it is written."""
    return _MARKUP.sub(r"\\\1", words.clean(text).strip())


def _list(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines if line)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if rows else ""


def _use(task: Mapping[str, Any], target: str) -> str:
    if not task:
        return ""
    what = f"Predicts {_safe(task['label'])}" if task.get("label") else "Predicts the label"
    kind = f" ({_safe(task['kind'])})" if task.get("kind") else ""
    here = f"{what}{kind} for rows that come from where the rows of {_safe(target)} came from. "
    if task.get("way") == "model":
        return f"{here}It is not meant for rows of another kind or place: run transferkit again for those."
    return here + ("It is not meant for rows of the source, nor for a third domain: run transferkit again for those.")


def _data(task: Mapping[str, Any], prepare: Mapping[str, Any]) -> list[str]:
    rows = [
        [_safe(d.get("name")), role, words.number(d.get("n")), _safe(d.get("path")), _safe(d.get("sha256"))]
        for role, group in (
            ("source", task.get("sources") or []),
            ("target", [task["target"]] if task.get("target") else []),
        )
        for d in group
    ]
    labels = {
        "none": "No label of the target was used or held back.",
        "few": "The labels known in the target were used for fitting.",
        "test": "The labels of the target were held back for the final score; no fit and no choice saw them.",
    }
    said = labels.get(task.get("target_labels") or "", "")
    classes = task.get("classes")
    return [
        _table(["Domain", "Role", "Rows", "File", "SHA-256"], rows),
        said,
        f"Classes: {', '.join(_safe(c) for c in classes[:50])}{', and more' if len(classes) > 50 else ''}."
        if classes
        else "",
        _list([_safe(note) for note in prepare.get("notes") or ()]),
    ]


def _source_model(facts: Mapping[str, Any]) -> str:
    model, rule = facts.get("model") or {}, facts.get("rule") or {}
    if not model:
        return ""
    lines = [f"{_safe(model.get('name'))}, weights with the SHA-256 {_safe(model.get('weights'))}."]
    return _list([*lines, *map(_safe, rule.get("says") or ())])


def _decision(facts: Mapping[str, Any]) -> list[str]:
    view = decision_view(facts)
    if not view["state"]:
        return []
    readings = [
        f"If: {_safe(r['assumption'])} Then: {_safe(r.get('then'))} {_safe(r.get('do'))}".rstrip()
        for r in view["readings"]
    ]
    disputed = view["disputed"]
    differ = ""
    if disputed and proposal_name(facts):
        share = words.finite(disputed.get("share"))
        differ = f"{_safe(proposal_name(facts))} and source-only differ on {words.plural(disputed['n'], 'row')} of the target"
        differ += f" ({words.percent(share, 0)})." if share is not None else "."
    verdict = f"{badge_of(facts)}. {_safe(assumed(facts))}".strip()
    return [verdict, _list(readings), differ]


def _choice(guard: Mapping[str, Any], winner: Mapping[str, Any], candidates: list[Mapping[str, Any]]) -> list[str]:
    setting = words.setting_text(winner)
    fitted = [c for c in candidates if c.get("status", "fitted") == "fitted"]
    checks = [
        f"{'passed' if c.get('passed') else 'not passed'}: {_safe(words.word(c.get('check')))} ({words.number(c.get('value'))}"
        + (f", limit {words.number(c['threshold'])}" if c.get("threshold") is not None else "")
        + f"). {_safe(c.get('says'))}".rstrip()
        for c in guard.get("checks") or ()
    ]
    by = f", by the selector {_safe(guard['selector'])}" if guard.get("selector") else ""
    return [
        f"Chosen from {words.plural(len(fitted), 'fitted candidate')}{by}." if fitted else "",
        f"Method: {_safe(winner.get('class'))}{f' ({_safe(setting)})' if setting else ''}. {_safe(winner.get('summary'))}".strip()
        if winner
        else "",
        f"Rule: {_safe(guard['rule'])}" if guard.get("rule") else "",
        _safe(guard.get("reason")),
        _list(checks),
    ]


def _measured(facts: Mapping[str, Any]) -> list[str]:
    task, guard, verdict = (facts.get(key) or {} for key in ("task", "guard", "verdict"))
    name = task.get("metric")
    by_model = task.get("way") == "model"
    second = "validation" if by_model else "estimate"
    rows = []
    for c in facts.get("candidates") or ():
        if c.get("id") in (guard.get("winner"), guard.get("anchor")):
            what = "this model" if c.get("id") == guard.get("winner") else "baseline"
            cells = []
            for key in (second, "score"):
                around = words.interval(c.get(f"{key}_interval"), name)
                cells.append(words.metric(c.get(key), name) + (f" ({around})" if around else ""))
            rows.append([_safe(c.get("class")), what, *cells])
    said = {
        "held-back labels": "The numbers of the verdict were measured on held-back labels; the choice was made without them.",
        "label-free estimate": "The verdict rests on an estimate made without target labels.",
        "validation rows": "The verdict rests on the rows that the choice was made on; none was held back.",
        "none": "Nothing could be measured or estimated on the target.",
    }.get(verdict.get("basis") or "", "")
    unit = _safe(words.metric_name(name))
    return [
        _table(
            [
                "Method",
                "",
                f"{'On validation rows' if by_model else 'Label-free estimate'} ({unit})",
                f"On held-back labels ({unit})",
            ],
            rows,
        ),
        said,
    ]


def _limits(facts: Mapping[str, Any]) -> list[str]:
    task, verdict = facts.get("task") or {}, facts.get("verdict") or {}
    lines = []
    if verdict.get("basis") == "validation rows":
        lines.append("The numbers come from the rows that the choice was made on, so they flatter it a little.")
    elif verdict.get("basis") not in (None, "held-back labels"):
        lines.append("No target label has confirmed these numbers.")
    if verdict.get("left_out"):
        lines.append(
            f"The {verdict['left_out']} rows whose labels were asked for to settle the choice are left out of the scores; they"
            " are rows in dispute, so what is left shows less of a difference."
        )
    mode = (facts.get("guard") or {}).get("mode")
    if mode in ("same-priors", "label-shift", "target-shares"):
        lines.append(_safe(assumed(facts)))
    lost = [
        _safe(r.get("class"))
        for r in facts.get("per_class") or ()
        if (b := words.finite(r.get("before"))) is not None
        and (a := words.finite(r.get("after"))) is not None
        and a < b
    ]
    if lost:
        lines.append(f"Worse than without adapting on {', '.join(lost[:10])}{', and more' if len(lost) > 10 else ''}.")
    lines += [_safe(f.get("says")) for f in (facts.get("gap") or {}).get("findings") or ()]
    if task.get("classes"):
        lines.append("It only ever predicts the classes that are listed above.")
    if task:
        lines.append(
            "If the target moves on, these numbers no longer hold: measure the gap again with `transferkit gap`."
        )
    return [_list(lines)]


def _made(facts: Mapping[str, Any]) -> list[str]:
    versions = {"transferkit": facts.get("transferkit"), **(facts.get("versions") or {})}
    made = [f"{_safe(name)} {_safe(version)}" for name, version in versions.items() if version]
    if facts.get("seed") is not None:
        made.append(f"seed {facts['seed']}")
    return [_fenced(facts.get("command")), ", ".join(made)]


def _fenced(command: Any) -> str:
    """A command as a code block whose fence is longer than any run of backticks in it."""
    if not command:
        return ""
    text = words.clean(command)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}sh\n{text}\n{fence}"
