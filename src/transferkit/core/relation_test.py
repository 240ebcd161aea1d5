"""Is there any relation between two feature spaces? A method's tie held against the same tie shuffled."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any, Literal

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.base import clone, is_regressor
from sklearn.metrics import pairwise_distances
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import type_of_target

from .constraints import Either, Interval, Nothing, Options, Rule
from .errors import DomainError, ParamError
from .protocols import Array, Domain, take_rows

__all__ = ["Judged", "RelationTest", "deal", "held_out_losses", "relation_test"]

Shuffled = Literal["pairs", "classes", "rows"]
_RULES: dict[str, Rule] = {
    "n_permutations": Interval(int, 1),
    "n_splits": Interval(int, 2),
    "shuffle": Options("auto", "classes", "rows"),
    "level": Either(Nothing(), Interval(float, 0, 1, closed="neither")),
}
_WHAT = {
    "pairs": "pairs put together at random",
    "classes": "the source's classes under each other's names",
    "rows": "the source's labels dealt to its rows at random",
}


@dataclass(frozen=True, eq=False)
class RelationTest:
    """What `relation_test` found.

    Attributes
    ----------
    shuffled : {"pairs", "classes", "rows"}
        What was shuffled.
    statistic : float
        Of the tie as it is; more is better.
    of_shuffled : array of shape (n_shuffles,)
        The same of the shuffled ties.
    p_value : float
        Chance of such a statistic where nothing relates the two sides.
    n_judged : int
        Known target labels, or pairs, that the statistic was taken over; each without itself.
    """

    shuffled: Shuffled
    statistic: float
    of_shuffled: Array
    p_value: float
    n_judged: int

    @property
    def says(self) -> str:
        """It, as a sentence."""
        what = "held-out pairs" if self.shuffled == "pairs" else "held-out target labels"
        most = f", the best of them {self.of_shuffled.max():.3f}" if len(self.of_shuffled) else ""
        return (
            f"Over {self.n_judged} {what} the tie reaches {self.statistic:.3f}; {len(self.of_shuffled)} times with"
            f" {_WHAT[self.shuffled]} it reaches {self.of_shuffled.mean() if most else math.nan:.3f} on average{most}"
            f" (p = {self.p_value:.3f})."
        )


def relation_test(
    method: Any,
    X: Any,
    y: Any,
    target: Domain,
    *,
    pairs: Any = None,
    groups: Any = None,
    n_permutations: int = 99,
    n_splits: int = 3,
    shuffle: str = "auto",
    level: float | None = None,
    random_state: Any = None,
) -> RelationTest:
    """Test whether what ties two feature spaces says more than the same tie shuffled.

    Parameters
    ----------
    method : estimator between feature spaces
        Cloned and refitted for every fold of every shuffle.
    X : array-like of shape (n_source, n_features_source)
        Source rows.
    y : array-like of shape (n_source,)
        Source labels.
    target : Domain
        The target; labels outside ``target.known`` are not looked at.
    pairs : array-like of shape (n_pairs, 2), optional
        Row of `X` and row of ``target.X`` that are the same thing. Where there are three such things or more, they are what is
        tested; pairs with a row in common are of one thing and are held out together.
    groups : array-like of shape (n_source,), optional
        The source domain of each row.
    n_permutations : int in [1, inf), default=99
        Shuffles; the p-value is at least ``1 / (n_permutations + 1)``.
    n_splits : int in [2, inf), default=3
        Folds of the known labels, or of the pairs.
    shuffle : {"auto", "classes", "rows"}, default="auto"
        What labels are tested by. ``"classes"`` gives the source's classes each other's names: the null hypothesis is that
        the classes of the two sides have nothing to do with each other, however clear they are. ``"rows"`` deals the
        source's labels to its rows at random: the null hypothesis is that the source's labels say nothing, which is false of
        any source with classes of its own. ``"auto"`` is the former for four classes or more, else the latter: two or three
        classes have too few names to give away.
    level : float in (0, 1), optional
        Stop once the p-value cannot be this small any more; `p_value` is then that of Besag & Clifford, as valid. None goes
        on to the end.
    random_state : int, RandomState or None, default=None
        Deals the folds and draws the shuffles.

    Returns
    -------
    RelationTest

    Raises
    ------
    DomainError
        If there is neither a class (or value) with two known target labels nor three pairs.
    ParamError
        If a number is out of its range.

    Notes
    -----
    By labels the statistic is the mean probability that the method gives to the true class of a known target row whose label it
    has not seen (whether it is right, where it has no probabilities; minus the absolute error of a regression). By pairs it is
    the share of the other pairs' target rows that lie farther from a source row, in the common space, than its held-out partner
    does, and the same from the target's side: 1/2 by chance. With b shuffles out of m that are at least as good, ``p = (b + 1) /
    (m + 1)``: exact, since under the null hypothesis the tie as it is is one more shuffle (Phipson & Smyth). All shuffles are
    gone through instead where they are no more than `n_permutations`; then p is the share that is at least as good.

    Folds are the same for every shuffle. A label or pair that is held out is used nowhere in that fold's fit.

    References
    ----------
    Phipson & Smyth. Permutation P-values Should Never Be Zero. Statistical Applications in Genetics and Molecular Biology
    9(1), 2010.
    Besag & Clifford. Sequential Monte Carlo p-values. Biometrika 78(2), 1991.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CanonicalCorrelation, Domain
    >>> rng = np.random.default_rng(0)
    >>> hidden = rng.normal(size=(60, 2))
    >>> X, Xt = hidden @ rng.normal(size=(2, 5)), hidden @ rng.normal(size=(2, 3))
    >>> pairs, y = np.column_stack([np.arange(12)] * 2), hidden[:, 0] > 0
    >>> relation_test(CanonicalCorrelation(), X, y, Domain(Xt), pairs=pairs, n_permutations=19, random_state=0).p_value
    0.05
    """
    settings = {"n_permutations": n_permutations, "n_splits": n_splits, "shuffle": shuffle, "level": level}
    for name, value in settings.items():
        if not _RULES[name].holds(value):
            raise ParamError(f"relation_test: {name} must {_RULES[name].text}. Got {value!r}.")
    if not isinstance(target, Domain):
        raise DomainError(f"relation_test: target must be a Domain. Got {type(target).__name__}.")
    rng = check_random_state(random_state)
    more = {} if groups is None else {"groups": groups}
    y, given, n_things, thing = np.asarray(y), *_things(pairs)
    judge: Callable[[Any], float]
    if n_things >= 3:
        folds = deal(None, n_things, min(n_splits, n_things), rng)[thing]

        def judge(partners: Array) -> float:
            return _of_pairs(method, X, y, target, np.column_stack([given[:, 0], partners]), folds, more)

        n_ways, ways = _shuffles(given[:, 1], n_permutations, rng)
        found = "pairs"
        n_judged, true = len(given), given[:, 1]
    else:
        numbers = is_regressor(method) or type_of_target(y) == "continuous"
        judged = Judged.of(target.known_rows, np.asarray(target.known_y), n_splits, rng, "relation_test", numbers)
        fixed = more if pairs is None else {**more, "pairs": pairs}

        def judge(labels: Array) -> float:
            return _of_labels(method, X, labels, target, judged, fixed)

        classes, codes = np.unique(y, return_inverse=True)
        by_class = shuffle == "classes" or (shuffle == "auto" and not judged.regression and len(classes) > 3)
        if by_class and not judged.regression:
            n_ways, orders = _shuffles(np.arange(len(classes)), n_permutations, rng)
            ways, found = (classes[order][codes] for order in orders), "classes"
        else:
            n_ways, ways, found = n_permutations, (rng.permutation(y) for _ in range(n_permutations)), "rows"
        n_judged, true = int((judged.folds >= 0).sum()), y
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a word from each of hundreds of refits helps nobody
        statistic = judge(true)
        values, p = _until(map(judge, ways), statistic, n_ways, level)
    return RelationTest(found, statistic, values, p, n_judged)  # type: ignore[arg-type]


def _things(pairs: Any) -> tuple[Array, int, Array]:
    """The pairs, how many things they are of, and which one each is: pairs with a row in common are of one."""
    given = np.empty((0, 2), dtype=np.int64) if pairs is None else np.asarray(pairs)
    if given.ndim != 2 or given.shape[1] != 2 or given.dtype.kind not in "iu" or (given < 0).any():
        raise DomainError(f"relation_test: pairs must hold two row numbers a row. Got shape {given.shape}.")
    given = given[np.sort(np.unique(given, axis=0, return_index=True)[1])]
    _, left = np.unique(given[:, 0], return_inverse=True)
    _, right = np.unique(given[:, 1], return_inverse=True)
    rows = left.max(initial=-1) + 1
    n = rows + right.max(initial=-1) + 1
    n_things, of = connected_components(coo_array((np.ones(len(given)), (left, rows + right)), shape=(n, n)))
    return given, n_things, of[left]


def _shuffles(items: Array, most: int, rng: Any) -> tuple[int, Iterator[Array]]:
    """How many there are, and every order of the items but their own where these are at most so many; else random ones."""
    if len(items) <= 8 and math.factorial(len(items)) - 1 <= most:
        orders = list(permutations(range(len(items))))[1:]
        return len(orders), (items[list(orders[k])] for k in rng.permutation(len(orders)))
    return most, (rng.permutation(items) for _ in range(most))


def _until(values: Iterator[float], statistic: float, most: int, level: float | None) -> tuple[Array, float]:
    """The values drawn and the p-value, which is settled early once so many are as good that it cannot reach the level."""
    enough = math.inf if level is None else math.floor(level * (most + 1)) + 1
    found: list[float] = []
    as_good = 0
    for value in values:
        found.append(value)
        # What is equal but for rounding is as good: refits on the same rows in another order are.
        as_good += value >= statistic - 1e-9 * max(1.0, abs(statistic))
        if as_good >= enough:
            return np.array(found), as_good / len(found)
    return np.array(found), (as_good + 1) / (len(found) + 1)


# By labels --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Judged:
    """Known target rows dealt to folds.

    Attributes
    ----------
    rows : int array of shape (n_known,)
        Rows of the target.
    y : array of shape (n_known,)
        Their labels.
    folds : int array of shape (n_known,)
        -1 for the only known row of a class: it is always learned from.
    regression : bool
    """

    rows: Array
    y: Array
    folds: Array
    regression: bool

    @classmethod
    def of(cls, rows: Array, y: Array, n_splits: int, rng: Any, here: str, regression: bool) -> Judged:
        """Deal labelled rows; `here` begins the message where they are too few."""
        codes = None if regression else np.unique(y, return_inverse=True)[1]
        folds = deal(codes, len(rows), n_splits, rng)
        if not (folds >= 0).any() or (regression and len(rows) < 3) or (codes is not None and codes.max() < 1):
            raise DomainError(
                f"{here}: target must have two known labels of a class, in two classes or more, three known values, or three"
                f" pairs, so that one can be held out. Got {len(rows)} known labels."
            )
        return cls(rows, y, folds, regression)

    def shown(self, target: Domain) -> Iterator[tuple[Domain, Array]]:
        """Per fold, the target with that fold's labels hidden, and which of the rows these are."""
        for fold in np.unique(self.folds[self.folds >= 0]):
            test = self.folds == fold
            known = target.mask.copy()
            known[self.rows[test]] = False
            yield target if target.y is None else replace(target, known=known), test


def deal(codes: Array | None, n: int, n_splits: int, rng: Any) -> Array:
    """A fold for each of n rows, by turns within a class; -1 for a row that is alone in its class."""
    folds = np.full(n, -1)
    k = min(n_splits, n if codes is None else int(np.bincount(codes, minlength=1).max(initial=0)))
    for own in [np.arange(n)] if codes is None else [np.flatnonzero(codes == c) for c in np.unique(codes)]:
        if len(own) > 1 and k > 1:
            folds[rng.permutation(own)] = (np.arange(len(own)) + rng.randint(k)) % k
    return folds


def held_out_losses(
    method: Any, X: Any, y: Any, target: Domain, judged: Judged, *, pairs: Any = None, groups: Any = None
) -> Array:
    """0 or 1 for a class, the absolute error for a number, of every judged row by a refit that knows nothing of it.

    Neither its label is known then, nor are its pairs, nor their source rows, which are the same thing with a label.
    """
    losses = np.full(len(judged.rows), np.nan)
    for shown, test in judged.shown(target):
        left, more = np.ones(len(y), dtype=bool), {}
        if pairs is not None:
            given = np.asarray(pairs)
            held = np.isin(given[:, 1], judged.rows[test])
            left[given[held, 0]] = False
            kept = given[left[given[:, 0]]]
            more["pairs"] = np.column_stack([np.cumsum(left)[kept[:, 0]] - 1, kept[:, 1]])
            if not len(kept):
                del more["pairs"]
        if groups is not None:
            more["groups"] = np.asarray(groups)[left]
        model = clone(method).fit(take_rows(X, np.flatnonzero(left)), np.asarray(y)[left], target=shown, **more)
        guess = model.predict(take_rows(target.X, judged.rows[test]))
        losses[test] = np.abs(guess - judged.y[test]) if judged.regression else guess != judged.y[test]
    return losses[judged.folds >= 0]


def _of_labels(method: Any, X: Any, y: Array, target: Domain, judged: Judged, more: dict[str, Any]) -> float:
    found = []
    for shown, test in judged.shown(target):
        model = clone(method).fit(X, y, target=shown, **more)
        rows, truth = take_rows(target.X, judged.rows[test]), judged.y[test]
        if judged.regression:
            found.append(-np.abs(model.predict(rows) - truth))
        elif hasattr(model, "predict_proba"):
            proba = np.asarray(model.predict_proba(rows))
            found.append((proba * (np.asarray(model.classes_) == truth[:, None])).sum(axis=1))
        else:
            found.append(np.asarray(model.predict(rows)) == truth)
    return float(np.concatenate(found).mean())


# By pairs ---------------------------------------------------------------------------------------------------------------


def _of_pairs(method: Any, X: Any, y: Array, target: Domain, pairs: Array, folds: Array, more: dict[str, Any]) -> float:
    """How much nearer held-out partners are in the common space than other rows: 1/2 by chance, 1 at best."""
    found = []
    for fold in np.unique(folds):
        test = folds == fold
        model = clone(method).fit(X, y, target=target, pairs=pairs[~test], **more)
        A, B = model.transform(X, domain="source")[pairs[:, 0]], model.transform(target.X)[pairs[:, 1]]
        D = pairwise_distances(A, B)
        own = np.diag(D)
        for apart in (D[test] - own[test, None], D[:, test].T - own[test, None]):
            farther = (apart > 0).sum(axis=1) + 0.5 * ((apart == 0).sum(axis=1) - 1)
            found.append(farther / (D.shape[0] - 1))
    return float(np.concatenate(found).mean())
