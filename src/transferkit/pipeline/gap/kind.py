"""Which kind of shift it is, and what speaks for that."""

from __future__ import annotations

from .limits import SHIFT_AUC
from .measured import Measured

__all__ = ["kind_of"]


def kind_of(m: Measured) -> tuple[str, list[str]]:
    """The kind of shift, with the evidence as sentences that each hold a number.

    Returns
    -------
    kind : {"none", "covariate", "label", "both", "concept", "unclear"}
        ``"label"``: other shares of the classes explain the whole difference. ``"covariate"``: they do not, and an offset and
        scale of each column does, or the shares seem about equal. ``"both"``: neither does, and the shares moved by two
        estimates that err in different ways. ``"unclear"``: those two disagree, or either explains all, so that the shares
        cannot be known without labels. ``"concept"``: target labels
        show that the same rows have other labels. ``"none"``: nothing of this is to be seen.
    evidence : list of str
    """
    kind, evidence = _of_rows(m)
    concept = m.concept
    if concept is not None:
        value, low, high = concept
        evidence.append(
            f"On rows that both domains share, the source model's loss changes by {value:+.3f} ({low:+.3f} to {high:+.3f})"
            " from the source's labels to the target's."
        )
        # Other class shares change the labels of a row by Bayes' rule: where they explain all, that is their work.
        assert m.performance is not None
        if low > 0 and kind != "label" and value >= max(m.performance["harder"], m.performance["unseen"]):
            kind = "concept"
    return kind, evidence


def _of_rows(m: Measured) -> tuple[str, list[str]]:
    evidence = [
        f"A domain classifier reaches AUC {m.test.auc:.2f} (p {m.test.p:.3f}); above {SHIFT_AUC:.2f} counts as a shift."
    ]
    if m.uncovered:
        share = sum(u["share"] for u in m.uncovered)
        evidence.append(f"Groups with {share:.0%} of the target's rows lie outside the source's support.")
    s = m.shares
    if s is None:
        return ("covariate" if m.shifted else "none"), evidence
    what = "fifths of the label" if m.regression else "classes"
    evidence += [
        f"Estimated shares of the {what} are {s.tv:.2f} (total variation) from the source's;"
        f" {s.tv_aligned:.2f} after each domain was standardised by itself.",
        f"With source rows drawn to the estimated shares, the AUC is {s.matched.auc:.2f} (p {s.matched.p:.3f}).",
    ]
    evidence.append(
        f"With each domain standardised by itself, it is {m.per_domain.auc:.2f} (p {m.per_domain.p:.3f})."
        f" {_explained(m.by_shares, m.by_scale)}"
    )
    if m.by_shares and (m.shifted or m.some_shift):
        return ("unclear" if m.by_scale else "label"), evidence
    if not m.shifted:
        return "none", evidence
    if m.by_scale or not (s.moved or s.moved_aligned):
        return "covariate", evidence
    if not s.agree:
        return "unclear", evidence
    return ("both" if s.moved and s.moved_aligned else "covariate"), evidence


def _explained(by_shares: bool, by_scale: bool) -> str:
    if by_shares and by_scale:
        return "Other shares explain the shift, and so does an offset and scale of each column."
    if by_shares:
        return "Other shares explain the shift; an offset and scale of each column does not."
    if by_scale:
        return "An offset and scale of each column explains the shift; other shares do not."
    return (
        "Neither other shares nor an offset and scale of each column explains all of the difference, if there is any."
    )
