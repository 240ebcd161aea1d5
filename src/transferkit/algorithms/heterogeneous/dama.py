"""DAMA: both feature spaces mapped so that rows of one class meet, those of others part, and neighbours stay neighbours."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.linalg import eigh
from sklearn.neighbors import kneighbors_graph

from ...core.base import ESTIMATOR, stack
from ...core.constraints import Interval
from ...core.heterogeneous import HeterogeneousData, HeterogeneousTransfer
from ...core.protocols import Array

CARD = {
    "class": "DAMA",
    "protocol": "Transfer",
    "settings": ("few_label", "heterogeneous"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Wang & Mahadevan. Heterogeneous Domain Adaptation Using Manifold Alignment. IJCAI 2011.",
    "url": "https://www.ijcai.org/Proceedings/11/Papers/259.pdf",
}

__all__ = ["DAMA"]


class DAMA(HeterogeneousTransfer):
    """Learn a linear map of each domain by classes and neighbourhoods; needs a few known labels in the target.

    Parameters
    ----------
    n_components : int in [1, inf), default=30
        Directions to keep; at most as many as both domains have columns.
    topology : float in [0, inf), default=1.0
        Weight of the neighbourhoods within each domain against the classes; the paper's mu.
    n_neighbors : int in [1, inf), default=10
        Neighbours of a row in its own domain.
    reg : float in (0, inf), default=0.01
        Added to the diagonal of what is made small, in units of its mean.
    estimator : estimator, default=None
        Fitted in the common space on the source and the known rows of the target. None is logistic regression.

    Attributes
    ----------
    source_map_, target_map_ : arrays of shape (n_features_source, n_components_) and (n_features, n_components_)
        What centred and scaled rows are multiplied with.
    source_mean_, target_mean_ : arrays of shape (n_features_source,) and (n_features,)
        Means of the rows.
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
    Over the rows of both domains, each in columns of its own (those of the other being 0), maximises the summed squared
    distances of labelled rows of different classes over those of rows of one class, within and between the domains, plus
    ``topology`` times those of neighbours within a domain: the generalised eigenvectors of section 3. Sums over pairs of
    rows are taken from the classes' sums, so that only the neighbour graph looks at single rows: O(n d^2) and
    O((d + d')^3). Unlike the paper, the three sums are divided by their numbers of pairs, so that `topology` does not depend
    on how many rows there are; each domain is scaled to mean variance 1; neighbours weigh 1; and the smaller side has a ridge.

    Written from the published description; the authors' code was not compared. A later account of the method (Tuia &
    Camps-Valls 2016) has the same eigenproblem, with a weight on the rows of one class instead: 1 / `topology`.

    References
    ----------
    Wang & Mahadevan. Heterogeneous Domain Adaptation Using Manifold Alignment. IJCAI 2011.
    Tuia & Camps-Valls. Kernel Manifold Alignment for Domain Adaptation. PLoS ONE 11(2), 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import DAMA, Domain
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(100) % 2
    >>> hidden = np.column_stack([6 * y + rng.normal(size=100), rng.normal(size=100)])
    >>> X, Xt = hidden @ rng.normal(size=(2, 5)), hidden @ rng.normal(size=(2, 3))
    >>> DAMA().fit(X, y, target=Domain(Xt, y, known=np.arange(100) < 6)).score(Xt, y) > 0.95
    True
    """

    _constraints: ClassVar = {
        "n_components": Interval(int, 1),
        "topology": Interval(float, 0),
        "n_neighbors": Interval(int, 1),
        "reg": Interval(float, 0, closed="neither"),
        "estimator": ESTIMATOR,
    }
    _ties: ClassVar = "labels"
    _task: ClassVar = "classification"

    def __init__(
        self,
        n_components: int = 30,
        topology: float = 1.0,
        n_neighbors: int = 10,
        reg: float = 0.01,
        estimator: Any = None,
    ) -> None:
        self.n_components = n_components
        self.topology = topology
        self.n_neighbors = n_neighbors
        self.reg = reg
        self.estimator = estimator

    def _fit_map(self, data: HeterogeneousData) -> Array:
        sides = [np.asarray(X, dtype=np.float64) for X in (data.Xs, data.Xt)]
        means = [X.mean(axis=0) for X in sides]
        scales = [float(np.sqrt((X - m).var(axis=0).mean())) or 1.0 for X, m in zip(sides, means)]
        Zs, Zt = ((X - m) / s for X, m, s in zip(sides, means, scales))
        split = Zs.shape[1]
        labelled = stack(np.pad(Zs, ((0, 0), (0, Zt.shape[1]))), np.pad(Zt[data.known], ((0, 0), (split, 0))))
        same, other = _scatters(labelled, np.concatenate([data.codes, data.codes_t]))
        near = np.zeros_like(same)
        near[:split, :split], near[split:, split:] = (_neighbour_scatter(Z, self.n_neighbors) for Z in (Zs, Zt))
        small = same + self.topology * near
        small[np.diag_indices(len(small))] += self.reg * (np.trace(small) / len(small) or 1.0)
        k = min(self.n_components, len(small))
        _, vectors = eigh(other, small, subset_by_index=(len(small) - k, len(small) - 1))
        vectors = vectors[:, ::-1] * np.sqrt(len(small))
        self.source_mean_, self.target_mean_ = means
        self.source_map_, self.target_map_ = vectors[:split] / scales[0], vectors[split:] / scales[1]
        self.n_components_ = k
        return self._map(data.Xs, "source")

    def _map(self, X: Array, domain: str) -> Array:
        if domain == "source":
            return np.asarray((X - self.source_mean_) @ self.source_map_)
        return np.asarray((X - self.target_mean_) @ self.target_map_)


def _scatters(Z: Array, codes: Array) -> tuple[Array, Array]:
    """Mean outer product of the difference of two rows, over pairs of one class and over pairs of two."""
    n, square, total = len(Z), Z.T @ Z, Z.sum(axis=0)
    same, of_one_class = np.zeros_like(square), 0
    for c in np.unique(codes):
        own = Z[codes == c]
        # Over all ordered pairs of n rows, sum (z_i - z_j)(z_i - z_j)' = 2 n Z'Z - 2 (sum z)(sum z)'.
        same += 2 * (len(own) * own.T @ own - np.outer(own.sum(axis=0), own.sum(axis=0)))
        of_one_class += len(own) ** 2
    other = 2 * (n * square - np.outer(total, total)) - same
    return same / of_one_class, other / max(n**2 - of_one_class, 1)


def _neighbour_scatter(Z: Array, n_neighbors: int) -> Array:
    """Mean outer product of the difference of a row and one of its neighbours."""
    W = kneighbors_graph(Z, min(n_neighbors, len(Z) - 1)) if len(Z) > 1 else None
    if W is None:
        return np.zeros((Z.shape[1], Z.shape[1]))
    W = W.maximum(W.T)
    degree = np.asarray(W.sum(axis=1)).ravel()
    return np.asarray(2 * (Z.T @ (degree[:, None] * Z - W @ Z)) / degree.sum())
