"""Findings: what a check saw, whether it passed, and a sentence that says so."""

from __future__ import annotations

from typing import Any

__all__ = ["finding", "shift_finding"]


def finding(check: str, value: float | None, threshold: float | None, passed: bool, says: str) -> dict[str, Any]:
    """One line of a selector's `explain`."""
    return {
        "check": check,
        "value": None if value is None else float(value),
        "threshold": threshold,
        "passed": bool(passed),
        "says": says,
    }


def shift_finding(auc: float, p: float, min_auc: float) -> dict[str, Any]:
    """The first check of every label-free guard: do the domains differ at all?"""
    passed = auc > min_auc and p < 0.05
    says = (
        f"The domains differ (a domain classifier reaches AUC {auc:.2f})."
        if passed
        else f"The rows of the domains are distributed alike (domain AUC {auc:.2f}): no shift to adapt to."
    )
    return finding("shift", auc, min_auc, passed, says)
