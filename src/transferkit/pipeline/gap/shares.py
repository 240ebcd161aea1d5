"""Class shares of the target: with intervals, before and after an alignment, and whether they explain the shift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.protocols import Array
from ...core.validation import Task
from ...ops.evidence.two_sample import DomainTest, classifier_two_sample
from ...ops.label_shift.shares import class_shares, match_shares, share_interval, total_variation
from .limits import AGREE, SHARES_MOVED
from .rows import standardised

__all__ = ["Shares", "shares_of"]

N_BINS = 5


@dataclass(frozen=True, eq=False)
class Shares:
    """What is known of the target's class shares; for a regression, of the shares of the source's fifths of the label.

    Attributes
    ----------
    classes : list
        The classes, or the upper ends of the fifths.
    source, target, low, high : arrays of shape (n_classes,)
        Counted, estimated, and the estimate's interval.
    tv, tv_aligned : float
        Total variation from the source's shares, of the estimate and of that after an alignment.
    aligned : array of shape (n_classes,)
        The estimate after both domains were standardised by themselves.
    moved, moved_aligned : bool
        Whether `tv` (`tv_aligned`) matters and is more than chance.
    agree : bool
        Whether both estimates say the same.
    matched : DomainTest
        The domain test with source rows drawn to the estimated shares: does anything else differ?
    """

    classes: list[Any]
    source: Array
    target: Array
    low: Array
    high: Array
    tv: float
    aligned: Array
    tv_aligned: float
    moved: bool
    moved_aligned: bool
    agree: bool
    matched: DomainTest

    @property
    def seem(self) -> str:
        """How they lie to the source's, as the end of a sentence."""
        if self.moved:
            return "may have moved"
        return "seem about equal" if self.tv <= SHARES_MOVED else "cannot be told from equal ones"


def shares_of(Xs: Array, y: Array, Xt: Array, task: Task, rng: np.random.RandomState) -> Shares | None:
    """Estimate the shares; None where the source has one class only."""
    if task == "regression":
        ends = np.unique(np.quantile(np.asarray(y, dtype=np.float64), np.arange(1, N_BINS + 1) / N_BINS))
        # An end may be lost in rounding: the last bin takes what lies above.
        classes, codes = np.unique(ends[np.minimum(np.searchsorted(ends, y), len(ends) - 1)], return_inverse=True)
    else:
        classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        return None
    plain = class_shares(Xs, codes, Xt, random_state=rng)
    interval = share_interval(plain, codes, n_bootstrap=200 if len(classes) <= 20 else 50, random_state=rng)
    Zs, Zt = standardised(Xs, Xt)
    after = class_shares(Zs, codes, Zt, random_state=rng).target
    rows = match_shares(codes, plain.source, plain.target, rng)
    limit = max(SHARES_MOVED, interval.radius)
    tv_after = total_variation(plain.source, after)
    return Shares(
        classes=classes.tolist(),
        source=plain.source,
        target=plain.target,
        low=interval.low,
        high=interval.high,
        tv=plain.tv,
        aligned=after,
        tv_aligned=tv_after,
        moved=plain.tv > limit,
        moved_aligned=tv_after > limit,
        agree=total_variation(plain.target, after) <= max(AGREE, interval.radius),
        matched=classifier_two_sample(Xs[rows], Xt, random_state=rng),
    )
