"""Semi-supervised subspace alignment: each class is turned onto the target's own, and placed where its known rows are."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from ...core.base import ESTIMATOR, ShallowTransfer, fit_inner
from ...core.constraints import Interval
from ...core.errors import DomainError
from ...core.protocols import Array, Domain
from ...core.validation import TransferData, check_rows, check_transfer
from ...ops.neighbours import nearest
from ...ops.solvers.linalg import principal_axes

CARD = {
    "class": "SemiSubspaceAlignment",
    "protocol": "Transfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "scaling": "domain",
    "portfolio": (),
    "paper": (
        "Fernando, Habrard, Sebban & Tuytelaars. Unsupervised Visual Domain Adaptation Using Subspace Alignment."
        " ICCV 2013; class by class as in Kouw's libTLDA."
    ),
    "url": "https://github.com/wmkouw/libTLDA",
}

__all__ = ["SemiSubspaceAlignment"]


class SemiSubspaceAlignment(ShallowTransfer):
    """Align the principal directions of each source class with those of the target rows like its known ones.

    Parameters
    ----------
    n_components : int in [1, inf), default=30
        Principal directions of the target and of each class; fewer where a rank is lower.
    estimator : classifier, default=None
        Fitted on the aligned source and the known target rows. None is logistic regression.

    Attributes
    ----------
    axes_target_ : array of shape (n_features, n_components_)
        Orthonormal principal directions of the target.
    mean_target_ : array of shape (n_features,)
        Column means of the target.
    n_components_ : int
        Number of directions of the target.
    mapped_source_ : array of shape (n_source, n_components_)
        The aligned source rows.
    estimator_ : classifier
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Target rows of unknown label get that of the nearest known row, for the directions alone. With S_c and T_c the directions
    of the source rows and of the target rows of class c, a source row becomes
    ``((x - s_c) S_c S_c' T_c T_c' + t_c - t) P``: `SubspaceAlignment` within the class, then the coordinates of the
    target's directions P. Here s_c is the mean of the class's source rows, t_c that of its known target rows, and t that of the
    target. A class without a known row is aligned with the whole target, as without labels.

    libTLDA, whose form this is, leaves a class's rows in the coordinates of T_c and the target's in those of P, which are
    different axes; we write both in P. The map of a source row depends on its label, so there is no ``transform``.

    References
    ----------
    Fernando, Habrard, Sebban & Tuytelaars. Unsupervised Visual Domain Adaptation Using Subspace Alignment. ICCV 2013.
    Kouw. libTLDA: a Library of Transfer Learners and Domain-Adaptive Classifiers (SemiSubspaceAlignedClassifier).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, SemiSubspaceAlignment
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(60, 4)), np.arange(60) % 2
    >>> X[:, 0] += 6 * y
    >>> target = Domain(X * [-1, 1, 1, 1], y, np.arange(60) < 6)
    >>> SemiSubspaceAlignment(2).fit(X, y, target=target).score(target.X, y) > 0.9
    True
    """

    _constraints: ClassVar = {"n_components": Interval(int, 1), "estimator": ESTIMATOR}

    def __init__(self, n_components: int = 30, estimator: Any = None) -> None:
        self.n_components = n_components
        self.estimator = estimator

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        data = check_transfer(self, X, y, target, groups=groups)
        if data.classes is None:
            raise DomainError("SemiSubspaceAlignment.fit: y must hold classes. Unknown label type: continuous.")
        if not len(data.yt):
            raise DomainError("SemiSubspaceAlignment.fit: target must have known labels. Got 0 known labels.")
        dtype = data.Xs.dtype
        mean, axes = principal_axes(data.Xt, self.n_components)
        self.mean_target_, self.axes_target_ = mean.astype(dtype), axes.astype(dtype)
        self.n_components_ = axes.shape[1]
        self.mapped_source_ = self._aligned(data).astype(dtype)
        labels = np.concatenate([data.ys, data.yt])
        self.estimator_ = fit_inner(
            self, data.task, np.vstack([self.mapped_source_, self._project(data.Xt_known)]), labels
        )
        return self

    fit.__doc__ = ShallowTransfer.fit.__doc__

    def _aligned(self, data: TransferData) -> Array:
        known = data.Xt_known
        likely = data.codes_t[nearest(known, data.Xt, 1)[1][:, 0]]
        likely[data.known] = data.codes_t
        whole_s, whole_t = data.Xs.mean(axis=0, dtype=np.float64), self.mean_target_
        rows = np.empty((len(data.Xs), self.n_components_))
        for c in np.unique(data.codes):
            own = data.codes == c
            if (data.codes_t == c).any():
                source, place = data.Xs[own], known[data.codes_t == c].mean(axis=0, dtype=np.float64)
                middle, towards = source.mean(axis=0, dtype=np.float64), data.Xt[likely == c]
            else:
                source, place, middle, towards = data.Xs, whole_t, whole_s, data.Xt
            S, T = principal_axes(source, self.n_components)[1], principal_axes(towards, self.n_components)[1]
            moved = ((data.Xs[own] - middle) @ S) @ (S.T @ T) @ (T.T @ self.axes_target_)
            rows[own] = moved + (place - whole_t) @ self.axes_target_
        return rows

    def _project(self, X: Array) -> Array:
        return (X - self.mean_target_) @ self.axes_target_

    def _target_rows(self, X: Any, method: str) -> Any:
        return self._project(check_rows(self, X, method=method))
