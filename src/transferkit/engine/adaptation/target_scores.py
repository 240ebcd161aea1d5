"""What can be said of an adapted network without one target label: how sure it is, which classes it names, how domains mix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from warnings import warn

import numpy as np
import torch
from scipy.stats import rankdata

from ...core.errors import TransferWarning
from ...core.protocols import Array
from ..answers.labels import Labels
from ..inputs.rows import Rows
from ..networks.inference import outputs_of
from ..networks.network import Network
from ..training.device import Place

__all__ = ["collapse", "domain_auc", "scores_of", "some_numbers", "some_rows", "target_scores", "tell_of_collapse"]

_ROWS = 500  # of each domain, at even distances
_ROWS_A_CLASS = 10  # fewer say nothing of class shares


def some_rows(rows: Rows) -> Rows:
    """At most 500 of the rows, at even distances."""
    return rows.take(some_numbers(len(rows)))


def some_numbers(n: int) -> Array:
    """At most 500 of the numbers from 0 to n - 1, at even distances."""
    return np.unique(np.linspace(0, n - 1, min(_ROWS, n)).astype(int))


def target_scores(
    network: Network, labels: Labels, source: Rows, target: Rows, place: Place, batch_size: int = 64
) -> tuple[dict[str, float], Array]:
    """Scores of a network on some rows of both domains, in evaluation mode.

    Parameters
    ----------
    network : Network
    labels : Labels
    source : Rows
        With encoded labels.
    target : Rows
        Without labels.
    place : Place
    batch_size : int

    Returns
    -------
    scores : dict of str to float
        ``source/score`` (accuracy, or R^2, on source rows), ``domain/auc`` (how well a linear critic tells the domains by
        their features: 1/2 is full confusion), and for classes ``target/entropy`` (mean entropy of a row's
        probabilities), ``target/diversity`` (entropy of their mean) and ``target/largest_share`` (of the rows, in the class
        named most often). For several labels a row, by its most probable one: ``source/diversity`` and ``target/diversity``
        (entropy of their shares), and ``target/largest_share``.
    shares : array of shape (n_classes,)
        Of the rows, in each class; of several labels a row, its most probable one counts; empty for a regression.
    """

    def both(x: Any) -> torch.Tensor:
        z = network.features(x)
        return torch.cat([z.float(), network.head(z).float()], dim=1)

    n = labels.n_outputs
    found_s, found_t = (outputs_of(network, both, rows, place, batch_size) for rows in (source, target))
    assert source.y is not None
    return scores_of(labels, source.y, found_s[:, :-n], found_s[:, -n:], found_t[:, :-n], found_t[:, -n:])


def scores_of(
    labels: Labels, y: torch.Tensor, z_s: Array, outputs_s: Array, z_t: Array, outputs_t: Array
) -> tuple[dict[str, float], Array]:
    """The scores of `target_scores` from features and outputs of both domains, and encoded labels of the source's rows."""
    values = y.numpy()
    known = labels.classes[values] if labels.classes is not None else values
    if labels.kind == "regression":  # encoded numbers are standardised
        known = values * labels.scale + labels.mean
    scores = {"source/score": labels.score(known, labels.predict(outputs_s))}
    if min(len(z_s), len(z_t)) >= 4:
        scores["domain/auc"] = domain_auc(z_s, z_t)
    if labels.kind == "regression":
        return scores, np.empty(0)
    proba = labels.proba(outputs_t)
    shares = _shares(proba)
    if labels.kind == "multilabel":  # probabilities of a row do not sum to 1: its most probable label stands for it
        found = {"target": shares, "source": _shares(labels.proba(outputs_s))}
        scores |= {f"{domain}/diversity": _entropy(own) for domain, own in found.items()}
        return {**scores, "target/largest_share": float(shares.max())}, shares
    scores["target/entropy"] = float(np.mean([_entropy(p) for p in proba]))
    scores["target/diversity"] = _entropy(proba.mean(axis=0))
    scores["target/largest_share"] = float(shares.max())
    return scores, shares


def domain_auc(Z_s: Array, Z_t: Array) -> float:
    """Area under the ROC curve of a ridge critic between two domains, each half judged by the critic of the other half.

    Parameters
    ----------
    Z_s, Z_t : array of shape (n_rows, n_features)
        At least four rows each.

    Returns
    -------
    float
        1 where the domains are told apart, about 1/2 where they are not.
    """
    Z = np.vstack([Z_s, Z_t]).astype(np.float64)
    Z = (Z - Z.mean(axis=0)) / np.maximum(Z.std(axis=0), 1e-12)
    side = np.repeat([1.0, -1.0], [len(Z_s), len(Z_t)])
    half = np.concatenate([np.arange(len(Z_s)), np.arange(len(Z_t))]) % 2
    found = []
    for k in (0, 1):
        own, rest = Z[half == k], Z[half != k]
        kernel = own @ own.T  # n x n, however wide the features are
        weight = max(np.trace(kernel) / len(own), 1e-12)
        y = side[half == k] - side[half == k].mean()
        score = rest @ (own.T @ np.linalg.solve(kernel + weight * np.eye(len(own)), y))
        is_source = side[half != k] > 0
        n = is_source.sum()
        ranks = rankdata(score)[is_source].sum() - n * (n + 1) / 2
        found.append(ranks / (n * (len(score) - n)))
    return float(np.mean(found))


def collapse(labels: Labels, source: Rows, n_target: int, score: float, shares: Array) -> dict[str, bool]:
    """Whether a training went wrong in a way that shows without labels.

    Parameters
    ----------
    labels : Labels
    source : Rows
        Rows of the source, with labels.
    n_target : int
        Rows that `shares` were counted on.
    score : float
        Accuracy or R^2 on the source's rows.
    shares : array of shape (n_classes,)
        Of the target's rows, in each class.

    Returns
    -------
    dict of str to bool
        ``collapsed``: the classes that the target's rows are given have less than half of the entropy of the
        source's classes. ``diverged``: on its own source it does worse than naming the largest class, or the mean, for
        every row. Both False where there are fewer than ten rows a class.
    """
    assert source.y is not None
    need = _ROWS_A_CLASS * max(2, labels.n_outputs)
    if labels.kind == "regression":
        return {"collapsed": False, "diverged": len(source) >= need and score < 0}
    if labels.kind != "classification":
        return {"collapsed": False, "diverged": False}
    own = np.bincount(source.y.numpy(), minlength=labels.n_outputs) / len(source)
    return {
        "collapsed": bool(n_target >= need and _entropy(shares) < _entropy(own) / 2),
        "diverged": bool(len(source) >= need and score < own.max()),
    }


def tell_of_collapse(name: str, notes: Mapping[str, Any], rows: str = "rows") -> None:
    """Warn of what `collapse` has found, to whoever has called the fit of the method called `name`."""
    if notes["collapsed"]:
        warn(
            f"{name}: predictions for the target have collapsed: {max(notes['target_shares']):.0%} of its {rows} are given one"
            " class. Do not trust them; try another weight of the adaptation, more epochs, or another method.",
            TransferWarning,
            stacklevel=5,
        )
    if notes["diverged"]:
        warn(
            f"{name}: the training has diverged, or got nowhere: the score on its own source is"
            f" {notes['scores']['source/score']:.2f}. Change training.lr, or lower the weight of the adaptation.",
            TransferWarning,
            stacklevel=5,
        )


def _shares(proba: Array) -> Array:
    """Of rows, by their most probable class or label."""
    return np.bincount(proba.argmax(axis=1), minlength=proba.shape[1]) / len(proba)


def _entropy(p: Array) -> float:
    """In nats."""
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())
