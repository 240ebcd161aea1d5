"""EasyTL: the nearest class mean, with the classes' shares of the target held above nothing; no parameter to tune."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import softmax

from ...core.base import ProbabilityTransfer, stack
from ...core.constraints import Options
from ...core.errors import DomainError
from ...core.protocols import Array
from ...core.validation import TransferData
from ...ops.covariance import covariance, matrix_power
from ...ops.kernels.gaussian import squared_distances

CARD = {
    "class": "EasyTL",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Wang, Chen, Yu, Huang & Yang. Easy Transfer Learning by Exploiting Intra-domain Structures. ICME 2019.",
    "url": "https://arxiv.org/abs/1904.01376",
}

__all__ = ["EasyTL"]


class EasyTL(ProbabilityTransfer):
    """Give every target row the label of the nearest class mean, so that no class goes without a row.

    Parameters
    ----------
    alignment : {"coral", "none"}, default="coral"
        ``"coral"`` first recolours the source with the target's covariance, as in CORAL with ``reg=1``; ``"none"`` is the
        paper's EasyTL(c).

    Attributes
    ----------
    means_ : array of shape (n_classes, n_features)
        The classes' means, of the recoloured source and of known target rows.
    prices_ : array of shape (n_classes,)
        What is taken off the distance to each class: 0 where every class has a row anyway.
    labels_ : array of shape (n_target,)
        The labels of the target rows of the fit that the linear programme gives.
    scale_ : float
        Distance that changes the odds by e in ``predict_proba``: the median lead of the nearest class.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Intra-domain programming: minimises ``sum_ct D_ct M_ct`` over ``0 <= M <= 1`` with ``sum_c M_ct = 1`` for every target
    row t and ``sum_t M_ct >= 1`` for every class c, D the distance to the class's mean. We do not call a
    linear solver: a row has no reason to leave its nearest class but to fill a class, so an optimum is the cheapest
    assignment of one row to each class by the regret ``D_ct - min_c D_ct`` with all other rows at their nearest class.
    That takes O(n C^2) in place of a programme in n C variables, and is exact (M is always whole).

    The paper labels the rows of the fit only. New rows go by the dual programme: its prices are what a class has to be
    preferred by for the optimum to be everybody's own choice. Of the prices that are possible we take the mean of the
    extreme ones, or 0 where 0 is possible, so that the rows of the fit get their labels of the programme.
    Probabilities, of which the paper has none, are the softmax of minus the distances less the prices over ``scale_``.
    Known target labels join the means and are fixed in the programme.

    References
    ----------
    Wang, Chen, Yu, Huang & Yang. Easy Transfer Learning by Exploiting Intra-domain Structures. ICME 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, EasyTL
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(80, 4)), np.arange(80) % 2
    >>> X[:, 0] += 6 * y - 3
    >>> model = EasyTL().fit(X, y, target=Domain(X * [1, 5, 1, 1]))
    >>> model.score(X * [1, 5, 1, 1], y) > 0.9
    True
    """

    _constraints: ClassVar = {"alignment": Options("coral", "none")}

    def __init__(self, alignment: str = "coral") -> None:
        self.alignment = alignment

    def _fit(self, data: TransferData) -> None:
        n_classes = len(self.classes_)
        if len(data.Xt) < n_classes:
            raise DomainError(
                f"EasyTL.fit: target.X must have a row for each of the {n_classes} classes. Got {len(data.Xt)} rows."
            )
        Xs = data.Xs
        if self.alignment == "coral":
            Xs = Xs @ (matrix_power(covariance(Xs, 1.0), -0.5) @ matrix_power(covariance(data.Xt, 1.0), 0.5))
        rows, codes = stack(Xs, data.Xt_known), np.concatenate([data.codes, data.codes_t])
        indicator = np.eye(n_classes)[codes]
        self.means_ = ((indicator.T @ rows) / indicator.sum(axis=0)[:, None]).astype(data.Xs.dtype)
        D = self._distances(data.Xt)
        labels, self.prices_ = _programme(D, data.known, data.codes_t)
        self.labels_ = self.classes_[labels]
        two = np.partition(D - self.prices_, 1, axis=1)[:, :2]
        lead = float(np.median(two[:, 1] - two[:, 0]))
        self.scale_ = lead if lead > 0 else 1.0

    def _distances(self, X: Array) -> Array:
        return np.sqrt(squared_distances(X, self.means_))

    def _proba(self, X: Array) -> Array:
        return softmax((self.prices_ - self._distances(X)) / self.scale_, axis=1)


def _programme(D: Array, known: Array, codes: Array) -> tuple[Array, Array]:
    """Labels of all rows, and the prices of the classes that make them everybody's own choice."""
    n_classes = D.shape[1]
    labels = D.argmin(axis=1)
    labels[known] = codes
    filled = np.bincount(labels, minlength=n_classes) > 0
    prices = np.zeros(n_classes)
    if filled.all():
        return labels, prices
    free = np.flatnonzero(~known)
    wanting = np.setdiff1d(np.arange(n_classes), codes)  # a class with a known row wants no other
    regret = D[free] - D[free].min(axis=1, keepdims=True)
    if len(free) < len(wanting):
        raise DomainError(
            f"EasyTL.fit: target must have a row without a label for each class that no known label has."
            f" Got {len(free)} rows for {len(wanting)} classes."
        )
    classes, chosen = linear_sum_assignment(regret[:, wanting].T)
    labels[free[chosen]] = wanting[classes]
    # A row of class l stays there if price_c - price_l <= step[l, c], the least that one of its rows loses by a move.
    step = np.full((n_classes, n_classes), np.inf)
    for label in np.unique(labels[free]):
        own = D[free[labels[free] == label]]
        step[label] = (own - own[:, [label]]).min(axis=0)
    slack = (np.bincount(labels, minlength=n_classes) > 1) | np.isin(np.arange(n_classes), codes)
    return labels, _middle_prices(step, slack)


def _middle_prices(step: Array, slack: Array) -> Array:
    """Prices with ``price_c - price_l <= step[l, c]``, none negative and those of `slack` classes 0: middle ones."""
    n = len(step)
    graph = np.zeros((n + 1, n + 1))  # node n stands for the price 0, which no class is below
    graph[:n, :n] = step
    # Slack classes are not above 0; where no way leads from one of them, some bound has to hold the prices down.
    graph[n, :n] = np.where(slack, 0.0, n * np.abs(step[np.isfinite(step)]).max())
    np.fill_diagonal(graph, 0.0)
    for k in range(n + 1):  # shortest ways, by Floyd and Warshall; scipy's function takes an entry of 0 for no way
        graph = np.minimum(graph, graph[:, [k]] + graph[k])
    # The lengths of the ways from any one node are such prices; no condition binds in the mean that does not in all.
    return (graph[:, :n] - graph[:, [n]]).mean(axis=0)
