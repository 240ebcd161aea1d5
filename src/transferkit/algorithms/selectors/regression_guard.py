"""Regression guard: adapt only where source-only predicts values that cannot be, and the candidate mends that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from ...core.constraints import Interval, Options, RandomState, check_params
from ...core.errors import DomainError
from ...core.protocols import Array, Domain
from ...ops.evidence.candidates import MODEL, MODELS, check_domains, check_rows
from ...ops.evidence.findings import finding, shift_finding
from ...ops.evidence.support import share_outside
from ...ops.evidence.two_sample import classifier_two_sample

CARD = {
    "class": "RegressionGuard",
    "protocol": "Selector",
    "settings": ("unsupervised",),
    "tasks": ("regression",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "paper": "Own rule. Its test: Ramdas, Garcia Trillos & Cuturi. On Wasserstein Two-Sample Testing. Entropy 2017.",
    "url": "https://arxiv.org/abs/1509.02237",
}

__all__ = ["RegressionGuard"]

MOST = 0.5  # share of the target's rows


class RegressionGuard(BaseEstimator):
    """Let a candidate replace the anchor only if the anchor's predictions are implausible and the candidate's are not.

    A model that has lost its footing on the target predicts values from another range or spread; that shows without a
    label. But so do values that truly changed along with the rows. Only where most target rows have left the space that
    the source's rows span, as with another instrument or unit, is the first the better explanation.

    Parameters
    ----------
    anchor : fitted regressor, default=None
        The fall-back, usually trained on the source alone. Must be given before `score`. It scores 0.
    candidates : sequence of fitted regressors, default=()
        Their median is what a candidate should be near to; the anchor is not counted. Empty leaves that check open.
    assume : {"nothing", "same_values"}, default="nothing"
        ``"nothing"`` asks that at least half of the target's rows lie outside the source's space. ``"same_values"`` takes
        the user's word that the target's values are distributed roughly like the source's, and does not ask.
    min_auc : float in [0.5, 1], default=0.60
        Domain AUC at or below which there is no shift to adapt to.
    min_implausible : float in [0, inf), default=0.25
        Least Wasserstein distance of the anchor's target predictions from the source's, in standard deviations of the
        source's values.
    min_reduction : float in [0, 1], default=0.5
        Least share of that distance that the candidate takes away.
    min_order : float in [0, 1], default=0.5
        Least rank correlation of the candidate with the median of all candidates. Predictions that merely have the right
        distribution, in any order, fail it.
    n_permutations : int in [99, inf), default=499
        Permutations behind the check that the anchor's distance is more than chance.
    random_state : int, RandomState or None, default=None
        Sampling, folds, trees and permutations.

    Notes
    -----
    With r the anchor's predictions on the source rows and W the one-dimensional Wasserstein distance, the implausibility
    of a model f is ``W(f(X_t), r) / std(y_s)``. The anchor is implausible if this is at least `min_implausible` and larger than in
    99 % of the random re-divisions of both samples of predictions. The reference are predictions, not labels, because a
    regularised model predicts a narrower range than it was taught. A candidate must also keep a quarter of the
    reference's spread: a constant would otherwise look plausible. The check of `assume` is `share_outside`, its limit of
    one half means most rows. If every check passes, the score is the share by which the candidate is nearer to the median
    of all candidates (mean absolute difference) than the anchor is, in (0, 1]. If one fails, the score is below 0.

    References
    ----------
    Ramdas, Garcia Trillos & Cuturi. On Wasserstein Two-Sample Testing and Related Families of Nonparametric Tests.
    Entropy 19, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from transferkit import CORAL, Domain, RegressionGuard
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 2))
    >>> source, target = Domain(X, X @ [1.0, 2.0]), Domain(rng.normal(size=(100, 2)) + 5)
    >>> plain = Ridge().fit(source.X, source.y)
    >>> moved = CORAL(centre=True).fit(source.X, source.y, target=target)
    >>> guard = RegressionGuard(plain, [moved], assume="same_values", random_state=0)
    >>> guard.score(plain, source, target), guard.score(moved, source, target) > 0
    (0.0, True)
    """

    _constraints: ClassVar = {
        "anchor": MODEL,
        "candidates": MODELS,
        "assume": Options("nothing", "same_values"),
        "min_auc": Interval(float, 0.5, 1),
        "min_implausible": Interval(float, 0),
        "min_reduction": Interval(float, 0, 1),
        "min_order": Interval(float, 0, 1),
        "n_permutations": Interval(int, 99),
        "random_state": RandomState(),
    }

    def __init__(
        self,
        anchor: Any = None,
        candidates: Sequence[Any] = (),
        assume: str = "nothing",
        min_auc: float = 0.60,
        min_implausible: float = 0.25,
        min_reduction: float = 0.5,
        min_order: float = 0.5,
        n_permutations: int = 499,
        random_state: Any = None,
    ) -> None:
        self.anchor = anchor
        self.candidates = candidates
        self.assume = assume
        self.min_auc = min_auc
        self.min_implausible = min_implausible
        self.min_reduction = min_reduction
        self.min_order = min_order
        self.n_permutations = n_permutations
        self.random_state = random_state

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Evidence that the candidate beats the anchor on the target.

        Parameters
        ----------
        candidate : fitted regressor
            Usually one of `candidates`.
        source : Domain
            Labelled source rows.
        target : Domain
            Target rows; no label is read.

        Returns
        -------
        float
            In (0, 1] if every check passes; 0 for the anchor, for a candidate that says the same and where there is no
            shift; below 0 otherwise.
        """
        return self._judge(candidate, source, target)[0]

    def explain(self, candidate: Any, source: Domain, target: Domain) -> list[dict[str, Any]]:
        """The checks behind `score`, each with ``check``, ``value``, ``threshold``, ``passed`` and a sentence in ``says``."""
        return self._judge(candidate, source, target)[1]

    def _judge(self, candidate: Any, source: Domain, target: Domain) -> tuple[float, list[dict[str, Any]]]:
        check_params(self, method="score")
        check_domains(self, source, target)
        shift, plausible, left, reference, median, base, spread = self._facts(source, target)
        new = _predict(candidate, target)
        median = new if median is None else median
        scale = reference.std() or spread
        if np.abs(new - base).max() <= 1e-9 * scale:
            same = "The candidate says the same as source-only on every target row, so there is nothing to gain."
            return 0.0, [shift, finding("dispute", 0.0, 0.0, False, same)]
        before, after = (stats.wasserstein_distance(p, reference) / spread for p in (base, new))
        reduction = 1 - after / before if before > 0 else -1.0
        mended = reduction >= self.min_reduction
        kept = float(new.std() / scale)
        order = float(stats.spearmanr(new, median).statistic) if new.std() > 0 and median.std() > 0 else 0.0
        far = float(np.abs(base - median).mean())
        nearer = 1 - float(np.abs(new - median).mean()) / far if far > 0 else -1.0
        checks = [
            shift,
            plausible,
            left,
            finding(
                "reduction", reduction, self.min_reduction, mended,
                f"The candidate takes away {100 * reduction:.0f} % of that distance." if reduction > 0
                else "The candidate's predictions look no more like the source's values.",
            ),
            finding(
                "spread", kept, 0.25, kept >= 0.25,
                f"The candidate's predictions {'vary' if kept >= 0.25 else 'hardly vary'} from row to row.",
            ),
            finding(
                "order", order, self.min_order, order >= self.min_order,
                "The candidate ranks the target's rows"
                f" {'like' if order >= self.min_order else 'unlike'} the median of all candidates.",
            ),
            finding(
                "median", nearer, 0.0, nearer > 0,
                f"The candidate is {'nearer to' if nearer > 0 else 'no nearer to'} the median of all candidates than"
                " source-only.",
            ),
        ]  # fmt: skip
        if not shift["passed"]:
            return 0.0, checks
        nearer = min(max(nearer, -1.0), 1.0)
        return (nearer if all(c["passed"] for c in checks) else (nearer - 1) / 2 - 1e-12), checks

    def _facts(self, source: Domain, target: Domain) -> tuple[Any, ...]:
        """What does not depend on the candidate, computed once for one pair of domains and one setting."""
        key = (source.X, source.y, target.X, self.anchor, self.candidates, self.n_permutations, self.random_state,
               self.assume, self.min_auc, self.min_implausible)  # fmt: skip
        known = getattr(self, "_known", None)
        if known is None or any(a is not b for a, b in zip(known[0], key)):
            self._known = known = key, self._measure(source, target)
        return known[1]

    def _measure(self, source: Domain, target: Domain) -> tuple[Any, ...]:
        Xs, ys, Xt = check_rows(self, source, target)
        if ys.dtype.kind not in "fiu":
            raise DomainError(f"RegressionGuard.score: source.y must hold numbers. Got {ys.dtype}.")
        rng = check_random_state(self.random_state)
        test = classifier_two_sample(Xs, Xt, random_state=rng)
        shift = shift_finding(test.auc, test.p, self.min_auc)
        reference, base = _predict(self.anchor, source), _predict(self.anchor, target)
        spread = float(np.asarray(ys, dtype=np.float64).std()) or 1.0
        distance = stats.wasserstein_distance(base, reference)
        chance = self._chance(base, reference, rng)
        lost = distance / spread >= self.min_implausible and distance > chance
        plausible = finding(
            "implausible", distance / spread, self.min_implausible, lost,
            f"Source-only's predictions on the target lie {distance / spread:.2g} standard deviations from those on the"
            f" source, {'which cannot be if the values are alike' if lost else 'which may well be true'}.",
        )  # fmt: skip
        outside = share_outside(Xs, Xt, random_state=rng)
        trusted = self.assume == "same_values"
        says = f"{100 * outside:.0f} % of the target's rows lie outside the space that the source's rows span"
        says = says if outside >= MOST else f"The target's values may truly differ with its rows: no more than {says}"
        says = "The target's values are taken to be distributed like the source's" if trusted else says
        left = finding("space", outside, None if trusted else MOST, trusted or outside >= MOST, f"{says}.")
        guesses = [_predict(c, target) for c in self.candidates]
        median = np.median(guesses, axis=0) if guesses else None
        return shift, plausible, left, reference, median, base, spread

    def _chance(self, A: Array, B: Array, rng: np.random.RandomState) -> float:
        """99 % quantile of the Wasserstein distance between random divisions of both samples."""
        pooled = np.concatenate([A, B])
        draws = (rng.permutation(pooled) for _ in range(self.n_permutations))
        return float(np.quantile([stats.wasserstein_distance(d[: len(A)], d[len(A) :]) for d in draws], 0.99))


def _predict(model: Any, domain: Domain) -> Array:
    guess = np.asarray(model.predict(domain.X), dtype=np.float64).ravel()
    if not np.isfinite(guess).all():
        raise DomainError(f"{type(model).__name__}: a candidate must predict finite numbers for {domain.name!r}.")
    return guess
