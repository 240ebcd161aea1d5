"""What answers to unlabelled rows look like, and whether they have fallen into fewer classes than they did."""

from __future__ import annotations

from typing import Any
from warnings import warn

import numpy as np

from ...core.errors import TransferWarning
from ...core.protocols import Array

__all__ = ["note_collapse", "scores_of", "shares_collapse"]

_ROWS_A_CLASS = 10  # fewer say nothing of class shares
_COLLAPSED = 0.5  # of the entropy of the classes' shares before


def scores_of(proba: Array) -> tuple[dict[str, float], Array]:
    """What can be said of class probabilities of shape (n_samples, n_classes) without a label.

    Returns
    -------
    scores : dict of str to float
        ``target/entropy`` (mean entropy of a row's probabilities), ``target/diversity`` (entropy of their mean) and
        ``target/largest_share`` (of the rows, in the class named most often).
    shares : array of shape (n_classes,)
        Of the rows, in each class.
    """
    shares = np.bincount(proba.argmax(axis=1), minlength=proba.shape[1]) / len(proba)
    found = {
        "target/entropy": float(np.mean([_entropy(p) for p in proba])),
        "target/diversity": _entropy(proba.mean(axis=0)),
        "target/largest_share": float(shares.max()),
    }
    return found, shares


def shares_collapse(counts: Array, before: Array, share: float) -> bool:
    """Whether rows fall into fewer classes than they did.

    Parameters
    ----------
    counts, before : array of shape (n_classes,)
        Rows that a model now, and the source model, gives each class.
    share : float in [0, 1]
        The entropy of `counts` below this part of that of `before` is a collapse.

    Returns
    -------
    bool
        False where there are fewer than ten rows a class.
    """
    enough = counts.sum() >= _ROWS_A_CLASS * len(counts)
    return bool(enough and _entropy(counts / counts.sum()) < share * _entropy(before / before.sum()))


def _entropy(p: Array) -> float:
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())


def note_collapse(name: str, notes: dict[str, Any], scores: dict[str, float], shares: Array, n: int, what: str) -> None:
    """Put into a fit's notes how the target's answers look after it; a collapse of the method `name` is warned of.

    The notes hold the shares before the fit, as ``target_shares_before``. The target has `n` rows, which are called `what`.
    """
    before = np.array(notes["target_shares_before"])
    collapsed = shares_collapse(shares * n, before * n, _COLLAPSED)
    notes |= {"scores": scores, "target_shares": shares.tolist(), "collapsed": collapsed}
    if collapsed:
        warn(
            f"{name}: predictions for the target have collapsed: {shares.max():.0%} of its {what} are given"
            f" one class, {before.max():.0%} before. Do not trust them; the source model is the safer choice.",
            TransferWarning,
            stacklevel=5,
        )
