"""What an unlabelled target says about the labels that several models give it: clusters, neighbours, a vote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from ...core.protocols import Array
from ..components import component_space, subsample
from ..label_shift.shares import class_shares
from .two_sample import classifier_two_sample

__all__ = ["Consensus", "Structure", "measure_consensus", "ranked_vote"]

MOST_ROWS = 5000
N_COMPONENTS = 50
N_NEIGHBORS = 5


class Structure:
    """Clusters and neighbours of one domain's rows, and how well labels follow them; chance is 0, perfection 1.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        The rows, three or more.
    scale : bool
        Whether columns are standardised first.
    n_classes : int
        K-means runs with 1, 1.5, 2 and 3 times as many clusters.
    n_seeds : int
        Starts for each of them.
    rng : RandomState
        For k-means.
    """

    def __init__(self, X: Array, scale: bool, n_classes: int, n_seeds: int, rng: np.random.RandomState) -> None:
        (Z,) = component_space(X, n_components=N_COMPONENTS, scale=scale, random_state=rng)
        most = min(len(np.unique(Z, axis=0)), max(2, len(Z) // 3))
        numbers = sorted({min(max(2, round(n_classes * f)), most) for f in (1, 1.5, 2, 3)})
        self.clusterings = [
            KMeans(k, n_init=1, random_state=rng.randint(2**31)).fit(Z).labels_ for k in numbers for _ in range(n_seeds)
        ]
        near = NearestNeighbors(n_neighbors=min(N_NEIGHBORS, len(Z) - 1)).fit(Z)
        self.neighbors = near.kneighbors(return_distance=False)
        self.followed: dict[bytes, Array] = {}

    def follow_clusters(self, labels: Array) -> Array:
        """Adjusted mutual information with each clustering; kept, since many models are asked about twice."""
        key = labels.tobytes()
        if key not in self.followed:
            self.followed[key] = np.array([adjusted_mutual_info_score(labels, c) for c in self.clusterings])
        return self.followed[key]

    def follow_neighbors(self, labels: Array) -> float:
        """Share of neighbours with the same label, adjusted for the share that random labels of these sizes reach."""
        same = float((labels[self.neighbors] == labels[:, None]).mean())
        counts, n = np.unique(labels, return_counts=True)[1], len(labels)
        chance = float((counts * (counts - 1)).sum() / (n * (n - 1)))
        return (same - chance) / (1 - chance) if chance < 1 else 0.0


@dataclass(frozen=True, eq=False)
class Consensus:
    """What was measured once for a pair of domains and a set of models.

    Attributes
    ----------
    classes : array of shape (n_classes,)
    auc, p : float
        Domain classifier, with source rows weighted to the target's predicted class shares; its p-value without weights.
    share_shift : float
        Total variation of the estimated class shares.
    structure : Structure
        Of the target's rows `rows`.
    rows : int array
    visible : float
        How well the source's true labels follow the source's clusters.
    labels : int array of shape (n_models, n_target)
        What each model says.
    vote : array of shape (n_target, n_classes)
        The rank-weighted vote of all models.
    """

    classes: Array
    auc: float
    p: float
    share_shift: float
    structure: Structure
    rows: Array
    visible: float
    labels: Array
    vote: Array


def measure_consensus(
    Xs: Array, codes: Array, classes: Array, Xt: Array, probas: Array, n_seeds: int, random_state: Any
) -> Consensus:
    """Measure a pair of domains and the models' probabilities, of shape (n_models, n_target, n_classes)."""
    rng = check_random_state(random_state)
    K = len(classes)
    shares = class_shares(Xs, codes, Xt, random_state=rng)
    guessed = [np.bincount(g, minlength=K) / len(g) for g in (shares.guess_source, shares.guess_target)]
    ratio = np.divide(guessed[1], guessed[0], out=np.ones(K), where=guessed[0] > 0)
    weight = np.clip(ratio, 0.02, 50)[shares.guess_source]
    test = classifier_two_sample(Xs, Xt, weight=weight, random_state=rng)
    rows_s, rows_t = subsample(len(Xs), MOST_ROWS, rng), subsample(len(Xt), MOST_ROWS, rng)
    own, seen = codes[rows_s], []
    for scale in (True, False):
        of_source = Structure(Xs[rows_s], scale, K, n_seeds, rng)
        seen.append((float(of_source.follow_clusters(own).mean()), of_source.follow_neighbors(own), scale))
    visible, _, scale = max(seen, key=lambda s: s[0] + s[1])
    structure = Structure(Xt[rows_t], scale, K, n_seeds, rng)
    return Consensus(
        classes=classes,
        auc=test.auc,
        p=test.p,
        share_shift=shares.tv,
        structure=structure,
        rows=rows_t,
        visible=visible,
        labels=probas.argmax(axis=2),
        vote=ranked_vote(probas, structure, rows_t),
    )


def ranked_vote(probas: Array, structure: Structure, rows: Array) -> Array:
    """Mean of the models' probabilities, weighted by two ranks: agreement with the majority, and with the clusters.

    Parameters
    ----------
    probas : array of shape (n_models, n_target, n_classes)
        The ballots.
    structure : Structure
        Of the target's rows `rows`.
    rows : int array
        Rows of the target.

    Returns
    -------
    array of shape (n_target, n_classes)
        ``sum_m w_m P_m / sum_m w_m`` with ``w_m = exp(6 (r1 + r2) / (2 M))``: the best weigh about 400 times the worst.
    """
    labels = probas.argmax(axis=2)
    majority = (labels[:, :, None] == np.arange(probas.shape[2])).sum(axis=0).argmax(axis=1)
    with_majority = (labels == majority).mean(axis=1)
    with_clusters = [structure.follow_clusters(own[rows]).mean() for own in labels]
    ranks = stats.rankdata(with_majority) + stats.rankdata(with_clusters)
    weights = np.exp(6 * ranks / (2 * len(probas)))
    vote: Array = np.tensordot(weights / weights.sum(), probas, axes=1)
    return vote
