"""Feature augmentation (EasyAdapt): a shared copy of the features and one copy a domain, so that each domain may differ."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from ...core.base import ESTIMATOR, FeatureTransfer, fit_inner, stack
from ...core.constraints import Either, Interval, Nothing, Options
from ...core.errors import DomainError, ParamError
from ...core.protocols import Array, Domain
from ...core.validation import TransferData, check_rows, check_transfer
from ...ops.covariance import matrix_power
from ...ops.kernels.gaussian import median_gamma, rbf

CARD = {
    "class": "FeatureAugmentation",
    "protocol": "Transfer",
    "settings": ("few_label", "supervised", "multi_source"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": ({},),
    "paper": "Daumé III. Frustratingly Easy Domain Adaptation. ACL 2007.",
    "url": "https://arxiv.org/abs/0907.1815",
}

__all__ = ["FeatureAugmentation"]


class FeatureAugmentation(FeatureTransfer):
    """Give every domain its own copy of the features beside a shared one, and let the inner estimator choose.

    Parameters
    ----------
    agreement : float in [0, inf), default=0.0
        Weight of a target row whose label is not known: EA++, which asks that the source's and the target's predictions
        agree on it. 0 is the supervised method. Otherwise the inner estimator must take ``sample_weight``.
    kernel : {"linear", "rbf"}, default="linear"
        What is copied: the features, or the coordinates of rows in the space of the rbf kernel.
    gamma : float in (0, inf), default=None
        Width of the rbf kernel ``exp(-gamma ||x - y||^2)``. None is half the inverse median squared distance.
    n_landmarks : int in [1, inf), default=500
        Rows, taken evenly from both domains, whose kernel values span that space. As many as there are rows is exact.
    estimator : estimator, default=None
        Fitted on the augmented source and known target rows. None is logistic regression for classes and ridge regression
        for numbers. It should be regularised and linear (or a kernel method): trees gain nothing from copies.

    Attributes
    ----------
    groups_ : array of shape (n_sources,)
        Names of the source domains in the order of their copies; one where `groups` was not given.
    landmarks_ : array of shape (n_landmarks_, n_features) or None
        Rows that the rbf kernel compares with; None for the linear kernel.
    basis_ : array of shape (n_landmarks_, n_landmarks_) or None
        What kernel values are multiplied with before they are copied.
    gamma_ : float or None
        Width used; None for the linear kernel.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    A source row becomes ``(x, x, 0)``, a target row ``(x, 0, x)`` (eq. 1); with K source domains there are K + 2 blocks
    (section 3.3): shared, one a source, target. For a kernel method this is ``2 k(x, z)`` within a domain and ``k(x, z)``
    across (section 3.2), for which the rbf kernel is written as inner products by ``k(x, L) k(L, L)^(-1/2)`` with L the
    landmarks. The method is a supervised one: a target without known labels leaves its copy untrained and is an error.

    EA++ adds each target row of unknown label as ``(0, x, -x)`` once with each class, so that any difference of the two
    domains' scores costs something whatever the class is; together these copies weigh `agreement`. For a regression it is
    added once, with the mean of the known values. An intercept of the inner estimator is in these copies too, and is drawn
    towards even scores with them. With several sources x is divided by their number: the target is to agree
    with the mean of their predictors.

    References
    ----------
    Daumé III. Frustratingly Easy Domain Adaptation. ACL 2007, section 3.
    Daumé III, Kumar & Saha. Frustratingly Easy Semi-Supervised Domain Adaptation. DANLP workshop at ACL 2010 (EA++).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, FeatureAugmentation
    >>> X, y = np.array([[1.0], [2.0]]), np.array([0, 1])
    >>> model = FeatureAugmentation().fit(X, y, target=Domain(X, 1 - y))
    >>> model.transform([[5.0]], domain="source"), model.transform([[5.0]])
    (array([[5., 5., 0.]]), array([[5., 0., 5.]]))
    """

    _constraints: ClassVar = {
        "agreement": Interval(float, 0),
        "kernel": Options("linear", "rbf"),
        "gamma": Either(Nothing(), Interval(float, 0, closed="neither")),
        "n_landmarks": Interval(int, 1),
        "estimator": ESTIMATOR,
    }
    _accept_sparse: ClassVar = True

    def __init__(
        self,
        agreement: float = 0.0,
        kernel: str = "linear",
        gamma: float | None = None,
        n_landmarks: int = 500,
        estimator: Any = None,
    ) -> None:
        self.agreement = agreement
        self.kernel = kernel
        self.gamma = gamma
        self.n_landmarks = n_landmarks
        self.estimator = estimator

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        data = check_transfer(self, X, y, target, groups=groups, accept_sparse=True)
        Zs, labels = self._fit_map(data), np.concatenate([data.ys, data.yt])
        Z, unknown = stack(Zs, self._map(data.Xt_known, "target")), data.Xt[~data.known]
        if not (self.agreement > 0 and unknown.shape[0]):
            self.estimator_ = fit_inner(self, data.task, Z, labels)
            return self
        values = [labels.mean()] if data.classes is None else data.classes
        apart = self._difference(unknown)
        weights = np.ones(len(labels))
        for value in values:
            Z, labels = stack(Z, apart), np.concatenate([labels, np.full(apart.shape[0], value, dtype=labels.dtype)])
            weights = np.concatenate([weights, np.full(apart.shape[0], self.agreement / len(values))])
        self.estimator_ = fit_inner(self, data.task, Z, labels, weights)
        return self

    fit.__doc__ = FeatureTransfer.fit.__doc__

    def _fit_map(self, data: TransferData) -> Any:
        if not len(data.yt):
            raise DomainError("FeatureAugmentation.fit: target must have known labels. Got 0 known labels.")
        names = np.zeros(len(data.ys), dtype=int) if data.groups is None else data.groups
        self.groups_, block = np.unique(names, return_inverse=True)
        self.landmarks_ = self.basis_ = self.gamma_ = None
        if self.kernel == "rbf":
            rows = _dense(stack(data.Xs, data.Xt))
            self.gamma_ = self.gamma or median_gamma(rows)
            self.landmarks_ = rows[:: -(-len(rows) // self.n_landmarks)]
            self.basis_ = matrix_power(rbf(self.landmarks_, self.landmarks_, self.gamma_), -0.5).astype(rows.dtype)
        return self._augment(data.Xs, block + 1)

    def transform(self, X: Any, domain: str = "target", groups: Any = None) -> Array:
        """Rows of either domain with their copies.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of one domain.
        domain : {"target", "source"}
            Which domain they come from.
        groups : array-like of shape (n_samples,), optional
            The source domain of each source row. Where there were several and none is named, the row fills the shared
            block only.

        Returns
        -------
        Z : array of shape (n_samples, (n_sources + 2) * n_features)
            The augmented rows.
        """
        if groups is None or domain != "source":
            return super().transform(X, domain)
        check_is_fitted(self)
        rows = check_rows(self, X, method="transform", accept_sparse=True)
        names = np.asarray(groups)
        if names.shape != (rows.shape[0],) or not np.isin(names, self.groups_).all():
            raise ParamError(
                f"FeatureAugmentation.transform: groups must name one of {self.groups_.tolist()} for each of the"
                f" {rows.shape[0]} rows. Got {np.unique(names)[:5].tolist()} of shape {names.shape}."
            )
        return self._augment(rows, np.searchsorted(self.groups_, names) + 1)

    def _map(self, X: Any, domain: str) -> Any:
        own = {"target": len(self.groups_) + 1, "source": 1 if len(self.groups_) == 1 else 0}[domain]
        return self._augment(X, np.full(X.shape[0], own))

    def _coordinates(self, X: Any) -> Any:
        """What is copied for each row."""
        if self.landmarks_ is None:
            return X
        return (rbf(_dense(X), self.landmarks_, self.gamma_) @ self.basis_).astype(self.basis_.dtype)

    def _augment(self, X: Any, own: Array) -> Any:
        """Block 0 is shared; block `own` of each row is its domain's, none where it is 0."""
        X, n_blocks = self._coordinates(X), len(self.groups_) + 2
        if sparse.issparse(X):
            copies = [sparse.diags_array((own == k).astype(X.dtype)) @ X for k in range(1, n_blocks)]
            return sparse.csr_matrix(sparse.hstack([X, *copies], format="csr"))
        n, d = X.shape
        Z = np.zeros((n, n_blocks, d), dtype=X.dtype)
        Z[:, 0] = X
        Z[np.arange(n), own] = X
        return Z.reshape(n, n_blocks * d)

    def _difference(self, X: Any) -> Any:
        """Rows whose score is that of the sources, on average, minus that of the target."""
        X, k = self._coordinates(X), len(self.groups_)
        blocks = [0 * X, *[X / k] * k, -X]
        return sparse.csr_matrix(sparse.hstack(blocks)) if sparse.issparse(X) else np.hstack(blocks)


def _dense(X: Any) -> Array:
    return X.toarray() if sparse.issparse(X) else X
