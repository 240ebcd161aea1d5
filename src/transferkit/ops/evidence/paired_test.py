"""Is one model better than another, by few labels? Paired wins and losses, tested once or label by label."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import stats
from scipy.special import betainc, betaln
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array, check_random_state

from ...core.constraints import Interval
from ...core.errors import DomainError, ParamError
from ...core.protocols import Array

__all__ = [
    "Pairs", "count_pairs", "gain_interval", "labels_needed", "log_evidence", "pairs_of_classes", "rows_to_label", "sign_test",
    "stopping_times", "verdict",
]  # fmt: skip

MOST_ROWS = 5000  # that a tour goes through


class Pairs(NamedTuple):
    """Labelled rows on which the second model is better, is worse, and on which both are as good."""

    wins: int
    losses: int
    ties: int


def count_pairs(loss_a: Array, loss_b: Array) -> Pairs:
    """Wins, losses and ties of b against a, from a loss per row: 0 or 1 for classes, an absolute error for numbers."""
    a, b = np.asarray(loss_a), np.asarray(loss_b)
    if a.shape != b.shape or a.ndim != 1:
        raise DomainError(f"count_pairs: loss_b must have the shape of loss_a, (n,). Got {b.shape} and {a.shape}.")
    return Pairs(int((b < a).sum()), int((b > a).sum()), int((b == a).sum()))


def pairs_of_classes(loss_a: Array, loss_b: Array, y: Array, classes: Array) -> list[Pairs]:
    """`count_pairs` among the rows of each class, none where it has no row: b that wins in every one is better at any shares."""
    return [count_pairs(loss_a[y == c], loss_b[y == c]) for c in classes]


def sign_test(wins: int, losses: int, *, mid_p: bool = True) -> float:
    """One-sided p-value of "b is not better", for a number of labels that was fixed beforehand.

    With W ~ Binomial(wins + losses, 1/2): ``P(W > wins) + P(W = wins) / 2``, the mid-p value (McNemar's exact test is
    conservative on few pairs; mid-p is nearly exact), or ``P(W >= wins)`` without it. Ties say nothing and do not count.

    References
    ----------
    Fagerland, Lydersen & Laake. The McNemar test for binary matched-pairs data: mid-p and asymptotic are better than exact
    conditional. BMC Medical Research Methodology 13, 2013.

    Examples
    --------
    >>> sign_test(4, 0), sign_test(4, 0, mid_p=False)
    (0.03125, 0.0625)
    """
    n = wins + losses
    p = stats.binom.sf(wins, n, 0.5) + stats.binom.pmf(wins, n, 0.5) * (0.5 if mid_p else 1.0)
    return float(min(1.0, p))


def log_evidence(wins: Any, losses: Any) -> Any:
    """Log of an e-value against "b is not better", which may be looked at after every single label.

    Under any win rate q <= 1/2 of the decided rows, E = exp(log_evidence) is a non-negative supermartingale that starts at
    1: the chance that it EVER reaches 1 / alpha is at most alpha (Ville), whenever one stops and why. Swap the arguments
    for the evidence that b is worse.

    Parameters
    ----------
    wins, losses : int or array of int
        So far; ties do not count.

    Returns
    -------
    float or array

    Notes
    -----
    A bet on p is worth ``(2 p)^wins (2 (1 - p))^losses``, in expectation 1 at q = 1/2 and less below it for p > 1/2. The
    mean over p uniform in (1/2, 1] has a closed form, with the regularised incomplete beta function I:
    ``E = 2^(n + 1) B(wins + 1, losses + 1) I_{1/2}(losses + 1, wins + 1)``; of wins alone, ``(2^(wins + 1) - 1) / (wins + 1)``:
    five in a row settle it at alpha = 0.1, seven at 0.05. A bet on one p alone would be quicker at that p and might never
    settle elsewhere.

    Rows that are drawn at random WITHOUT replacement from a fixed set end near the set's own balance, which makes
    extremes rarer: the level holds for "b is not better on these very rows" too.

    References
    ----------
    Robbins. Statistical Methods Related to the Law of the Iterated Logarithm. Annals of Mathematical Statistics 41, 1970.
    Ramdas, Grünwald, Vovk & Shafer. Game-Theoretic Statistics and Safe Anytime-Valid Inference. Statistical Science 38, 2023.

    Examples
    --------
    >>> round(math.exp(log_evidence(5, 0)), 6)
    10.5
    """
    w, l = np.asarray(wins, dtype=np.float64), np.asarray(losses, dtype=np.float64)  # noqa: E741
    with np.errstate(divide="ignore"):  # far on the losing side the evidence is 0
        tail = np.log(betainc(l + 1, w + 1, 0.5))
    found = (w + l + 1) * math.log(2) + betaln(w + 1, l + 1) + tail
    return found if found.ndim else float(found)


def verdict(
    wins: int, losses: int, *, alpha: float = 0.05, n_left: int | None = None
) -> Literal["better", "worse", "open"]:
    """What the labels so far say about b; valid after any label, so asking may stop as soon as it is not open.

    Parameters
    ----------
    wins, losses : int
        So far, of rows drawn at random among those on which the models differ (`rows_to_label`).
    alpha : float in (0, 1), default=0.05
        Largest chance of "better" where b is not, and of "worse" where it is.
    n_left : int, optional
        Disputed rows that have no label yet. Where they could not turn the balance any more, these rows are settled for
        certain. For rows to come that says less than `alpha` does; leave it out to judge by those.

    Returns
    -------
    {"better", "worse", "open"}
    """
    _check_share("verdict", "alpha", alpha)
    if n_left is not None and abs(wins - losses) > n_left:
        return "better" if wins > losses else "worse"
    need = math.log(1 / alpha)
    if log_evidence(wins, losses) >= need:
        return "better"
    return "worse" if log_evidence(losses, wins) >= need else "open"


def stopping_times(win_rate: float, *, alpha: float = 0.05, most: int = 20_000) -> tuple[Array, Array]:
    """Chance that `verdict` says "better", and "worse", at exactly the n-th decided label: two arrays of shape (most + 1,).

    Exact, by carrying the distribution of the wins forward and taking out what is settled. What is missing to 1 is still
    open after `most` labels; the cumulative sum of the first array is the power.
    """
    _check_share("stopping_times", "alpha", alpha)
    _check_share("stopping_times", "win_rate", win_rate, closed="both")
    better, worse = np.zeros(most + 1), np.zeros(most + 1)
    need, limit = 1, math.log(1 / alpha)
    open_, low = np.ones(1), 0  # chances of low, low + 1, ... wins
    for n in range(1, most + 1):
        moved = np.zeros(len(open_) + 1)
        moved[:-1] += (1 - win_rate) * open_
        moved[1:] += win_rate * open_
        # A win raises the evidence and a loss lowers it: the wins that settle it stay the same or grow by one.
        if need <= n and log_evidence(need, n - need) < limit:
            need += 1
        top, bottom = need - low, n - need - low  # the first place that is settled above, the last one below
        better[n], worse[n] = moved[max(0, top) :].sum(), moved[: max(0, bottom + 1)].sum()
        open_ = moved[max(0, bottom + 1) : max(0, top)]
        low += max(0, bottom + 1)
        if open_.sum() < 1e-12:
            break
    return better, worse


def labels_needed(win_rate: float, *, alpha: float = 0.05, decided: float = 1.0, most: int = 20_000) -> float:
    """Expected number of labels, drawn among the disputed rows, until `verdict` is settled.

    Parameters
    ----------
    win_rate : float in [0, 1]
        Supposed share of wins among the rows that one of the models gets right.
    alpha : float in (0, 1), default=0.05
        Of `verdict`.
    decided : float in (0, 1], default=1.0
        Share of the disputed rows that one of them gets right: 1 with two classes, less with more.
    most : int, default=20_000
        Decided labels after which to give up.

    Returns
    -------
    float
        Infinite where it is still open after `most` with a chance above one in a thousand; at 1/2 it always is.

    Examples
    --------
    >>> labels_needed(1.0, alpha=0.1), round(labels_needed(0.8, alpha=0.1), 1)
    (5.0, 14.7)
    """
    _check_share("labels_needed", "decided", decided, closed="right")
    better, worse = stopping_times(win_rate, alpha=alpha, most=most)
    settled = better + worse
    if settled.sum() < 0.999:
        return math.inf
    return float(np.arange(most + 1) @ settled / settled.sum() / decided)


def gain_interval(
    wins: int, losses: int, ties: int, n_disputed: int, n_rows: int, *, alpha: float = 0.05
) -> tuple[float, float, float]:
    """Estimate of the accuracy that b gains over a on the target, and bounds that hold at all label counts at once.

    Parameters
    ----------
    wins, losses, ties : int
        On labelled rows drawn at random among the disputed; a tie is a row that both get wrong.
    n_disputed, n_rows : int
        Rows on which the models differ, and all rows.
    alpha : float in (0, 1), default=0.05
        Chance that the bounds ever miss, however often one looks.

    Returns
    -------
    gain, low, high : float
        ``(wins - losses) / labelled * n_disputed / n_rows``, and its bounds; 0 and the widest bounds without a label.

    Notes
    -----
    Every row is worth 1, 1/2 or 0. For a supposed mean m, a gambler who stakes a fixed part lambda of the capital on each
    has ``prod_i (1 + lambda (x_i - m))``, a martingale if m is true; the mean over a grid of stakes of both signs is one,
    too. The bounds are those m at which the capital is below 1 / alpha, rounded outwards to the grid of m.

    References
    ----------
    Waudby-Smith & Ramdas. Estimating Means of Bounded Random Variables by Betting. JRSS B 86, 2024 (section 4).

    Examples
    --------
    >>> [round(v, 3) for v in gain_interval(18, 2, 0, 30, 100)]
    [0.24, 0.059, 0.299]
    """
    _check_share("gain_interval", "alpha", alpha)
    share, labelled = n_disputed / max(1, n_rows), wins + losses + ties
    if not labelled:
        return 0.0, -share, share
    edges = np.linspace(0, 1, 801)
    m = (edges[1:] + edges[:-1]) / 2
    inside = np.flatnonzero(_log_capital(wins, losses, ties, m) < math.log(1 / alpha))
    if not len(inside):  # between two points of the grid
        inside = np.array([np.argmin(_log_capital(wins, losses, ties, m))])
    low, high = 2 * edges[inside[0]] - 1, 2 * edges[inside[-1] + 1] - 1
    return (wins - losses) / labelled * share, float(low) * share, float(high) * share


def _log_capital(wins: Any, losses: Any, ties: Any, m: Array) -> Array:
    """Log of the mean capital over stakes, for each m in (0, 1); counts are numbers, or arrays that go with m."""
    parts = (np.arange(40) + 0.5) / 40
    stakes = np.concatenate([parts / m[:, None], -parts / (1 - m[:, None])], axis=1)
    w, l, t = (np.reshape(v, (-1, 1)) for v in (wins, losses, ties))  # noqa: E741
    m = m[:, None]
    logs = w * np.log1p(stakes * (1 - m)) + t * np.log1p(stakes * (0.5 - m)) + l * np.log1p(-stakes * m)
    top = logs.max(axis=1)
    capital: Array = top + np.log(np.exp(logs - top[:, None]).mean(axis=1))
    return capital


def rows_to_label(
    labels_a: Array,
    labels_b: Array,
    n: int,
    *,
    known: Array | None = None,
    design: Literal["uniform", "spread"] = "uniform",
    X: Any = None,
    proba: Array | None = None,
    random_state: Any = 0,
) -> Array:
    """Which rows to label next, to tell whether b is better than a: only rows on which they differ say anything.

    Parameters
    ----------
    labels_a, labels_b : array of shape (n_samples,)
        Predictions of both models, fixed before any of these labels is seen. Labels that a model is fitted with later
        cannot test it, and what was counted before does not carry over to the new pair.
    n : int in [1, inf)
        How many; all that are left where there are fewer.
    known : bool array of shape (n_samples,), optional
        Rows that have a label already.
    design : {"uniform", "spread"}, default="uniform"
        ``"uniform"``: an order of the disputed rows drawn once, by `random_state`; asking again with more rows `known` goes
        on in it. Nothing about a row changes its turn, so `verdict` and `gain_interval` hold after every label.
        ``"spread"``: n rows at once that represent every kind of dispute in proportion, spread over `X` and `proba`. Every
        row has the same chance, so the balance estimates the gain without bias, and with less noise. But the rows depend
        on each other: count once all n are labelled, and use `sign_test`.
    X : array or sparse matrix of shape (n_samples, n_features), optional
        Rows to spread over.
    proba : array of shape (n_samples, n_classes), optional
        What a model thinks of the rows, to spread over: sure ones are won more often than close calls.
    random_state : int, RandomState or None, default=0
        Draws the order.

    Returns
    -------
    int array of shape (<= n,)
        In the order in which to label them.

    Raises
    ------
    DomainError, ParamError
        Naming the argument that cannot be used.

    Notes
    -----
    The spread design sorts the rows by pair of labels (a's, b's), and inside a pair along a tour from neighbour to nearest
    neighbour; every (m / n)-th row from a random start is taken. More than 5000 rows are first thinned at random.

    References
    ----------
    Dickson & Tillé. Ordered Spatial Sampling by Means of the Traveling Salesman Problem. Computational Statistics 31, 2016.

    Examples
    --------
    >>> rows_to_label(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]), 2).tolist()
    [2, 1]
    """
    a, b = np.asarray(labels_a), np.asarray(labels_b)
    if a.shape != b.shape or a.ndim != 1:
        raise DomainError(
            f"rows_to_label: labels_b must have the shape of labels_a, (n,). Got {b.shape} and {a.shape}."
        )
    if not Interval(int, 1).holds(n):
        raise ParamError(f"rows_to_label: n must {Interval(int, 1).text}. Got {n!r}.")
    if design not in ("uniform", "spread"):
        raise ParamError(f"rows_to_label: design must be 'uniform' or 'spread'. Got {design!r}.")
    free = np.ones(len(a), dtype=bool) if known is None else ~np.asarray(known)
    if free.dtype != bool or free.shape != a.shape:
        raise DomainError(f"rows_to_label: known must be a bool array of shape {a.shape}. Got shape {free.shape}.")
    rng = check_random_state(random_state)
    order = rng.permutation(np.flatnonzero(a != b))
    order = order[free[order]]
    if design == "uniform" or len(order) <= n:
        return order[:n]
    order = order[: max(n, MOST_ROWS)]
    kinds = np.unique(np.stack([a[order].astype(str), b[order].astype(str)]), axis=1, return_inverse=True)[1].ravel()
    Z = _coordinates(X, proba, len(a))[order]
    path = np.concatenate([rows[_tour(Z[rows])] for rows in (np.flatnonzero(kinds == k) for k in np.unique(kinds))])
    picked = path[((rng.uniform() + np.arange(n)) * (len(path) / n)).astype(int)]
    return order[rng.permutation(picked)]


def _coordinates(X: Any, proba: Array | None, n: int) -> Array:
    """Standardised features that count together as much as the probabilities do."""
    if X is None and proba is None:
        raise ParamError("rows_to_label: X or proba must be given to spread over. Got neither.")
    blocks = []
    for name, block in (("X", X), ("proba", proba)):
        if block is None:
            continue
        try:
            rows = check_array(block, accept_sparse="csr", dtype=np.float64)
        except ValueError as err:
            raise DomainError(f"rows_to_label: {name} must be rows of finite numbers. Got: {err}") from err
        if rows.shape[0] != n:
            raise DomainError(f"rows_to_label: {name} must have one row a label ({n}). Got {rows.shape[0]}.")
        rows = rows.toarray() if hasattr(rows, "toarray") else rows
        blocks.append(StandardScaler().fit_transform(rows) / math.sqrt(rows.shape[1]))
    return np.hstack(blocks)


def _tour(Z: Array) -> Array:
    """Row numbers from one row to the nearest that is left, beginning at the row farthest from the middle."""
    left = np.arange(len(Z))
    at = int(((Z - Z.mean(axis=0)) ** 2).sum(axis=1).argmax())
    tour = []
    while len(left):
        tour.append(left[at])
        here, left = Z[left[at]], np.delete(left, at)
        if len(left):
            at = int(((Z[left] - here) ** 2).sum(axis=1).argmin())
    return np.array(tour, dtype=int)


def _check_share(function: str, name: str, value: float, closed: str = "neither") -> None:
    rule = Interval(float, 0, 1, closed=closed)
    if not rule.holds(value):
        raise ParamError(f"{function}: {name} must {rule.text}. Got {value!r}.")
