"""HeMap: projections of two feature spaces that keep each one's structure and can stand for one another."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from scipy.linalg import svd
from sklearn.cluster import KMeans
from sklearn.utils import check_random_state

from ...core.base import ESTIMATOR, fit_inner
from ...core.constraints import Interval, RandomState
from ...core.errors import DomainError
from ...core.heterogeneous import HeterogeneousData, HeterogeneousTransfer, check_heterogeneous
from ...core.protocols import Array, Domain

CARD = {
    "class": "HeMap",
    "protocol": "Transfer",
    "settings": ("few_label", "heterogeneous"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Shi, Liu, Fan, Yu & Zhu. Transfer Learning on Heterogenous Feature Spaces via Spectral Transformation. ICDM 2010.",
    "url": "https://doi.org/10.1109/ICDM.2010.65",
}

__all__ = ["HeMap"]


class HeMap(HeterogeneousTransfer):
    """Project both domains by a spectral problem, leave out source rows that lie where the target has none, classify there.

    Parameters
    ----------
    n_components : int in [1, inf), default=30
        Directions to keep; at most as many as rows stand side by side.
    similarity : float in [0, inf), default=2.0
        Weight of the projections standing for one another, against each keeping its own domain; the paper's beta. At 2
        directions in which the projections are each other's opposite explain nothing; below, they may come before others.
    n_clusters : int in [1, inf), default=10
        Clusters of both domains' rows in the common space; 1 leaves no source row out.
    least_share : float in [0, 1), default=0.1
        Source rows stay whose cluster has at least this much of the target's share of all rows, as a fraction of it.
    estimator : estimator, default=None
        Fitted in the common space on the source rows that stay and the known rows of the target. None is logistic regression,
        or ridge regression for numbers, which need pairs.
    random_state : int, RandomState or None, default=None
        Draws which known target row a source row stands beside, and the clusters' starts.

    Attributes
    ----------
    source_map_, target_map_ : arrays of shape (n_features_source, n_components_) and (n_features, n_components_)
        What centred rows are multiplied with.
    source_mean_, target_mean_ : arrays of shape (n_features_source,) and (n_features,)
        Means of the rows that stand side by side.
    source_loadings_, target_loadings_ : arrays of shape (n_components_, n_features_source) and (n_components_, n_features)
        The paper's P_S and P_T, which turn the projections back into the domains.
    objective_ : float
        What was minimised, with the projections of the rows side by side.
    selected_ : bool array of shape (n_source,)
        Source rows that stayed.
    n_components_ : int
        Directions kept.
    n_features_source_ : int
        Columns of the source.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    For n rows S of the source and T of the target side by side, minimises ``|T - B_T P_T|^2 + |S - B_S P_S|^2 + similarity / 2
    (|T - B_S P_T|^2 + |S - B_T P_S|^2)``. For given projections ``P_T = (2 B_T'T + b B_S'T) / (2 + b)``, and then
    ``[B_T; B_S]`` are the leading eigenvectors of ``[[2 TT' + b^2/2 SS', b (SS' + TT')], [b (SS' + TT'), b^2/2 TT' + 2 SS']]``
    under ``B_T'B_T + B_S'B_S = 2 I``, which is what the paper's spectral solution keeps of orthonormal B_T and B_S. That matrix
    is half of ``UU' + VV'`` with ``U = [2 T; b T]`` and ``V = [b S; 2 S]``, so that a singular value decomposition of n x (d +
    d') does. Source rows in clusters of the common space in which the target is scarce are left out, as the paper selects by
    clustering to stay clear of negative transfer; how scarce is our rule (`least_share`).

    Unlike the paper, the rows side by side are pairs, or a source row and a known target row of its class: in the paper it is
    chance which rows they are, and the result depends on it. New rows, which the paper has none of, are projected by the
    pseudo-inverse of the loadings; what stands side by side is centred.

    Written from the published description; the authors' code was not compared, and the defaults are ours.

    References
    ----------
    Shi, Liu, Fan, Yu & Zhu. Transfer Learning on Heterogenous Feature Spaces via Spectral Transformation. ICDM 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, HeMap
    >>> rng = np.random.default_rng(0)
    >>> hidden = rng.normal(size=(100, 2))
    >>> X, Xt, y = hidden @ rng.normal(size=(2, 5)), hidden @ rng.normal(size=(2, 3)), hidden[:, 0] > 0
    >>> model = HeMap(2, n_clusters=1).fit(X, y, target=Domain(Xt), pairs=[[i, i] for i in range(30)])
    >>> model.score(Xt, y) > 0.95
    True
    """

    _constraints: ClassVar = {
        "n_components": Interval(int, 1),
        "similarity": Interval(float, 0),
        "n_clusters": Interval(int, 1),
        "least_share": Interval(float, 0, 1, closed="left"),
        "estimator": ESTIMATOR,
        "random_state": RandomState(),
    }

    def __init__(
        self,
        n_components: int = 30,
        similarity: float = 2.0,
        n_clusters: int = 10,
        least_share: float = 0.1,
        estimator: Any = None,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.similarity = similarity
        self.n_clusters = n_clusters
        self.least_share = least_share
        self.estimator = estimator
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None, pairs: Any = None) -> Self:
        data = check_heterogeneous(self, X, y, target, pairs=pairs, groups=groups)
        if not len(data.pairs) and data.classes is None:
            raise DomainError(
                "HeMap.fit: y must hold classes where no pairs are given. Unknown label type: continuous."
            )
        self._check_ties(data)
        rng = check_random_state(self.random_state)
        Zs, Zt = self._fit_map(data, rng), self._map(data.Xt, "target")
        self.selected_ = self._select(Zs, Zt, data, rng)
        Z, labels = [Zs[self.selected_], Zt[data.known]], [data.ys[self.selected_], data.yt]
        self.estimator_ = fit_inner(self, data.task, np.vstack(Z), np.concatenate(labels))
        return self

    fit.__doc__ = HeterogeneousTransfer.fit.__doc__

    def _fit_map(self, data: HeterogeneousData, rng: Any = None) -> Array:  # type: ignore[override]
        Xs, Xt = (np.asarray(X, dtype=np.float64) for X in (data.Xs, data.Xt))
        of_source, of_target = _side_by_side(data, rng)
        S, T, b = Xs[of_source], Xt[of_target], self.similarity
        self.source_mean_, self.target_mean_ = S.mean(axis=0), T.mean(axis=0)
        S, T = S - self.source_mean_, T - self.target_mean_
        n = len(S)
        both = np.vstack([np.hstack([2 * T, b * S]), np.hstack([b * T, 2 * S])])
        # Rows that stand beside many others make equal rows, on which the faster driver may not converge.
        left, s, _ = svd(both, full_matrices=False, lapack_driver="gesvd")
        rank = int((s > s[0] * 2 * n * np.finfo(np.float64).eps).sum()) if s[0] > 0 else 1
        k = self.n_components_ = max(1, min(self.n_components, rank))
        B_T, B_S = np.sqrt(2) * left[:n, :k], np.sqrt(2) * left[n:, :k]
        self.target_loadings_ = (2 * B_T + b * B_S).T @ T / (2 + b)
        self.source_loadings_ = (2 * B_S + b * B_T).T @ S / (2 + b)
        self.objective_ = sum(
            float((weight * (D - B @ P) ** 2).sum())
            for weight, D, B, P in (
                (1, T, B_T, self.target_loadings_), (1, S, B_S, self.source_loadings_),
                (b / 2, T, B_S, self.target_loadings_), (b / 2, S, B_T, self.source_loadings_),
            )
        )  # fmt: skip
        # A component as large as the domain's rows are: the inner estimator's penalty must not depend on n.
        self.source_map_, self.target_map_ = (
            np.sqrt(n) * np.linalg.pinv(P) for P in (self.source_loadings_, self.target_loadings_)
        )
        return self._map(Xs, "source")

    def _map(self, X: Array, domain: str) -> Array:
        if domain == "source":
            return np.asarray((X - self.source_mean_) @ self.source_map_)
        return np.asarray((X - self.target_mean_) @ self.target_map_)

    def _select(self, Zs: Array, Zt: Array, data: HeterogeneousData, rng: Any) -> Array:
        """Source rows whose clusters hold enough of the target; a class that would be lost stays whole."""
        both = np.vstack([Zs, Zt])
        both = np.round(both / (np.abs(both).max() or 1.0), 9)  # what differs by rounding is one place
        k = min(self.n_clusters, len(np.unique(both, axis=0)))
        found = KMeans(k, n_init=3, random_state=rng.randint(2**31 - 1)).fit(both).labels_
        size, of_target = np.bincount(found, minlength=k), np.bincount(found[len(Zs) :], minlength=k)
        share = of_target / np.maximum(size, 1)
        stays = (share >= self.least_share * len(Zt) / len(both))[found[: len(Zs)]]
        if data.classes is None:
            return stays if stays.sum() > 1 else np.ones_like(stays)
        lost = np.setdiff1d(data.codes, data.codes[stays])
        return stays | np.isin(data.codes, lost)


def _side_by_side(data: HeterogeneousData, rng: Any) -> tuple[Array, Array]:
    """Rows of the source and of the target that stand beside each other."""
    if len(data.pairs):
        return data.pairs[:, 0], data.pairs[:, 1]
    known = np.flatnonzero(data.known)
    of_source, of_target = [], []
    for c in np.intersect1d(data.codes, data.codes_t):
        own, beside = np.flatnonzero(data.codes == c), rng.permutation(known[data.codes_t == c])
        n = max(len(own), len(beside))
        of_source.append(np.resize(own, n))
        of_target.append(np.resize(beside, n))
    return np.concatenate(of_source), np.concatenate(of_target)
