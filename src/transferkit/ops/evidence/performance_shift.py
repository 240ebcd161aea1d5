"""Why a model does worse on the target: harder rows, another relation of label and row, or rows the source hardly has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.utils import check_random_state

from ...core.protocols import Array
from ..folds import deal_folds

__all__ = ["LossSplit", "domain_posterior", "split_loss"]


@dataclass(frozen=True)
class LossSplit:
    """The change of a model's mean loss from source to target, in three terms that sum to it.

    Attributes
    ----------
    source, target : float
        Mean loss on each domain.
    harder : float
        From the source to the rows both domains share, labels as in the source: the target has more of the source's
        hard rows.
    concept : float
        On the shared rows, from the source's labels to the target's: the relation of label and row changed.
    unseen : float
        From the shared rows to the target, labels as in the target: rows that the source hardly has.
    intervals : dict
        ``"harder"``, ``"concept"``, ``"unseen"``, ``"total"`` and ``"rows"`` (harder + unseen), each (low, high).
    effective_source, effective_target : float
        Effective number of rows (Kish) that the shared distribution rests on.
    """

    source: float
    target: float
    harder: float
    concept: float
    unseen: float
    intervals: dict[str, tuple[float, float]]
    effective_source: float
    effective_target: float


def domain_posterior(Xs: Array, Xt: Array, *, n_splits: int = 3, random_state: Any = None) -> tuple[Array, Array]:
    """Cross-fitted probability that a row is of the target, with both domains weighing the same.

    By gradient boosting. Forests of random cuts tell domains apart as well, but their probabilities lean to the middle, and
    the weights then leave a part of the shift in: on a known shift of the rows a third of it was read as one of the labels.

    Parameters
    ----------
    Xs, Xt : arrays of shape (n_source, n_features), (n_target, n_features)
        Rows in one space.
    n_splits : int
        Folds; fewer where a domain has fewer rows.
    random_state : int, RandomState or None
        Folds and bins.

    Returns
    -------
    source, target : arrays of shape (n_source,), (n_target,)
    """
    rng = check_random_state(random_state)
    X, label = np.concatenate([Xs, Xt]), np.r_[np.zeros(len(Xs), dtype=int), np.ones(len(Xt), dtype=int)]
    folds = deal_folds(label, min(n_splits, len(Xs), len(Xt)), rng)
    pi = np.full(len(X), 0.5)
    for fold in range(folds.max() + 1 if folds.max() > 0 else 0):
        rest = folds != fold
        boosted = HistGradientBoostingClassifier(
            max_iter=60, learning_rate=0.08, max_leaf_nodes=8, max_bins=63, early_stopping=False, random_state=rng
        )
        share = label[rest].mean()
        # Bayes' rule for equal shares; weights in the fit do the same, but bin the columns a hundred times slower.
        odds = boosted.fit(X[rest], label[rest]).predict_proba(X[~rest]) / [1 - share, share]
        pi[~rest] = odds[:, 1] / odds.sum(axis=1)
    return pi[: len(Xs)], pi[len(Xs) :]


def split_loss(
    loss_source: Array,
    loss_target: Array,
    pi_source: Array,
    pi_target: Array,
    *,
    level: float = 0.95,
    n_bootstrap: int = 1000,
    random_state: Any = None,
) -> LossSplit:
    """Split the change of the mean loss into harder rows, changed relation and unseen rows (DISDE).

    Parameters
    ----------
    loss_source, loss_target : arrays of shape (n_source,), (n_labelled,)
        Losses of one model on source rows that it was not fitted on, and on labelled target rows drawn at random.
    pi_source, pi_target : arrays of shape (n_source,), (n_labelled,)
        Probability of the target for each row, with both domains weighing the same.
    level : float in (0, 1)
        Coverage of the intervals.
    n_bootstrap : int
        Draws of the rows of each domain; `pi` is taken as it is.
    random_state : int, RandomState or None
        For the draws.

    Notes
    -----
    The shared distribution has the density ``s proportional to p q / (p + q)``, so its weights are ``pi`` on source rows and
    ``1 - pi`` on target rows, normalised. With the mean loss R given the row,
    ``E_q[R_q] - E_p[R_p] = (E_s[R_p] - E_p[R_p]) + (E_s[R_q] - E_s[R_p]) + (E_q[R_q] - E_s[R_q])``: harder, concept,
    unseen. The paper's intervals are asymptotic; these are percentile bootstrap intervals, since the labelled rows are few.

    References
    ----------
    Cai, Namkoong & Yadlowsky. Diagnosing Model Performance Under Distribution Shift. Operations Research, 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit.ops.evidence.performance_shift import split_loss
    >>> half = np.full(50, 0.5)
    >>> found = split_loss(np.zeros(50), np.ones(50), half, half, random_state=0)
    >>> found.harder, found.concept, found.unseen
    (0.0, 1.0, 0.0)
    """
    rng = check_random_state(random_state)
    shared = np.maximum(pi_source, 1e-6), np.maximum(1 - pi_target, 1e-6)
    n, m = len(loss_source), len(loss_target)
    # Row 0 counts every row once, the others are the bootstrap's.
    counts_s = np.vstack([np.ones(n), rng.multinomial(n, np.full(n, 1 / n), size=n_bootstrap)])
    counts_t = np.vstack([np.ones(m), rng.multinomial(m, np.full(m, 1 / m), size=n_bootstrap)])
    p_p, q_q = counts_s @ loss_source / n, counts_t @ loss_target / m
    s_p = counts_s @ (shared[0] * loss_source) / (counts_s @ shared[0])
    s_q = counts_t @ (shared[1] * loss_target) / (counts_t @ shared[1])
    terms = {"harder": s_p - p_p, "concept": s_q - s_p, "unseen": q_q - s_q, "total": q_q - p_p}
    terms["rows"] = terms["harder"] + terms["unseen"]
    tail = (1 - level) / 2
    intervals = {k: (float(np.quantile(v[1:], tail)), float(np.quantile(v[1:], 1 - tail))) for k, v in terms.items()}
    return LossSplit(
        source=float(p_p[0]),
        target=float(q_q[0]),
        harder=float(terms["harder"][0]),
        concept=float(terms["concept"][0]),
        unseen=float(terms["unseen"][0]),
        intervals=intervals,
        effective_source=float(shared[0].sum() ** 2 / (shared[0] ** 2).sum()),
        effective_target=float(shared[1].sum() ** 2 / (shared[1] ** 2).sum()),
    )
