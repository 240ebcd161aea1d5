"""What the numbers mean: plain sentences, each with its number, the families of methods that fit or do not, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .limits import FEW_COLUMNS, LEVEL, OUTSIDE, SHIFT_AUC, STRONG_AUC
from .measured import Measured

__all__ = ["findings"]

_TOGETHER = "mapping both domains into one space, or training on them together, removes differences of the rows"


def findings(m: Measured, kind: str) -> list[dict[str, Any]]:
    """All findings, the kind of shift first."""
    found = [_about_kind(m, kind)]
    if kind != "label":  # else the shares explain it all, and advice on the rows would contradict that
        found += [_about_shift(m), *([_about_columns(m), _about_scale(m)] if m.shifted else [])]
    found += [*_about_support(m), *_about_shares(m, kind), *_about_labels(m), *_about_uncovered(m), *_about_sources(m)]
    n = min(m.n_source, m.n_target)
    if n < 50:
        why = "few rows: adversarial training needs many batches of both domains"
        says = "One domain has fewer than 50 rows, so all numbers here are rough."
        found.append(_says(says, f"{n} rows", avoid=["adversarial"], why=why))
    return found


def _about_kind(m: Measured, kind: str) -> dict[str, Any]:
    auc, s = f"domain AUC {m.test.auc:.2f}", m.shares
    shares = "fifths of the label" if m.regression else "classes"
    matched = "" if s is None else f"{auc}, {s.matched.auc:.2f} with the shares of the {shares} matched"
    if kind == "none":
        small = m.shifted is False and m.some_shift
        says = "No shift that matters: the target's rows look like the source's" + (", nearly." if small else ".")
        why = "nothing to correct, so a correction can only add noise"
        return _says(says, auc, ["baseline"], ["feature", "instance", "label_shift"], why)
    if kind == "label":
        says = f"A label shift: the {shares} come in other shares, and that alone explains how the rows differ."
        why = f"aligning the domains would pull {shares} onto each other whose shares differ; correcting the shares keeps them"
        return _says(says, matched, ["label_shift"], ["feature", "discrepancy", "adversarial"], why)
    if kind == "covariate":
        equal = "seem about equal" if s is None or s.moved else s.seem
        says = f"A covariate shift: the rows are distributed differently, and the shares of the {shares} {equal}."
        if s is not None and s.moved and not s.agree:
            says = (
                f"A covariate shift: an offset and scale of each column explains how the rows differ, and other shares of the"
                f" {shares} do not."
            )
        if s is None:
            says = "A covariate shift: the rows are distributed differently. Whether the labels moved too was not measured."
        fits = ["feature", "instance"] if m.test.auc < STRONG_AUC else ["feature", "discrepancy"]
        return _says(says, matched or auc, fits, ["label_shift"], _TOGETHER)
    if kind == "both":
        says = (
            f"Rows and shares moved: other shares of the {shares} alone do not explain the shift, and two estimates agree"
            " that they differ. How much is due to which cannot be known without labels."
        )
        why = "aligning assumes equal shares, and correcting shares assumes equal rows: each is half wrong here"
        return _says(says, matched, ["self_training"], ["label_shift"], why)
    if kind == "concept":
        assert m.performance is not None
        low, high = m.performance["intervals"]["concept"]
        says = "A concept shift: the target's labels show that the same kind of row gets another label there."
        why = "no weighting or mapping of rows corrects labels that differ; target labels do"
        number = f"loss {m.performance['concept']:+.3f} ({low:+.3f} to {high:+.3f}) on shared rows"
        return _says(says, number, ["parameter"], ["feature", "instance", "label_shift"], why)
    assert s is not None
    if m.by_shares:
        says = (
            f"What moved cannot be told without labels: other shares of the {shares} explain how the rows differ, and so does"
            " an offset and scale of each column."
        )
        why = "the two readings call for opposite corrections; a few target labels, or the shares if you know them, settle it"
        return _says(says, matched, why=why)
    says = (
        f"The rows moved. Whether the shares of the {shares} moved too cannot be told without labels: two estimates disagree."
        " One is right only if nothing but the shares moved, which the rest of the shift speaks against; the other only if"
        " standardising each domain removes what else moved. If you know the shares to be about equal, align; if they"
        " moved, correct them."
    )
    number = f"total variation {s.tv:.2f} and {s.tv_aligned:.2f}; domain AUC {s.matched.auc:.2f} with the first's shares matched"
    why = (
        "the two readings call for opposite corrections; a few target labels, or the shares if you know them, settle it"
    )
    return _says(says, number, why=why)


def _about_shift(m: Measured) -> dict[str, Any]:
    number = f"domain AUC {m.test.auc:.2f}, p {m.test.p:.3f}; linear {m.linear.auc:.2f}; kernel test p {m.mmd_p:.3f}"
    if not m.shifted:
        says = (
            "No covariate shift shows: a classifier can hardly tell the domains apart, so adapting has little to gain."
        )
        if m.some_shift:
            says = "A small shift of the rows is there, more than chance, but too small to gain much by adapting."
        avoid = ["feature", "instance", "discrepancy", "adversarial"]
        return _says(says, number, ["baseline"], avoid, "there is next to nothing to align")
    if m.test.auc >= STRONG_AUC:
        says = (
            "The domains barely overlap. Weights on source rows rest on a few rows then; mapping both domains into one"
            " space fits better."
        )
        why = "weights of source rows are the ratio of two densities, of which one is nearly 0 here"
        return _says(says, number, ["feature", "discrepancy", "self_training"], ["instance"], why)
    says = "The rows are distributed differently, and the domains overlap. Weighting source rows and mapping features both fit."
    why = "where there are rows of both domains, source rows can stand in for the target's"
    if m.linear.auc < min(SHIFT_AUC, m.test.auc - 0.1):
        says += " A linear classifier does not see the difference: it is one of shape, not of the means."
    return _says(says, number, ["instance", "feature"], why=why)


def _about_columns(m: Measured) -> dict[str, Any]:
    q = m.columns.q
    moved, d = int((q < LEVEL).sum()), len(q)
    number = f"{moved} of {d} columns at a false discovery rate of 5 %"
    if not moved:
        says = "No single column moved: the shift is in how columns go together (their covariance or finer)."
        return _says(says, number, ["feature"], why="methods that align covariances or more see that")
    if moved <= max(min(3, d - 1), min(FEW_COLUMNS, d // 5), 1):
        first = np.lexsort((-np.abs(m.columns.effect), q))[:3]
        shown = ", ".join(m.names[j] for j in first if q[j] < LEVEL)
        says = f"A few columns carry the shift ({shown})."
        if not m.own_columns:
            return _says(says, number, ["feature"], why="they were made of the data, and hold what moved there")
        says += " Look at those first: a changed unit, code or sensor shows there."
        return _says(says, number, why="a mistake in the data is mended in the data")
    says = "The shift is spread over many columns."
    return _says(says, number, ["feature"], why="a map of all columns together takes it up")


def _about_scale(m: Measured) -> dict[str, Any]:
    after = m.per_domain.auc
    number = f"domain AUC {m.test.auc:.2f} before, {after:.2f} after standardising each domain by itself"
    if after <= SHIFT_AUC:
        says = (
            "A constant offset and scale of each column explains the shift. Standardising each domain by itself, or a"
            " linear map, may be all it takes."
        )
        why = "the simplest map that removes the shift has the least to get wrong"
        return _says(says, number, ["feature"], ["instance", "adversarial"], why)
    if after < m.test.auc - 0.05:
        says = "An offset and scale of each column explains a part of the shift, not all."
        return _says(says, number, ["feature"], why="scaling each domain helps, and more than scaling is needed")
    says = "An offset and scale of each column does not explain the shift."
    return _says(says, number, ["feature"], why="scaling each domain by itself would not remove it")


def _about_support(m: Measured) -> list[dict[str, Any]]:
    outside, used = m.support["outside"], m.support["used"]
    number = f"{outside:.0%} of the target lies where 1 % of the source does; {used:.0%} of the source is within the target's reach"
    if outside > 0.5:
        says = "Most of the target lies where the source has next to no rows: a model of the source is guessing there."
        why = "no weight of a source row stands in for rows that are not there"
        return [_says(says, number, ["feature", "discrepancy"], ["instance"], why)]
    if outside > OUTSIDE:
        says = "A part of the target lies where the source has next to no rows."
        return [_says(says, number, why="predictions there are extrapolation; label some of these rows first")]
    if used < 0.5:
        says = "The target uses a part of the source: many source rows are unlike any target row."
        why = "source rows near the target are the ones to learn from"
        return [_says(says, number, ["instance"], why=why)]
    return []


def _about_shares(m: Measured, kind: str) -> list[dict[str, Any]]:
    s = m.shares
    if s is None or (kind == "unclear"):
        return []
    what = "label's values" if m.regression else "class"
    most = int(np.argmax(np.abs(s.target - s.source)))
    number = f"total variation {s.tv:.2f}"
    where = (
        f"; {'up to ' if m.regression else ''}{s.classes[most]}: {s.source[most]:.0%} in the source,"
        f" {s.target[most]:.0%} ({s.low[most]:.0%} to {s.high[most]:.0%}) in the target"
    )
    if kind in ("covariate", "both", "concept") or (m.shifted and kind != "label"):
        says = (
            f"The {what} shares {s.seem}, but this estimate is not reliable under a covariate shift: if you know the"
            " target's shares, trust those."
        )
        return [
            _says(says, number + (where if s.moved else ""), why="the estimate assumes that nothing but shares moved")
        ]
    if s.moved:
        says = f"The {what} shares seem to have moved, with little other change."
        why = "with equal rows in each class, the shares are all there is to correct"
        return [_says(says, number + where, ["label_shift"], ["feature"], why)]
    return [_says(f"The {what} shares {s.seem}.", number, avoid=["label_shift"], why="no shares to correct")]


def _about_labels(m: Measured) -> list[dict[str, Any]]:
    p = m.performance
    if p is None:
        return []
    if not p["enough"]:
        says = f"The known target labels do not tell why a source model does worse: {p['reason']}."
        return [_says(says, f"{p['labels']} labels", why="concept shift is only claimed where labels show it")]

    def shown(name: str, value: float) -> str:
        low, high = p["intervals"][name]
        return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"

    rows, total = p["harder"] + p["unseen"], p["target"] - p["source"]
    number = (
        f"loss {p['source']:.3f} to {p['target']:.3f}: {shown('rows', rows)} by the rows,"
        f" {shown('concept', p['concept'])} by the labels of shared rows; {p['labels']} labels"
    )
    by_rows, by_labels = p["intervals"]["rows"][0] > 0, p["intervals"]["concept"][0] > 0
    given = " This takes the labelled rows for a random sample of the target."
    if p["intervals"]["total"][0] <= 0 <= p["intervals"]["total"][1] and not by_labels:
        says = (
            "The known labels show no clear loss on the target."
            if abs(total) < 0.05
            else ("With so few labels the loss on the target may be chance.")
        )
        return [_says(says + given, number, ["baseline"], why="a model that works needs no adapting")]
    if by_labels and p["concept"] >= rows:
        says = "The source model loses on the target mainly because like rows have other labels there."
        return [_says(says + given, number, ["parameter"], ["instance"], "use the target labels in training")]
    if by_rows or total > 0:
        says = "The source model loses on the target mainly because the rows are others."
        why = _TOGETHER
        return [_says(says + given, number, ["feature", "instance"], why=why)]
    return [_says("The source model does no worse on the target." + given, number, ["baseline"], why="nothing is lost")]


def _about_uncovered(m: Measured) -> list[dict[str, Any]]:
    said = []
    for u in m.uncovered[:3]:
        marks = ", ".join(f"{c['name']} {c['effect']:+.1f} sd" for c in u["columns"])
        says = (
            f"A group of target rows is unlike anything in the source (marked by {marks}); see rows"
            f" {', '.join(map(str, u['examples']))}."
        )
        number = f"{u['share']:.0%} of the target, {u['outside']:.0%} of it outside the source's support"
        said.append(_says(says, number, avoid=["instance"], why="the source holds nothing to learn these rows from"))
    return said


def _about_sources(m: Measured) -> list[dict[str, Any]]:
    if len(m.sources) < 2:
        return []
    first, last = m.sources[0], m.sources[-1]
    says = f"Of the {len(m.sources)} sources, {first['name']} is most like the target and {last['name']} least."
    number = f"domain AUC {first['auc']:.2f} and {last['auc']:.2f}; MMD^2 {first['mmd2']:.3f} and {last['mmd2']:.3f}"
    why = "a source that is far from the target can do harm; try the run without it"
    return [_says(says, number, why=why if last["auc"] > max(first["auc"], SHIFT_AUC) + 0.05 else "")]


def _says(says: str, number: str, fits: Sequence[str] = (), avoid: Sequence[str] = (), why: str = "") -> dict[str, Any]:
    return {"says": says, "number": number, "fits": list(fits), "avoid": list(avoid), "why": why}
