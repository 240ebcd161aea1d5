"""The verdict: evidence held against limits, in one of the modes that a user can ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ...ops.evidence.findings import finding
from .measure import Evidence

__all__ = ["LIMITS", "Decision", "Limits", "Mode", "decide"]

Mode = Literal["nothing", "same-priors", "label-shift", "target-shares"]


@dataclass(frozen=True)
class Limits:
    """Where evidence is enough. The one place where these numbers stand.

    Attributes
    ----------
    auc : float
        Domain AUC above which there is a shift beyond that of the class shares.
    strict_gain, strict_steady : float
        Nothing assumed: least cluster gain, and least share of clusterings that agree.
    surplus : float
        Same priors: surplus of the anchor's class shares that is enough alone. Shares that moved by 0.2, which is what
        "roughly the same" allows, cannot bring more.
    some_surplus, some_steady : float
        Same priors: surplus that is enough where the clusters do not speak against the proposal, with this agreement.
    same_gain, same_steady : float
        Same priors: cluster gain and agreement that are enough alone.
    given_surplus : float
        Given shares: surplus over them that is enough alone.
    told : float
        Given shares: by how much they must differ from the source's to be followed where nothing else differs.
    spread : float
        Least effective number of classes, as a share of the anchor's.
    explained, moved : float
        How much of the domain AUC weighting to the predicted shares must explain, and by how much the shares must seem to
        have moved, for a label shift.
    """

    auc: float = 0.60
    strict_gain: float = 0.05
    strict_steady: float = 0.90
    surplus: float = 0.20
    some_surplus: float = 0.10
    some_steady: float = 0.60
    same_gain: float = 0.03
    same_steady: float = 0.75
    given_surplus: float = 0.20
    told: float = 0.10
    spread: float = 0.5
    explained: float = 0.05
    moved: float = 0.30


LIMITS = Limits()


@dataclass(frozen=True, eq=False)
class Decision:
    """What the evidence comes to.

    Attributes
    ----------
    state : {"adapt", "keep", "ambiguous"}
        Ambiguous: the evidence has two readings, and the model without transfer is kept.
    branch : {"vote", "shares", "none"}
        What is adopted or in doubt: the vote of all candidates, or the anchor with its priors moved.
    checks : list of dict
        For and against, each with ``check``, ``value``, ``threshold``, ``passed`` and a sentence in ``says``.
    """

    state: Literal["adapt", "keep", "ambiguous"]
    branch: Literal["vote", "shares", "none"]
    checks: list[dict[str, Any]]


def decide(evidence: Evidence, mode: Mode = "nothing", limits: Limits = LIMITS) -> Decision:
    """Hold evidence against limits.

    Parameters
    ----------
    evidence : Evidence
    mode : {"nothing", "same-priors", "label-shift", "target-shares"}
        What is taken for granted of the target's class shares: nothing; that they are roughly the source's (total variation
        up to 0.2); that nothing but them moved; or that they are those the user gave.
    limits : Limits
    """
    shift = _shift(evidence, limits)
    if not shift["passed"]:
        only = _only_shares(evidence, limits)
        if mode == "label-shift":
            return (
                Decision("adapt", "shares", [only, shift])
                if only["passed"]
                else Decision("keep", "none", [shift, only])
            )
        told = _told(evidence, limits)
        if mode == "target-shares" and told["passed"] and evidence.disputed > 0:
            return Decision("adapt", "vote", [told, shift])
        # Other shares alone: EM would follow, but three of nine times it made things worse. Say so, and leave it to the user.
        doubtful = only["passed"] and mode == "nothing"
        return Decision("ambiguous", "shares", [shift, only]) if doubtful else Decision("keep", "none", [shift, only])
    if mode == "label-shift":
        return Decision("keep", "none", [_contradicted(evidence, limits)])
    if evidence.disputed == 0:
        says = "The proposal says the same as source-only on every target row, so there is nothing to gain."
        return Decision("keep", "none", [shift, finding("dispute", 0.0, 0.0, False, says)])
    spread = _spread(evidence, limits)
    least = _least_surplus(evidence, limits, mode)
    surplus = _surplus(evidence, least, mode)
    if mode == "nothing":
        clusters = _clusters(evidence, limits.strict_gain, limits.strict_steady)
        if clusters["passed"] and spread["passed"]:
            return Decision("adapt", "vote", [shift, clusters, spread])
        doubtful = surplus["passed"] and spread["passed"]
        checks = _ordered(shift, spread, clusters, surplus)
        return Decision("ambiguous", "vote", checks) if doubtful else Decision("keep", "none", checks)
    clusters = _clusters(evidence, limits.same_gain, limits.same_steady)
    enough = (surplus["passed"] or clusters["passed"]) and spread["passed"]
    order = [surplus, clusters] if surplus["passed"] else [clusters, surplus]
    checks = _ordered(shift, spread, *order)
    if enough and mode == "same-priors" and evidence.n_classes == 2:
        return Decision("ambiguous", "vote", [_two_classes(), *checks])
    return Decision("adapt" if enough else "keep", "vote" if enough else "none", checks)


def _two_classes() -> dict[str, Any]:
    """Why such evidence is not enough between two classes: what it would have done to real tasks, see `bench noharm`."""
    says = "Between two classes such evidence is wrong too often to be followed; labels of a few rows in dispute settle it."
    return finding("two classes", None, None, False, says)


def _ordered(shift: dict[str, Any], spread: dict[str, Any], *others: dict[str, Any]) -> list[dict[str, Any]]:
    """A collapsed vote decides alone, so it stands before what else may speak against it."""
    return [shift, *others, spread] if spread["passed"] else [shift, spread, *others]


def _least_surplus(e: Evidence, limits: Limits, mode: Mode) -> float:
    """From which surplus on the anchor's class shares give it away."""
    if mode == "target-shares":
        return limits.given_surplus
    supported = e.cluster_gain > 0 and e.cluster_steady >= limits.some_steady
    return min(limits.surplus, limits.some_surplus) if supported else limits.surplus


def _shift(e: Evidence, limits: Limits) -> dict[str, Any]:
    passed = e.auc > limits.auc and e.auc_p < 0.05
    if passed:
        says = f"The domains differ beyond their class shares (a domain classifier reaches AUC {e.auc:.2f})."
    elif e.auc_plain <= limits.auc or e.auc_p < 0.05:
        says = f"The rows of the domains are distributed alike (domain AUC {e.auc:.2f}): no shift to adapt to."
    else:
        says = f"The rows are too few to tell (chance alone reaches a domain AUC of {e.auc_plain:.2f} with p = {e.auc_p:.2f})."
    return finding("shift", e.auc, limits.auc, passed, says)


def _told(e: Evidence, limits: Limits) -> dict[str, Any]:
    says = (
        f"The class shares that you gave differ from the source's by {100 * e.told:.0f} % (total variation), and nothing else"
        " about the domains is seen to differ."
    )
    return finding("given shares", e.told, limits.told, e.told >= limits.told, says)


def _only_shares(e: Evidence, limits: Limits) -> dict[str, Any]:
    explained = e.auc_plain - e.auc
    passed = explained > limits.explained and e.moved > limits.moved
    says = (
        f"Other class shares explain the difference of the domains: they seem to have moved by {100 * e.moved:.0f} % (total"
        " variation), and with the source weighted to them the domains look alike."
        if passed
        else "Nor do other class shares stand out as the difference of the domains."
    )
    return finding("label shift", explained, limits.explained, passed, says)


def _contradicted(e: Evidence, limits: Limits) -> dict[str, Any]:
    says = (
        f"Other class shares alone do not explain the difference of the domains: with the source weighted to them, a domain"
        f" classifier still reaches AUC {e.auc:.2f}."
    )
    return finding("label shift", e.auc_plain - e.auc, limits.explained, False, says)


def _surplus(e: Evidence, least: float, mode: Mode) -> dict[str, Any]:
    passed = e.surplus > least
    whose = "the given class shares" if mode == "target-shares" else "the source's class shares"
    percent = f"{100 * max(e.surplus, 0):.0f} %"
    if passed:
        says = (
            f"If the target has {whose}, at least {percent} of source-only's predictions are wrong: it gives some classes"
            " too often."
        )
    else:
        says = f"Source-only's predictions keep to {whose} (they are off by {percent}), so they give no error away."
    return finding("class shares", e.surplus, least, passed, says)


def _clusters(e: Evidence, least: float, steady: float) -> dict[str, Any]:
    passed = e.cluster_gain > least and e.cluster_steady >= steady
    word = "better" if e.cluster_gain > 0 else "no better"
    weak = ", too little to count" if e.cluster_gain > 0 and not passed else ""
    says = (
        f"On the {100 * e.disputed:.0f} % of rows in dispute, the new labels follow the target's own clusters {word} than"
        f" the old ones (in {100 * e.cluster_steady:.0f} % of the clusterings{weak})."
    )
    return finding("clusters", e.cluster_gain, least, passed, says)


def _spread(e: Evidence, limits: Limits) -> dict[str, Any]:
    passed = e.spread >= limits.spread
    word = "uses about as many classes as" if passed else "has collapsed onto fewer than half the classes of"
    return finding("spread", e.spread, limits.spread, passed, f"The proposal {word} source-only.")
