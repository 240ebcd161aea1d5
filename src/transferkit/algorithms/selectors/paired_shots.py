"""Paired shots: test one proposal against source-only on the few target labels there are, by cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from scipy import stats
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import has_fit_parameter

from ...core.constraints import Boolean, Either, Fulfils, Interval, Nothing, RandomState, check_params
from ...core.errors import ParamError, TransferError
from ...core.protocols import Array, Domain
from ...ops.evidence.candidates import MODEL, MODELS, check_domains
from ...ops.evidence.findings import finding
from ...ops.evidence.paired_test import count_pairs, pairs_of_classes, sign_test
from ...ops.folds import deal_folds

CARD = {
    "class": "PairedShots",
    "protocol": "Selector",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "paper": "Own rule. Its test: Dietterich. Approximate Statistical Tests for Comparing Classifiers. Neural Computation 1998.",
    "url": "https://doi.org/10.1162/089976698300017197",
}

__all__ = ["PairedShots"]


class PairedShots(BaseEstimator):
    """Let a candidate replace the anchor only if it wins on target labels that neither was given.

    Give it ONE proposal, chosen without these labels. Scoring many candidates and taking the best is a lottery: with three
    labels a class, the best of 28 was worse than no transfer in a quarter to a third of the real tasks tried.

    Parameters
    ----------
    anchor : fitted Transfer method, default=None
        The fall-back, usually source-only. Must be given before `score`. It scores 0.
    candidates : sequence of fitted Transfer methods, default=()
        Not needed: every proposal is judged alone. Taken so that selectors can be exchanged.
    n_splits : int in [2, inf), default=3
        Folds of the known labels; one a label where there are fewer labels.
    level : float in (0, 0.5), default=0.05
        Largest one-sided p-value of the sign test at which the candidate replaces the anchor. Smaller asks for a longer lead.
    per_class : bool, default=False
        For classes: ask the test to be passed among the labels of each class alone. What passes is better whatever the target's
        class shares are, where labels drawn class by class, or by chance few of one, have shares of their own.
    groups : sequence of length n_source, default=None
        The source domain of each row, for refits of methods that need it; None treats all sources as one.
    random_state : int, RandomState or None, default=None
        Deals the labels to folds.

    Notes
    -----
    Candidate and anchor are refitted in every fold with the fold's labels hidden and compared on its rows. Over the m
    known rows, a win is a row that only the candidate gets right (classification), or on which its absolute error is
    smaller (regression). The candidate passes where the mid-p value of the one-sided sign test, which the paper calls
    McNemar's, is at most `level`; for numbers, where many small wins can hide a large loss, its mean absolute error must
    be smaller too. With ``need`` the smallest lead (wins minus losses) that passes for as many decided rows, the score is
    ``(wins - losses - need + 1) / m``: positive if and only if the candidate passes.

    The level is the price of the promise. On 644 draws of three labels a class from 322 real tasks, pooling under this
    test at 0.05 lost more than a point in 0.2 % (at worst 3.7 points); any lead of two let 2.2 % through (at worst 13.9).
    At 0.05 fewer than four decided rows never pass.

    Two classes are another matter: with 25 labels a class the same test let a loss of more than a point through in 3.1 % of 258
    draws from 129 real tasks, at worst 14.5 points, mostly where one class is rare and the rows won were all of it. With
    ``per_class`` none of these draws came through, harmful or not. The smallest slack of a class is then the score.

    References
    ----------
    Dietterich. Approximate Statistical Tests for Comparing Supervised Classification Learning Algorithms. Neural
    Computation 10, 1998 (the paired comparison).
    Fagerland, Lydersen & Laake. The McNemar test for binary matched-pairs data: mid-p and asymptotic are better than exact
    conditional. BMC Medical Research Methodology 13, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CORAL, Domain, PairedShots, SourceOnly
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(80) % 2
    >>> X = rng.normal(size=(80, 2)) + 4 * y[:, None]
    >>> source, target = Domain(X, y), Domain(X + 6, y, known=np.arange(80) < 12)
    >>> plain = SourceOnly().fit(X, y, target=target)
    >>> moved = CORAL(centre=True).fit(X, y, target=target)
    >>> PairedShots(plain, random_state=0).score(moved, source, target) > 0
    True
    """

    _constraints: ClassVar = {
        "anchor": MODEL,
        "candidates": MODELS,
        "n_splits": Interval(int, 2),
        "level": Interval(float, 0, 0.5, closed="neither"),
        "per_class": Boolean(),
        "groups": Either(
            Nothing(),
            Fulfils("be a sequence with the source of each row", lambda v: hasattr(v, "__len__") and len(v) > 0),
        ),
        "random_state": RandomState(),
    }

    def __init__(
        self,
        anchor: Any = None,
        candidates: Sequence[Any] = (),
        n_splits: int = 3,
        level: float = 0.05,
        per_class: bool = False,
        groups: Any = None,
        random_state: Any = None,
    ) -> None:
        self.anchor = anchor
        self.candidates = candidates
        self.n_splits = n_splits
        self.level = level
        self.per_class = per_class
        self.groups = groups
        self.random_state = random_state

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Evidence that the candidate beats the anchor on the target.

        Parameters
        ----------
        candidate : fitted Transfer method
            The one proposal; a clone of it is refitted in every fold.
        source : Domain
            Labelled source rows.
        target : Domain
            Target rows; only labels that are known are read.

        Returns
        -------
        float
            Above 0 if the candidate wins clearly enough; 0 for the anchor.
        """
        return self.judge(candidate, source, target)[0]

    def explain(self, candidate: Any, source: Domain, target: Domain) -> list[dict[str, Any]]:
        """The check behind `score`, with ``check``, ``value``, ``threshold``, ``passed`` and a sentence in ``says``."""
        return self.judge(candidate, source, target)[1]

    def judge(self, candidate: Any, source: Domain, target: Domain) -> tuple[float, list[dict[str, Any]]]:
        """`score` and `explain` at once: the refits are the costly part. A candidate that is not fitted will do."""
        check_params(self, method="score")
        check_domains(self, source, target)
        if self.groups is not None and len(self.groups) != source.n_samples:
            raise ParamError(
                f"PairedShots.score: groups must be one a source row ({source.n_samples}). Got {len(self.groups)}."
            )
        for name, model in (("anchor", self.anchor), ("candidate", candidate)):
            if not has_fit_parameter(model, "target"):
                raise ParamError(
                    f"PairedShots.score: {name} must be a Transfer method, with target in fit. Got {type(model).__name__}."
                )
        m = len(target.known_rows)
        if candidate is self.anchor:
            return 0.0, [finding("lead", 0.0, None, False, "This is source-only itself.")]
        if m < 2:
            return 0.0, [finding("labels", m, 2.0, False, "There are too few known target labels to test anything.")]
        regression = not hasattr(self.anchor, "classes_")
        try:
            before, after = self._held_out(candidate, source, target, regression)
        except TransferError as err:
            return 0.0, [finding("refit", None, None, False, f"A refit with fewer target labels failed: {err}")]
        pairs = count_pairs(before, after)
        lead, p = pairs.wins - pairs.losses, sign_test(pairs.wins, pairs.losses)
        smaller = not regression or bool(after.mean() < before.mean())
        need = _smallest_lead(pairs.wins + pairs.losses, self.level)
        slack, weakest = lead - need, p
        if self.per_class and not regression:
            each = pairs_of_classes(before, after, target.known_y, self.anchor.classes_)
            slack = min(won - lost - _smallest_lead(won + lost, self.level) for won, lost, _ in each)
            weakest = max(sign_test(won, lost) for won, lost, _ in each)
        passed = max(p, weakest) <= self.level and smaller
        score = (slack + 1) / m
        if not passed:
            score = min(score, 0.0)
        what = "is nearer to the truth" if regression else "is right where source-only is wrong"
        says = (
            f"On {m} known target labels that neither was given, the candidate {what} {pairs.wins} times and loses"
            f" {pairs.losses} times (p = {p:.3f}; at most {self.level:g} counts)."
        )
        if weakest != p:
            says += f" Among the labels of each class alone, p is {weakest:.3f} at most."
        if not smaller:
            says += " Its mean error is not smaller."
        return float(score), [finding("lead", lead, need, passed, says)]

    def _held_out(self, candidate: Any, source: Domain, target: Domain, regression: bool) -> tuple[Array, Array]:
        """Loss of anchor and candidate on every known row: 0 or 1 for classes, the absolute error for numbers."""
        rows, y = target.known_rows, target.known_y
        classes = None if regression else np.unique(y, return_inverse=True)[1]
        folds = deal_folds(classes, min(self.n_splits, len(rows)), check_random_state(self.random_state), n=len(rows))
        losses = np.zeros((2, len(rows)))
        for fold in np.unique(folds):
            test = folds == fold
            known = target.mask.copy()
            known[rows[test]] = False
            shown = replace(target, known=known)
            for k, model in enumerate((self.anchor, candidate)):
                more = {} if self.groups is None else {"groups": self.groups}
                refit = clone(model).fit(source.X, source.y, target=shown, **more)
                guess = refit.predict(target.take(rows[test]).X)
                losses[k, test] = np.abs(guess - y[test]) if regression else guess != y[test]
        return losses[0], losses[1]


def _smallest_lead(n: int, level: float) -> int:
    """The smallest wins minus losses, of n decided rows, that the sign test lets pass at `level`; n + 2 if there is none."""
    wins = np.arange(n + 1)
    enough = np.flatnonzero(stats.binom.sf(wins, n, 0.5) + stats.binom.pmf(wins, n, 0.5) / 2 <= level)
    return int(2 * enough[0] - n) if len(enough) else n + 2
