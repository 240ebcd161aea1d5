"""Every threshold of the shift diagnosis, in one place."""

from __future__ import annotations

__all__ = [
    "AGREE", "APART", "ENOUGH_EFFECTIVE", "ENOUGH_LABELS", "FEW_COLUMNS", "LEVEL", "MOST_COLUMNS", "MOST_ROWS", "OUTSIDE",
    "SHARES_MOVED", "SHIFT_AUC", "STRONG_AUC", "UNCOVERED",
]  # fmt: skip

# A domain classifier below this reads as no covariate shift: 24 real tasks without a shift stayed within 0.40 to 0.53.
SHIFT_AUC = 0.60
STRONG_AUC = 0.90
LEVEL = 0.05  # of every test
SHARES_MOVED = 0.10  # total variation that matters, if it is also more than chance
AGREE = 0.15  # two estimates of the class shares closer than this agree
OUTSIDE = 0.05  # share of target rows outside the source's support that is worth a word; by chance it is 0.01
UNCOVERED = 0.8  # share of a cluster's rows outside the support from which the source does not cover it
APART = 0.40  # mean silhouette from which a cluster is one; parts of one Gaussian cloud stay below it
ENOUGH_LABELS = 30  # target labels from which the loss is split
ENOUGH_EFFECTIVE = 15.0  # effective rows of the shared distribution, in each domain
MOST_ROWS = 5000
MOST_COLUMNS = 20
FEW_COLUMNS = 20
