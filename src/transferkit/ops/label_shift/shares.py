"""Class shares of an unlabelled target: expectation maximisation, calibration, distance of two sets of shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.utils import check_random_state

from ...core.protocols import Array
from ..components import component_space
from ..folds import deal_folds

__all__ = [
    "ShareEstimate",
    "ShareInterval",
    "class_shares",
    "em_prior",
    "em_steps",
    "match_shares",
    "share_interval",
    "temper",
    "temperature",
    "total_variation",
]


@dataclass(frozen=True, eq=False)
class ShareEstimate:
    """Class shares of both domains under the label shift assumption.

    Attributes
    ----------
    source, target : arrays of shape (n_classes,)
        Counted in the source; estimated in the target.
    tv : float
        Their total variation distance.
    guess_source, guess_target : int arrays
        Class of every source row (held-out) and target row by the plain model that was used.
    proba_source, proba_target : arrays of shape (n_source, n_present), (n_target, n_present)
        Its probabilities before calibration, of the classes that have source rows.
    """

    source: Array
    target: Array
    tv: float
    guess_source: Array
    guess_target: Array
    proba_source: Array
    proba_target: Array


@dataclass(frozen=True, eq=False)
class ShareInterval:
    """How far the estimated shares may be off, if only the shares moved.

    Attributes
    ----------
    low, high : arrays of shape (n_classes,)
        Interval of each class's share in the target.
    radius : float
        Total variation from the estimate that the bootstrap's estimates keep at the same level: a difference between two
        sets of shares below it may be chance.
    """

    low: Array
    high: Array
    radius: float


def total_variation(p: Array, q: Array) -> float:
    """Half the summed absolute difference of two distributions, in [0, 1]."""
    return float(np.abs(np.asarray(p, dtype=np.float64) - np.asarray(q, dtype=np.float64)).sum() / 2)


def em_prior(
    proba: Array,
    prior: Array,
    *,
    weight: Array | None = None,
    start: Array | None = None,
    max_iter: int = 1000,
    tol: float = 1e-8,
) -> Array:
    """Class shares of a target by expectation maximisation.

    Parameters
    ----------
    proba : array of shape (n_target, n_classes)
        Calibrated source posteriors of the target rows.
    prior : array of shape (n_classes,)
        Class shares of the source.
    weight : array of shape (n_target,), optional
        Weights of the rows; None is 1 each.
    start : array of shape (n_classes,), optional
        Shares to start from, positive where a share may be; None is `prior`.
    max_iter : int
        Most iterations.
    tol : float
        Largest change of a share at which it stops.

    Returns
    -------
    array of shape (n_classes,)
        The maximum likelihood shares, if the class-conditional distributions are those of the source.

    References
    ----------
    Saerens, Latinne & Decaestecker. Adjusting the Outputs of a Classifier to New a Priori Probabilities. Neural
    Computation 14, 2002, eq. 2.9.
    """
    return em_steps(proba, prior, weight=weight, start=start, max_iter=max_iter, tol=tol)[0]


def em_steps(
    proba: Array,
    prior: Array,
    *,
    weight: Array | None = None,
    start: Array | None = None,
    max_iter: int = 1000,
    tol: float = 1e-8,
) -> tuple[Array, int]:
    """As `em_prior`, with the number of steps that were made."""
    prior = np.asarray(prior, dtype=np.float64)
    ratio = np.divide(proba, prior, out=np.zeros(np.shape(proba)), where=prior > 0)
    # A row that no class claims says nothing about the shares.
    claimed = ratio.sum(axis=1) > 0
    ratio = ratio[claimed]
    weight = np.ones(len(ratio)) if weight is None else np.asarray(weight, dtype=np.float64)[claimed]
    shares = np.asarray(prior if start is None else start, dtype=np.float64)
    shares = shares / shares.sum()
    n_done, limit = 0, max_iter if weight.sum() > 0 else 0
    while n_done < limit:
        n_done += 1
        # The E step's posteriors, summed over the rows, are the shares times the mean of ratio / total.
        total = ratio @ shares
        new = shares * (np.divide(weight, total, out=np.zeros(len(total)), where=total > 0) @ ratio)
        new /= new.sum()
        done = np.abs(new - shares).max() < tol
        shares = new
        if done:
            break
    return shares, n_done


def temper(proba: Array, temperature: float) -> Array:
    """Probabilities with their logarithms divided by a temperature; above 1 they get softer."""
    soft: Array = softmax(np.log(np.clip(proba, 1e-12, None)) / temperature, axis=1)
    return soft


def temperature(proba: Array, codes: Array) -> float:
    """The temperature in [1/20, 20] that gives held-out labels the highest likelihood (Guo et al. 2017)."""
    rows = np.arange(len(codes))

    def loss(log_t: float) -> float:
        return float(-np.log(np.clip(temper(proba, np.exp(log_t))[rows, codes], 1e-12, None)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-np.log(20), np.log(20)), method="bounded").x))


def class_shares(
    Xs: Any, codes: Array, Xt: Any, *, n_classes: int | None = None, n_components: int = 50, random_state: Any = None
) -> ShareEstimate:
    """Estimate the target's class shares with a plain calibrated model: logistic regression on principal components.

    The columns are taken standardised or as given, whichever classifies held-out source rows better. The estimate holds
    where only the shares moved. Under a strong covariate shift it can be far off.

    Parameters
    ----------
    Xs, Xt : arrays of shape (n_source, n_features), (n_target, n_features)
        The rows.
    codes : int array of shape (n_source,)
        Source classes, 0 to n_classes - 1.
    n_classes : int, optional
        Number of classes; None is the largest code plus one.
    n_components : int
        Principal components of both domains' rows.
    random_state : int, RandomState or None
        For the folds.
    """
    K = int(codes.max()) + 1 if n_classes is None else n_classes
    rng = check_random_state(random_state)
    counts = np.bincount(codes, minlength=K)
    source = counts / counts.sum()
    present = np.flatnonzero(counts)
    rarest = int(counts[present].min())
    split = PredefinedSplit(deal_folds(codes, min(3, rarest), rng)) if rarest >= 2 else None
    model = LogisticRegression(C=10.0, max_iter=1000)
    best: tuple[float, Array, Array] | None = None
    for scale in (True, False):
        Zs, Zt = component_space(Xs, Xt, n_components=n_components, scale=scale, random_state=rng)
        # One overall size: the penalty then means the same whatever the number of columns.
        size = np.sqrt((Zs**2).sum(axis=1).mean()) or 1.0
        Zs, Zt = Zs / size, Zt / size
        raw_target = model.fit(Zs, codes).predict_proba(Zt)
        if split is None:
            raw_source = model.predict_proba(Zs)
        else:
            raw_source = cross_val_predict(model, Zs, codes, cv=split, method="predict_proba")
        right = float((present[raw_source.argmax(axis=1)] == codes).mean())
        if best is None or right > best[0]:
            best = right, raw_source, raw_target
    assert best is not None
    _, raw_source, raw_target = best
    t = temperature(raw_source, np.searchsorted(present, codes))
    shares = np.zeros(K)
    shares[present] = em_prior(temper(raw_target, t), source[present])
    return ShareEstimate(
        source=source,
        target=shares,
        tv=total_variation(source, shares),
        guess_source=present[raw_source.argmax(axis=1)],
        guess_target=present[raw_target.argmax(axis=1)],
        proba_source=raw_source,
        proba_target=raw_target,
    )


def share_interval(
    estimate: ShareEstimate, codes: Array, *, level: float = 0.95, n_bootstrap: int = 200, random_state: Any = None
) -> ShareInterval:
    """Percentile bootstrap of `class_shares`: rows of both domains are drawn anew, and the calibration is fitted again.

    The model itself stays: its error is part of the calibration, which is fitted on rows it has not seen.

    Parameters
    ----------
    estimate : ShareEstimate
        What `class_shares` found.
    codes : int array of shape (n_source,)
        The source classes it was given.
    level : float in (0, 1)
        Coverage.
    n_bootstrap : int
        Draws.
    random_state : int, RandomState or None
        For the draws.
    """
    rng = check_random_state(random_state)
    present = np.flatnonzero(estimate.source)
    own = np.searchsorted(present, codes)
    n, m = len(codes), len(estimate.proba_target)
    # Warm starts stay off the boundary, which expectation maximisation never leaves.
    start = 0.99 * estimate.target[present] + 0.01 / len(present)
    drawn = np.tile(estimate.target, (n_bootstrap, 1))
    for b in range(n_bootstrap):
        rows = rng.randint(n, size=n)
        prior = np.bincount(own[rows], minlength=len(present)) / n
        t = temperature(estimate.proba_source[rows], own[rows])
        weight = np.bincount(rng.randint(m, size=m), minlength=m)
        proba = temper(estimate.proba_target, t)
        drawn[b, present] = em_prior(proba, prior, weight=weight, start=start, max_iter=300, tol=1e-5)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    radius = float(np.quantile(np.abs(drawn - estimate.target).sum(axis=1) / 2, level))
    return ShareInterval(np.minimum(low, estimate.target), np.maximum(high, estimate.target), radius)


def match_shares(codes: Array, source: Array, target: Array, random_state: Any = None) -> Array:
    """Rows of the source, drawn without replacement, whose classes have the target's shares.

    A row of class c is kept with a chance proportional to ``target[c] / source[c]``. If only the shares moved, the rows
    that are kept are distributed like the target's, so that a two-sample test between both is a test of that assumption.

    Parameters
    ----------
    codes : int array of shape (n_source,)
        Classes.
    source, target : arrays of shape (n_classes,)
        Shares.
    random_state : int, RandomState or None
        For the draw.
    """
    ratio = np.divide(target, source, out=np.zeros(len(source)), where=source > 0)
    chance = ratio / max(ratio.max(), np.finfo(float).tiny)
    return np.flatnonzero(check_random_state(random_state).random_sample(len(codes)) < chance[codes])
