"""Everything that the diagnosis has measured, before a word is said about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...ops.evidence.two_sample import ColumnTests, DomainTest
from .limits import LEVEL, SHIFT_AUC
from .shares import Shares

__all__ = ["Measured"]


@dataclass(frozen=True, eq=False)
class Measured:
    """The numbers.

    Attributes
    ----------
    test, linear, per_domain : DomainTest
        Domain classifiers: trees, linear, and trees after each domain was standardised by itself.
    mmd2, mmd_p : float
        Kernel test.
    columns : ColumnTests
    names : sequence of str
    own_columns : bool
        Whether the columns are those of the data, where a mistake can be mended.
    support : dict
        ``outside``, ``used``, ``expected``.
    shares : Shares or None
    sources, uncovered : list of dict
    performance : dict or None
    n_source, n_target : int
        Rows of the domains, before any were sampled.
    regression : bool
    """

    test: DomainTest
    linear: DomainTest
    per_domain: DomainTest
    mmd2: float
    mmd_p: float
    columns: ColumnTests
    names: Sequence[str]
    own_columns: bool
    support: dict[str, float]
    shares: Shares | None
    sources: list[dict[str, Any]]
    uncovered: list[dict[str, Any]]
    performance: dict[str, Any] | None
    n_source: int
    n_target: int
    regression: bool

    @property
    def shifted(self) -> bool:
        """Whether the rows are distributed differently, by more than chance and by enough to matter."""
        return self.test.p < LEVEL and (self.test.auc > SHIFT_AUC or bool(self.uncovered))

    @property
    def some_shift(self) -> bool:
        """Whether the rows are distributed differently by more than chance, however little."""
        return min(self.test.p, self.mmd_p) < LEVEL / 2

    @property
    def by_shares(self) -> bool:
        """Whether other shares explain the difference: with matched shares, little or nothing tells the domains apart."""
        if self.shares is None or not self.shares.moved:
            return False
        left = self.shares.matched
        little = left.auc <= SHIFT_AUC and left.auc - 0.5 <= (self.test.auc - 0.5) / 2
        return left.p >= LEVEL or little

    @property
    def by_scale(self) -> bool:
        """Whether an offset and scale of each column explains the difference."""
        return self.per_domain.auc <= SHIFT_AUC and self.per_domain.p >= LEVEL

    @property
    def concept(self) -> tuple[float, float, float] | None:
        """The change of the labels' relation to the rows and its interval; None where too few labels are known."""
        if not (self.performance and self.performance["enough"]):
            return None
        low, high = self.performance["intervals"]["concept"]
        return self.performance["concept"], low, high
