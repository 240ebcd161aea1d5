"""Class-wise matching of mapped source rows with target rows, each row with a weight: the map, the weights, what they cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.protocols import Array
from .solvers.share_program import project_on_simplex

__all__ = ["LandmarkMatching"]

_MOST_STEPS, _STEP_TOL = 500, 1e-7


@dataclass(frozen=True, eq=False)
class LandmarkMatching:
    """Cross-domain landmark selection's objective for given labels of all rows.

    With source rows z (mapped) of weights a, labelled target rows l, and unlabelled ones u of weights b with guessed labels,
    the squared distance of the domains' weighted means, plus that of each class, plus the mean over classes' pairs of rows of
    ``|a z - l|^2``, ``|l - b u|^2`` and ``|b u - a z|^2``. The weights of a class sum to `share` times its rows.

    Attributes
    ----------
    L, U : arrays of shape (n_labelled, m) and (n_unlabelled, m)
        Target rows.
    of_source, of_labelled, of_unlabelled : int arrays
        Classes of all rows.
    share : float
        In (0, 1].
    """

    L: Array
    U: Array
    of_source: Array
    of_labelled: Array
    of_unlabelled: Array
    share: float

    @property
    def n_classes(self) -> int:
        """Of the source."""
        return int(self.of_source.max()) + 1

    def _counts(self) -> tuple[Array, Array, Array]:
        found = (
            np.bincount(c, minlength=self.n_classes) for c in (self.of_source, self.of_labelled, self.of_unlabelled)
        )
        return tuple(c.astype(float) for c in found)  # type: ignore[return-value]

    def _per_pair(self) -> Array:
        """One over the weight of each class's pairs; 0 for a class that only the source has."""
        n, labelled, unlabelled = self._counts()
        pairs = self.share * (n * labelled + labelled * unlabelled + self.share * unlabelled * n)
        return np.divide(1.0, pairs, out=np.zeros_like(pairs), where=pairs > 0)

    def _mean_signs(self) -> Array:
        """What source, labelled and unlabelled rows, all weights 1, count in each difference of means; of shape (1 + k, n)."""
        n, labelled, unlabelled = self._counts()
        target = labelled + self.share * unlabelled
        rows = np.concatenate([self.of_source, self.of_labelled, self.of_unlabelled])
        is_source = np.arange(len(rows)) < len(self.of_source)
        of_class = np.where(is_source, 1 / (self.share * n[rows]), -1 / np.maximum(target[rows], 1e-300))
        signs = (rows == np.arange(self.n_classes)[:, None]) * of_class * (target[rows] > 0)
        overall = np.where(is_source, 1 / (self.share * n.sum()), -1 / target.sum())
        return np.vstack([overall, signs])

    def objective(self, Z: Array, a: Array, b: Array) -> float:
        """Its value for mapped source rows and weights, without a penalty of the map."""
        rows = np.vstack([a[:, None] * Z, self.L, b[:, None] * self.U])
        total = float(((self._mean_signs() @ rows) ** 2).sum())
        for c, per_pair in enumerate(self._per_pair()):
            source = (a[:, None] * Z)[self.of_source == c]
            labelled = self.L[self.of_labelled == c]
            unlabelled = (b[:, None] * self.U)[self.of_unlabelled == c]
            between = _spread(source, labelled) + _spread(labelled, unlabelled) + _spread(unlabelled, source)
            total += per_pair * between
        return total

    def source_map(self, X: Array, a: Array, b: Array, reg: float) -> Array:
        """The A of least ``objective(X @ A) + reg |A|^2``, of shape (n_features, m): a ridge regression in closed form."""
        n = len(X)
        signs, per_pair = self._mean_signs(), self._per_pair()
        _, labelled, unlabelled = self._counts()
        target = np.vstack([self.L, b[:, None] * self.U])
        of_target = np.concatenate([self.of_labelled, self.of_unlabelled])
        sums = (of_target == np.arange(self.n_classes)[:, None]).astype(float) @ target
        P = (signs[:, :n] * a) @ X
        each = a**2 * (per_pair * (labelled + unlabelled))[self.of_source]
        left = X.T @ (each[:, None] * X) + P.T @ P
        left[np.diag_indices(len(left))] += reg
        right = X.T @ ((a * per_pair[self.of_source])[:, None] * sums[self.of_source]) - P.T @ (signs[:, n:] @ target)
        return np.asarray(np.linalg.solve(left, right))

    def weights(self, Z: Array) -> tuple[Array, Array]:
        """Those of least objective, of source and of unlabelled rows: a convex quadratic programme, by accelerated steps."""
        n, signs, per_pair = len(Z), self._mean_signs(), self._per_pair()
        counts, labelled, unlabelled = self._counts()
        F = np.vstack([Z, self.U])
        of = np.concatenate([self.of_source, self.of_unlabelled])
        moving = np.concatenate([signs[:, :n], signs[:, n + len(self.L) :]], axis=1)
        G = F @ F.T
        is_source = np.arange(len(F)) < n
        partners = labelled[of] + np.where(is_source, unlabelled[of], counts[of])
        opposite = (of[:, None] == of) & (is_source[:, None] != is_source)
        H = 2 * (moving.T @ moving - opposite * per_pair[of]) * G
        H[np.diag_indices(len(H))] += 2 * per_pair[of] * partners * np.diag(G)
        sums = (self.of_labelled == np.arange(self.n_classes)[:, None]).astype(float) @ self.L
        fixed = signs[:, n : n + len(self.L)] @ self.L
        slope = 2 * ((moving.T @ fixed) - per_pair[of][:, None] * sums[of])
        groups = [np.flatnonzero((of == c) & side) for side in (is_source, ~is_source) for c in np.unique(of[side])]
        w = _least(H, (slope * F).sum(axis=1), groups, self.share)
        return w[:n], w[n:]


def _spread(A: Array, B: Array) -> float:
    """Sum of the squared distances of all pairs."""
    cross = float(A.sum(axis=0) @ B.sum(axis=0))
    return float(len(B) * (A**2).sum() + len(A) * (B**2).sum() - 2 * cross)


def _least(H: Array, slope: Array, groups: list[Array], share: float) -> Array:
    """argmin ``w'Hw / 2 + slope'w`` over w in [0, 1] whose mean in each group is `share`."""

    def project(v: Array) -> Array:
        out = np.empty_like(v)
        for rows in groups:
            out[rows] = project_on_simplex(v[rows], share * len(rows), 1.0)
        return out

    w = look = np.full(len(slope), share)
    largest = float(np.abs(H).sum(axis=1).max(initial=0.0))
    if largest <= 0:
        return w
    t = 1.0
    for _ in range(_MOST_STEPS):
        new = project(look - (H @ look + slope) / largest)
        if (look - new) @ (new - w) > 0:  # the momentum points uphill
            t = 1.0
        t_new = (1 + np.sqrt(1 + 4 * t * t)) / 2
        moved = np.abs(new - w).max()
        look, w, t = new + (t - 1) / t_new * (new - w), new, t_new
        if moved <= _STEP_TOL:
            break
    return w
