"""ClassAMI: a candidate is the better, the more its labels agree with clusters of its features of the target."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.base import BaseEstimator
from sklearn.metrics import adjusted_mutual_info_score

from ...core.constraints import Interval, Options, RandomState
from ...core.protocols import Array, Domain
from ...ops.clusters import kmeans_clusters
from ...ops.evidence.candidates import check_rows
from ...ops.evidence.label_free import candidate_features, check_label_free, target_labels

CARD = {
    "class": "ClassAMI",
    "protocol": "Selector",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text"),
    "needs": (),
    "cost": "n",
    "paper": "Musgrave, Belongie & Lim. Three New Validators and a Large-Scale Benchmark Ranking for Unsupervised"
    " Domain Adaptation. 2022.",
    "url": "https://arxiv.org/abs/2208.07360",
}

__all__ = ["ClassAMI"]


class ClassAMI(BaseEstimator):
    """Rate a classifier by the adjusted mutual information of its labels with k-means clusters of the target.

    Parameters
    ----------
    space : {"features", "rows"}, default="features"
        What is clustered: the candidate's features, as in the paper (what its ``transform`` gives; the rows themselves
        where it has none), or the target's rows for every candidate, once. With features, a candidate is held against
        its own view of the target, and may have lost there what it should have seen.
    n_init : int in [1, inf), default=10
        Starts of k-means, the best of which counts.
    random_state : int, RandomState or None, default=None
        For k-means.

    Notes
    -----
    ``AMI(labels, kmeans(features, K))`` with K the candidate's number of classes; adjusted for chance, with the
    arithmetic mean of the two entropies as its scale: 1 where labels and clusters are the same up to their names, about
    0 for labels that have nothing to do with the clusters. Labels that are all one class say nothing and score 0, also
    where there is one cluster only.

    What fools it: a candidate that is itself a clustering, whatever the names of its classes; and clusters that are not
    the classes. With two classes, k-means finds the largest variance, which need not be theirs. The source is not used.

    References
    ----------
    Musgrave, Belongie & Lim. Three New Validators and a Large-Scale Benchmark Ranking for Unsupervised Domain
    Adaptation. 2022.
    Vinh, Epps & Bailey. Information Theoretic Measures for Clusterings Comparison. JMLR 11, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from transferkit import ClassAMI, Domain
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(90) % 3
    >>> X = rng.normal(size=(90, 6)) + 8 * np.eye(6)[y]
    >>> ClassAMI(random_state=0).score(LogisticRegression().fit(X, y), None, Domain(X))
    1.0
    """

    _constraints: ClassVar = {
        "space": Options("features", "rows"),
        "n_init": Interval(int, 1),
        "random_state": RandomState(),
    }

    def __init__(self, space: str = "features", n_init: int = 10, random_state: Any = None) -> None:
        self.space = space
        self.n_init = n_init
        self.random_state = random_state

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Agreement of the target's labels with its clusters.

        Parameters
        ----------
        candidate : fitted classifier
            What is rated.
        source : Domain or None
            Not used.
        target : Domain
            Two rows or more; no label is read.

        Returns
        -------
        float
            At most 1; higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        check_label_free(self, source, target, least=2)
        labels = target_labels(self, candidate, target)
        if labels.max() == 0:
            return 0.0
        if self.space == "rows":
            clusters = self._clusters_of_rows(target, len(candidate.classes_))
        else:
            clusters = self._cluster(candidate_features(self, candidate, target.X, "target"), len(candidate.classes_))
        return float(adjusted_mutual_info_score(labels, clusters))

    def _cluster(self, Z: Array, n_classes: int) -> Array:
        return kmeans_clusters(Z, n_classes, n_init=self.n_init, random_state=self.random_state)

    def _clusters_of_rows(self, target: Domain, n_classes: int) -> Array:
        """Clusters of the rows themselves, kept for the next candidate."""
        setting = (n_classes, self.n_init, self.random_state)
        known = getattr(self, "_known", None)
        # Compared by identity: what is kept keeps the rows alive, so an id cannot come back for others.
        if known is None or known[0] is not target.X or known[1] != setting:
            known = target.X, setting, self._cluster(check_rows(self, target, target)[2], n_classes)
            self._known = known
        return known[2]
