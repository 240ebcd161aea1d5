"""ClassSS: a candidate is the better, the clearer the clusters that its target features form around its classes."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.base import BaseEstimator
from sklearn.metrics import silhouette_score

from ...core.constraints import Boolean, Interval, RandomState
from ...core.protocols import Domain
from ...ops.clusters import class_clusters
from ...ops.components import component_space, subsample
from ...ops.evidence.label_free import candidate_features, check_label_free, target_labels
from ...ops.solvers.linalg import unit_rows

CARD = {
    "class": "ClassSS",
    "protocol": "Selector",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text"),
    "needs": (),
    "cost": "n^2",
    "paper": "Robbiano, Rahman, Galasso, Caputo & Carlucci. Adversarial Branch Architecture Search for Unsupervised"
    " Domain Adaptation. WACV 2022.",
    "url": "https://arxiv.org/abs/2102.06679",
}

__all__ = ["ClassSS"]


class ClassSS(BaseEstimator):
    """Rate a classifier by the silhouette of clusters of its target features that grow from its predicted classes.

    Parameters
    ----------
    n_components : int in [1, inf), default=64
        Principal components of the features that are kept, where there are more.
    normalize : bool, default=False
        Whether features are first scaled to unit length, which takes away the reward for mere size.
    max_rows : int in [3, inf), default=5000
        Target rows that are drawn where there are more.
    random_state : int, RandomState or None, default=None
        Draws them, and for the decomposition of large features.

    Notes
    -----
    K-means starts from the mean of the rows of each predicted class; the score is the mean silhouette of the clusters
    it ends with, ``(b - a) / max(a, b)`` with a the mean distance to a row's own cluster and b that to the nearest
    other one. Features are what the candidate's ``transform`` gives, and the rows themselves where it has none. Classes
    that no row is given to have no cluster; the authors' code starts one at the origin. The paper uses the score as one
    term of a regression fitted on other tasks; Musgrave et al. use it by itself, as here.

    What fools it: features may be drawn together into the wrong clusters, and fewer, larger clusters score higher. A
    single cluster has no silhouette and scores -1. The source is not used.

    References
    ----------
    Robbiano, Rahman, Galasso, Caputo & Carlucci. Adversarial Branch Architecture Search for Unsupervised Domain
    Adaptation. WACV 2022.
    Musgrave, Belongie & Lim. Three New Validators and a Large-Scale Benchmark Ranking for Unsupervised Domain
    Adaptation. 2022 (by itself, as "ClassSS").
    Rousseeuw. Silhouettes: A Graphical Aid to the Interpretation and Validation of Cluster Analysis. 1987.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from transferkit import ClassSS, Domain
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(90) % 3
    >>> near, far = (rng.normal(size=(90, 6)) + distance * np.eye(6)[y] for distance in (2, 8))
    >>> near, far = (ClassSS().score(LogisticRegression().fit(X, y), None, Domain(X)) for X in (near, far))
    >>> near < far < 1
    True
    """

    _constraints: ClassVar = {
        "n_components": Interval(int, 1),
        "normalize": Boolean(),
        "max_rows": Interval(int, 3),
        "random_state": RandomState(),
    }

    def __init__(
        self, n_components: int = 64, normalize: bool = False, max_rows: int = 5000, random_state: Any = None
    ) -> None:
        self.n_components = n_components
        self.normalize = normalize
        self.max_rows = max_rows
        self.random_state = random_state

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Mean silhouette of the target's clusters.

        Parameters
        ----------
        candidate : fitted classifier
            What is rated.
        source : Domain or None
            Not used.
        target : Domain
            Three rows or more; no label is read.

        Returns
        -------
        float
            From -1 to 1; higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        check_label_free(self, source, target, least=3)
        labels = target_labels(self, candidate, target)
        Z = candidate_features(self, candidate, target.X, "target")
        rows = subsample(len(Z), self.max_rows, self.random_state)
        Z = unit_rows(Z[rows]) if self.normalize else Z[rows]
        (Z,) = component_space(Z, n_components=self.n_components, scale=False, random_state=self.random_state)
        clusters = class_clusters(Z, labels[rows])
        if not 2 <= len(set(clusters)) < len(Z):
            return -1.0
        return float(silhouette_score(Z, clusters))
